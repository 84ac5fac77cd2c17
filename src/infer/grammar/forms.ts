/** The forms that a model's replies are held to: made once for each schema or set of tools, and shared by the requests that ask for it. */
import {
  CALL_BEGIN,
  CALL_END,
  CALL_SEPARATOR,
  CALLS_BEGIN,
  CALLS_END,
  THINK_END,
  type Tokenizer,
} from "../../text/index.ts";
import { EngineError, type ResponseFormat, type Tool } from "../engine.ts";
import type { Constraint } from "../scheduling/request.ts";
import { bytesOf, type Code } from "./code.ts";
import { codesOf, Form, FormConstraint, type Made, PendingForm } from "./form.ts";
import { ANY_OBJECT, literalOf, type Node } from "./grammar.ts";
import type { Schema } from "./keywords.ts";
import { type SchemaForm, schemaForm } from "./schema.ts";
import { TokenTrie } from "./token-trie.ts";
import { Triggered } from "./triggered.ts";
import { Budget, type Work } from "./work.ts";

const MARKS = [CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, CALL_SEPARATOR];
/** Forms that are kept for requests to come: so many, and as long as all that was asked for is not longer than this, in characters. */
const MAX_KEPT = { forms: 32, length: 2 ** 20 };
/** Calls of one reply at most. */
const MAX_CALLS = 16;

export interface CallsWanted {
  tools: readonly Tool[];
  /** Exactly one call, or as many as the model likes. */
  one: boolean;
}

type Check = SchemaForm["check"];

export class Forms {
  private readonly tokenizer: Tokenizer;
  private readonly stopIds: readonly number[];
  private readonly codes: (id: number) => Iterable<Code>;
  /** The least recently used first. */
  private readonly forms = new Map<string, PendingForm>();
  private length = 0;
  /** Made once for all forms, by whoever needs it first. */
  private trie: TokenTrie | null = null;

  constructor(tokenizer: Tokenizer, stopIds: Iterable<number>) {
    this.tokenizer = tokenizer;
    this.stopIds = [...stopIds];
    this.codes = codesOf(tokenizer, MARKS);
  }

  /**
   * Holds a reply to a response format, or to calls of the tools; null: it is free. What the schemas ask for is found out when the constraint is
   * prepared.
   * @param afterReasoning it begins with reasoning, which is free
   */
  format(format: ResponseFormat, wanted: CallsWanted, afterReasoning: boolean): Constraint | null {
    if (format.type === "text") return null;
    const schema = format.type === "json_schema" ? format.schema : null;
    const make = (budget: Budget) => this.answer(format, wanted, budget);
    const form = this.form(`format ${wanted.one}`, [format.type, schema, wanted.tools], "responseFormat", make);
    return this.after(form, afterReasoning ? THINK_END : null);
  }

  /** Holds a reply to calls of tools and nothing else. */
  calls({ tools, one }: CallsWanted, afterReasoning: boolean): Constraint {
    const make = (budget: Budget) => this.callsOnly(tools, one, budget);
    return this.after(this.form(`calls ${one}`, tools, "tools", make), afterReasoning ? THINK_END : null);
  }

  /** Leaves a reply free until it begins to call; the calls are then held to the format and to what the tools take. */
  callsIfAny({ tools, one }: CallsWanted): Constraint {
    const make = (budget: Budget) => this.callList(tools, one, budget);
    return this.after(this.form(`call list ${one}`, tools, "tools", make), CALLS_BEGIN);
  }

  private after(form: PendingForm, mark: string | null): Constraint {
    const constraint = new FormConstraint(form, this.codes);
    return mark === null ? constraint : new Triggered(this.tokenizer, mark, constraint);
  }

  private form(kind: string, asked: unknown, param: string, make: (budget: Budget) => Work<Made>): PendingForm {
    const key = `${kind} ${textOf(asked, param)}`;
    let form = this.forms.get(key);
    if (form) this.forms.delete(key);
    else this.length += key.length;
    form ??= new PendingForm(param, this.make(make));
    this.forms.set(key, form);
    for (const oldest of this.forms.keys()) {
      if (oldest === key || (this.forms.size <= MAX_KEPT.forms && this.length <= MAX_KEPT.length)) break;
      this.forms.delete(oldest);
      this.length -= oldest.length;
    }
    return form;
  }

  private *make(make: (budget: Budget) => Work<Made>): Work<Form> {
    const budget = new Budget();
    const made = yield* make(budget);
    this.trie ??= yield* TokenTrie.of(this.tokenizer, MARKS);
    return yield* Form.of(made, budget, this.trie, this.stopIds);
  }

  private *answer(format: ResponseFormat, { tools, one }: CallsWanted, budget: Budget): Work<Made> {
    const schema = format.type === "json_schema" ? format.schema : null;
    const param = "responseFormat";
    const answer = format.type === "json_schema" ? yield* schemaForm(schema, { param }, budget) : FREE;
    const check = answer.check && ((codes: readonly Code[]) => problemOf(this.textOf(codes), answer.check, param));
    if (tools.length === 0) return { node: answer.node, check };
    const calls = yield* this.callsOnly(tools, one, budget);
    const [begins] = this.codesOf(CALLS_BEGIN);
    return {
      node: { kind: "any of", options: [answer.node, calls.node] },
      check: (codes) => (codes[0] === begins ? calls.check : check)?.(codes) ?? null,
    };
  }

  private *callsOnly(tools: readonly Tool[], one: boolean, budget: Budget): Work<Made> {
    const { node, check } = yield* this.callList(tools, one, budget);
    return { node: { kind: "sequence", parts: [this.mark(CALLS_BEGIN), node] }, check };
  }

  /** What stands after the mark that begins calls: calls, and the mark that ends them. */
  private *callList(tools: readonly Tool[], one: boolean, budget: Budget): Work<Made> {
    const checks = new Map<string, Check>();
    const options: Node[] = [];
    for (const [i, tool] of tools.entries()) {
      const { node, check } = yield* argumentsOf(tool, i, budget);
      checks.set(tool.name, check);
      const parts = [this.mark(CALL_BEGIN), literalOf([bytesOf(tool.name)]), this.mark(CALL_SEPARATOR), node];
      options.push({ kind: "sequence", parts: [...parts, this.mark(CALL_END)] });
    }
    const call: Node = { kind: "any of", options };
    let rest: Node = this.mark(CALLS_END);
    for (let i = one ? 1 : MAX_CALLS; i > 0; i--) {
      const calls: Node = { kind: "sequence", parts: [call, rest] };
      rest = i === 1 ? calls : { kind: "any of", options: [this.mark(CALLS_END), calls] };
    }
    const unheld = [...checks.values()].some((check) => check !== null);
    return { node: rest, check: unheld ? (codes) => callsProblem(this.textOf(codes), checks) : null };
  }

  /** A mark as its token, or as text where it is none. */
  private mark(mark: string): Node {
    return literalOf([this.codesOf(mark)]);
  }

  private codesOf(mark: string): Code[] {
    return this.tokenizer.special.has(mark) ? [256 + MARKS.indexOf(mark)] : bytesOf(mark);
  }

  /** What was written, marks as their text. */
  private textOf(codes: readonly Code[]): string {
    const bytes = codes.flatMap((code) => (code < 256 ? [code] : bytesOf(MARKS[code - 256])));
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }
}

const FREE: SchemaForm = { node: ANY_OBJECT, check: null };

/** The schema of a tool's arguments, which are an object whatever it says; of one that is not strict, as much of it as can be held to. */
function* argumentsOf({ parameters, strict }: Tool, index: number, budget: Budget): Work<SchemaForm> {
  if (parameters === undefined || parameters === null) return FREE;
  const options = { param: `tools[${index}].parameters`, lenient: !strict, also: OBJECT };
  return yield* schemaForm(parameters, options, budget);
}

const OBJECT: Schema = { type: "object" };

function textOf(asked: unknown, param: string): string {
  try {
    return JSON.stringify(asked);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new EngineError("invalid", `${param}: nested too deep; make it flatter`, { param });
  }
}

function problemOf(text: string, check: Check, what: string): string | null {
  const problem = check?.(JSON.parse(text)) ?? null;
  return (
    problem &&
    `${what}: the answer does not satisfy ${problem}; this cannot be held to while it is written: ask again, or loosen it`
  );
}

function callsProblem(text: string, checks: ReadonlyMap<string, Check>): string | null {
  for (const call of text.split(CALL_BEGIN).slice(1)) {
    const [name, rest] = call.split(CALL_SEPARATOR);
    const problem = problemOf(rest.split(CALL_END)[0], checks.get(name) ?? null, `tools: the arguments of ${name}`);
    if (problem) return problem;
  }
  return null;
}
