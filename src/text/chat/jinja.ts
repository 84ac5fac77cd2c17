/** Jinja as transformers runs chat templates, within limits: a template comes with a stranger's model. */
import * as jinja from "@huggingface/jinja";
import { InputError, within } from "../../base/index.ts";
import { type JinjaValue, printed, STRIPS, stripped } from "./python-text.ts";

export const TEMPLATE_LIMITS = {
  /** Characters of a template. */
  templateLength: 2 ** 16,
  /** Characters of a text that it makes. */
  outputLength: 2 ** 24,
  /** Items of a list. */
  listLength: 2 ** 20,
  /** Characters and items in all that filters and calls make. */
  made: 2 ** 27,
  /** Milliseconds that it may take, and for how many characters of its output there is one more. */
  milliseconds: 2_000,
  charactersPerMillisecond: 200,
};

/** What of the interpreter is used here. Its package says less, and TypeScript finds what it says or not by how it looks for modules. */
interface JinjaInterpreter {
  run(program: object): JinjaValue;
  evaluate(step: Step | undefined, scope: object): JinjaValue;
  evaluateBlock(steps: readonly Step[], scope: object): JinjaValue;
}
interface Step {
  type: string;
  value?: unknown;
}
interface Call extends Step {
  args: Step[];
  callee: Step & { object: Step; property: Step; computed: boolean };
}
const exported: Record<string, unknown> = jinja;
const JinjaInterpreter = exported.Interpreter as new (globals: object) => JinjaInterpreter;
interface Scope {
  set(name: string, value: unknown): void;
}
const Scope = exported.Environment as new () => Scope;
type Program = object;
const programs = new Map<string, Program>();
const MAX_PROGRAMS = 16;

/**
 * What a template writes. It sees nothing but these values and what transformers gives every template.
 * @param size characters in the values: more of them may take longer
 * @throws InputError for one that is too long, cannot be read, fails, or goes beyond the limits
 */
export function renderJinja(template: string, values: Record<string, unknown>, size: number): string {
  const { templateLength, outputLength, milliseconds, charactersPerMillisecond } = TEMPLATE_LIMITS;
  if (template.length > templateLength) throw new InputError(`chat_template: longer than ${templateLength} characters`);
  const limit = milliseconds + size / charactersPerMillisecond;
  const slow = `chat_template: takes longer than ${Math.round(limit / 1000)} s; this template is not usable`;
  const text = within(limit, slow, () => {
    try {
      return String(new BoundedInterpreter(environment(values)).run(programOf(template)).value);
    } catch (error) {
      throw new InputError(`chat_template: ${(error as Error).message.split("\n")[0]}`);
    }
  });
  if (text.length > outputLength)
    throw new InputError(`chat_template: its output is longer than ${outputLength} characters`);
  return text;
}

function programOf(template: string): Program {
  const known = programs.get(template);
  if (known) return known;
  const program: Program = jinja.parse(jinja.tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
  if (programs.size >= MAX_PROGRAMS) programs.clear();
  programs.set(template, program);
  return program;
}

function environment(values: Record<string, unknown>): Scope {
  const found = new Scope();
  const globals = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range,
    strftime_now: (format: unknown) => strftime(new Date(), String(format)),
    raise_exception: (message: unknown) => {
      throw new Error(String(message));
    },
  };
  for (const [name, value] of Object.entries({ ...globals, ...values })) found.set(name, value);
  return found;
}

/** Numbers from start to before stop, as Python's range. */
function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (step === 0 || !Number.isFinite(count)) throw new Error("range() needs whole numbers and a step other than 0");
  if (count > TEMPLATE_LIMITS.listLength)
    throw new Error(`range() of ${count} numbers; at most ${TEMPLATE_LIMITS.listLength} are allowed`);
  return Array.from({ length: count }, (_, i) => from + i * step);
}

/** A date as Python's strftime writes it, in English. */
function strftime(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const named = (options: Intl.DateTimeFormatOptions) => date.toLocaleDateString("en-US", options);
  const dayOfYear =
    Math.round(
      (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 1)) / 86_400_000,
    ) + 1;
  const hour = date.getHours();
  const fields: Record<string, string> = {
    a: named({ weekday: "short" }),
    A: named({ weekday: "long" }),
    b: named({ month: "short" }),
    B: named({ month: "long" }),
    d: two(date.getDate()),
    e: String(date.getDate()).padStart(2),
    m: two(date.getMonth() + 1),
    y: two(date.getFullYear() % 100),
    Y: String(date.getFullYear()),
    H: two(hour),
    I: two(hour % 12 || 12),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    p: hour < 12 ? "AM" : "PM",
    j: String(dayOfYear).padStart(3, "0"),
    "%": "%",
  };
  fields.F = `${fields.Y}-${fields.m}-${fields.d}`;
  fields.T = `${fields.H}:${fields.M}:${fields.S}`;
  return format.replace(/%-?([a-zA-Z%])/g, (whole, key: string) =>
    Object.hasOwn(fields, key) ? (whole[1] === "-" ? fields[key].replace(/^0+(?=\d)/, "") : fields[key]) : whole,
  );
}

/** Looks at what every step of a template made. Time is bounded outside; this bounds memory. */
class BoundedInterpreter extends JinjaInterpreter {
  private made = 0;

  override evaluate(step: Step | undefined, scope: object): JinjaValue {
    const result = this.strip(step, scope) ?? super.evaluate(step, scope);
    const { value } = result;
    const isText = typeof value === "string";
    if (!isText && !Array.isArray(value)) return result;
    const { outputLength, listLength, made } = TEMPLATE_LIMITS;
    if (value.length > (isText ? outputLength : listLength))
      throw new Error(
        isText
          ? `it makes a text longer than ${outputLength} characters`
          : `it makes a list longer than ${listLength} items`,
      );
    // Joining two texts copies nothing yet; what looks a value up makes none.
    const kind = step?.type;
    if (
      kind === "FilterExpression" ||
      kind === "CallExpression" ||
      kind === "SliceExpression" ||
      (kind === "BinaryExpression" && !isText)
    )
      this.made += value.length;
    if (this.made > made) throw new Error(`it makes more than ${made} characters in all`);
    return result;
  }

  /** What a block writes, in Python's words. */
  override evaluateBlock(steps: readonly Step[], scope: object): JinjaValue {
    let text = "";
    for (const step of steps) text += printed(this.evaluate(step, scope), TEMPLATE_LIMITS.outputLength);
    return this.text(text, scope);
  }

  /** text.strip(characters), of which the interpreter would not see the characters; null for any other step. */
  private strip(step: Step | undefined, scope: object): JinjaValue | null {
    if (step?.type !== "CallExpression") return null;
    const { args, callee } = step as Call;
    const method = STRIPS.find((name) => callee.type === "MemberExpression" && callee.property.value === name);
    if (method === undefined || callee.computed || args.length !== 1) return null;
    const [{ value: text }, { value: characters }] = [callee.object, args[0]].map((part) => this.evaluate(part, scope));
    if (typeof text !== "string" || typeof characters !== "string") return null;
    return this.text(stripped(text, characters, method), scope);
  }

  private text(value: string, scope: object): JinjaValue {
    return super.evaluate({ type: "StringLiteral", value }, scope);
  }
}
