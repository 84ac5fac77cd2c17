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
import type { Constraint } from "../scheduling/job.ts";
import { codesOf, Form, FormConstraint } from "./form.ts";
import { ANY_OBJECT, bytesOf, type Code, type Node } from "./grammar.ts";
import { schemaForm } from "./schema.ts";
import { TokenTrie } from "./token-trie.ts";
import { Triggered } from "./triggered.ts";

const MARKS = [CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, CALL_SEPARATOR];
/** Forms that are kept for requests to come. */
const MOST_FORMS = 32;
/** Calls of one reply at most. */
const MOST_CALLS = 16;

export interface CallsWanted {
  tools: readonly Tool[];
  /** Exactly one call, or as many as the model likes. */
  one: boolean;
}

export class Forms {
  private readonly tokenizer: Tokenizer;
  private readonly stopIds: readonly number[];
  private readonly codes: (id: number) => Iterable<Code>;
  /** The least recently used first. */
  private readonly forms = new Map<string, Form>();
  private trie: TokenTrie | null = null;

  constructor(tokenizer: Tokenizer, stopIds: Iterable<number>) {
    this.tokenizer = tokenizer;
    this.stopIds = [...stopIds];
    this.codes = codesOf(tokenizer, MARKS);
  }

  /**
   * Holds a reply to a response format, or to calls of the tools; null: it is free.
   * @param afterReasoning it begins with reasoning, which is free
   * @throws EngineError "invalid" for a schema that cannot be held to
   */
  format(format: ResponseFormat, tools: readonly Tool[], afterReasoning: boolean): Constraint | null {
    if (format.type === "text") return null;
    const schema = format.type === "json_schema" ? format.schema : null;
    const form = this.form(`format ${JSON.stringify([format.type, schema, tools])}`, "responseFormat", () => {
      const answer = format.type === "json_schema" ? schemaForm(schema, "responseFormat") : ANY_OBJECT;
      return tools.length === 0 ? answer : { kind: "any of", options: [answer, this.callsOnly(tools, false)] };
    });
    return this.after(form, afterReasoning ? THINK_END : null);
  }

  /** Holds a reply to calls of tools and nothing else. @throws EngineError "invalid" for a strict tool whose schema cannot be held to */
  calls({ tools, one }: CallsWanted, afterReasoning: boolean): Constraint {
    const form = this.form(`calls ${one} ${JSON.stringify(tools)}`, "tools", () => this.callsOnly(tools, one));
    return this.after(form, afterReasoning ? THINK_END : null);
  }

  /** Leaves a reply free until it begins to call; the calls are then held to the format and to what the tools take. */
  callsIfAny(tools: readonly Tool[]): Constraint {
    const form = this.form(`call list ${JSON.stringify(tools)}`, "tools", () => this.callList(tools, false));
    return this.after(form, CALLS_BEGIN);
  }

  private after(form: Form, mark: string | null): Constraint {
    const constraint = new FormConstraint(form, this.codes);
    return mark === null ? constraint : new Triggered(this.tokenizer, mark, constraint);
  }

  private form(key: string, param: string, make: () => Node): Form {
    let form = this.forms.get(key);
    this.forms.delete(key);
    if (!form) {
      this.trie ??= new TokenTrie(this.tokenizer, MARKS);
      const node = make();
      try {
        form = new Form(node, this.trie, this.stopIds);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw new EngineError("invalid", `${param}: ${error.message}`, { param });
      }
    }
    this.forms.set(key, form);
    if (this.forms.size > MOST_FORMS) this.forms.delete(this.forms.keys().next().value!);
    return form;
  }

  private callsOnly(tools: readonly Tool[], one: boolean): Node {
    return { kind: "sequence", parts: [this.mark(CALLS_BEGIN), this.callList(tools, one)] };
  }

  /** What stands after the mark that begins calls: calls, and the mark that ends them. */
  private callList(tools: readonly Tool[], one: boolean): Node {
    const call: Node = { kind: "any of", options: tools.map((tool, i) => this.call(tool, i)) };
    let rest = this.mark(CALLS_END);
    for (let i = one ? 1 : MOST_CALLS; i > 0; i--) {
      const calls: Node = { kind: "sequence", parts: [call, rest] };
      rest = i === 1 ? calls : { kind: "any of", options: [this.mark(CALLS_END), calls] };
    }
    return rest;
  }

  private call(tool: Tool, index: number): Node {
    const text = (words: string): Node => ({ kind: "literal", texts: [bytesOf(words)] });
    const parts = [this.mark(CALL_BEGIN), text(tool.name), this.mark(CALL_SEPARATOR), argumentsOf(tool, index)];
    return { kind: "sequence", parts: [...parts, this.mark(CALL_END)] };
  }

  /** A mark as its token, or as text where it is none. */
  private mark(mark: string): Node {
    const codes = this.tokenizer.special.has(mark) ? [256 + MARKS.indexOf(mark)] : bytesOf(mark);
    return { kind: "literal", texts: [codes] };
  }
}

/** The schema of a tool's arguments; of one that is not strict, any object where the schema cannot be held to. */
function argumentsOf({ parameters, strict }: Tool, index: number): Node {
  if (parameters === undefined || parameters === null) return ANY_OBJECT;
  try {
    return schemaForm(parameters, `tools[${index}].parameters`);
  } catch (error) {
    if (strict || !(error instanceof EngineError)) throw error;
    return ANY_OBJECT;
  }
}
