/** A form that replies are held to, for one model's vocabulary: which tokens may come next, remembered for each state. */
import type { Tokenizer } from "../../text/index.ts";
import { EngineError } from "../engine.ts";
import type { TokenMask } from "../sampling/logits-processors.ts";
import type { Constraint } from "../scheduling/request.ts";
import type { Code } from "./code.ts";
import type { Node } from "./grammar.ts";
import { Lengths } from "./lengths.ts";
import { Machine, type State } from "./machine.ts";
import type { Allowed, TokenTrie } from "./token-trie.ts";
import { Budget, finish, type Work, workUntil } from "./work.ts";

/** Masks that are remembered: some hundred bytes to some kilobytes each. */
const MAX_MASKS = 1000;

/** What a form is made of. */
export interface Made {
  node: Node;
  /** Says what is wrong with a text that is complete, where the form does not hold all that was asked for; null: it holds all. */
  check: ((codes: readonly Code[]) => string | null) | null;
}

export class Form {
  readonly machine: Machine;
  readonly check: Made["check"];
  private readonly trie: TokenTrie;
  private readonly stopIds: readonly number[];
  private readonly known = new Map<State, Allowed>();
  /** Of the machine, when the masks were made: their states are held as long as they are. */
  private generation = 0;

  private constructor(machine: Machine, check: Made["check"], trie: TokenTrie, stopIds: Iterable<number>) {
    this.machine = machine;
    this.check = check;
    this.trie = trie;
    this.stopIds = [...stopIds].filter((id) => id < trie.vocabSize);
  }

  /** @throws RangeError if nothing has this form, or it takes too much to prepare */
  static *of({ node, check }: Made, budget: Budget, trie: TokenTrie, stopIds: Iterable<number>): Work<Form> {
    const lengths = yield* Lengths.learn(node, budget);
    return new Form(new Machine(node, lengths), check, trie, stopIds);
  }

  /** All at once. */
  static now(node: Node, trie: TokenTrie, stopIds: Iterable<number>): Form {
    return finish(Form.of({ node, check: null }, new Budget(), trie, stopIds));
  }

  /**
   * Tokens that may be drawn in a state when `left` tokens may still be, this one included: where the shortest text fits into what is left,
   * only those after which it still does, so that the text is complete in the end.
   */
  *allowed(state: State, left: number): Work<TokenMask> {
    const before = this.remembered(state);
    const allowed = before ?? this.ending(state, yield* this.trie.allowed(state));
    if (!before) this.remember(state, allowed);
    if (allowed.most < left || state.rest > left) return allowed.mask;
    return this.ending(state, yield* this.trie.allowed(state, left - 1)).mask;
  }

  /** The mask, if no work is needed for it. */
  knownMask(state: State, left: number): TokenMask | null {
    const allowed = this.remembered(state);
    return allowed && (allowed.most < left || state.rest > left) ? allowed.mask : null;
  }

  private remembered(state: State): Allowed | undefined {
    return this.generation === this.machine.generation ? this.known.get(state) : undefined;
  }

  private remember(state: State, allowed: Allowed): void {
    if (this.known.size >= MAX_MASKS || this.generation !== this.machine.generation) this.known.clear();
    this.generation = this.machine.generation;
    this.known.set(state, allowed);
  }

  private ending(state: State, allowed: Allowed): Allowed {
    if (state.complete) for (const id of this.stopIds) allowed.mask[id >> 5] |= 1 << (id & 31);
    return allowed;
  }
}

/** A form that may still be in the making, shared by all who wait for it. */
export class PendingForm {
  private form: Form | null = null;
  private error: unknown = null;
  private work: Work<Form> | null;
  private readonly param: string;

  constructor(param: string, work: Work<Form>) {
    this.param = param;
    this.work = work;
  }

  /** Goes on until the clock (performance.now) shows a time; true once it is there. @throws EngineError "invalid" if it cannot be made */
  prepare(until: number): boolean {
    if (this.error) throw this.error;
    if (!this.work) return true;
    try {
      const result = workUntil(this.work, until);
      if (!result.done) return false;
      this.form = result.value;
    } catch (error) {
      const { param } = this;
      this.error =
        error instanceof RangeError ? new EngineError("invalid", `${param}: ${error.message}`, { param }) : error;
      throw this.error;
    } finally {
      if (this.form || this.error) this.work = null;
    }
    return true;
  }

  get made(): Form {
    this.prepare(Number.POSITIVE_INFINITY);
    return this.form!;
  }
}

/** A mask in the making. */
interface Wanted {
  state: State;
  left: number;
  work: Work<TokenMask>;
  mask: TokenMask | null;
}

/** One reply on its way through a form. */
export class FormConstraint implements Constraint {
  private readonly pending: PendingForm;
  private readonly codesOf: (id: number) => Iterable<Code>;
  private at: State | null = null;
  private wanted: Wanted[] = [];
  /** All codes so far, where they are looked at in the end. */
  private readonly written: Code[] = [];

  constructor(pending: PendingForm, codesOf: (id: number) => Iterable<Code>) {
    this.pending = pending;
    this.codesOf = codesOf;
  }

  private get state(): State {
    this.at ??= this.pending.made.machine.start;
    return this.at;
  }

  get done(): boolean {
    return this.state.ended;
  }

  begin(until: number): boolean {
    return this.pending.prepare(until);
  }

  prepare(left: number, guess: number | null, until: number): boolean {
    if (!this.ready(this.state, left, until)) return false;
    const ahead = guess === null ? null : this.after(guess);
    return ahead === null || this.ready(ahead, left - 1, until);
  }

  mask(left: number): TokenMask {
    this.ready(this.state, left, Number.POSITIVE_INFINITY);
    const mask = this.found(this.state, left)!;
    if (mask.every((bits) => bits === 0))
      throw new EngineError("invalid", "no token of the vocabulary continues the form that the reply is held to");
    return mask;
  }

  took(id: number): void {
    const next = this.after(id);
    if (!next) throw new Error(`token ${id} does not belong to the form that the reply is held to`);
    if (this.pending.made.check) this.written.push(...this.codesOf(id));
    this.at = next;
    this.wanted = this.wanted.filter(({ state }) => state === next);
  }

  verdict(): string | null {
    return this.state.complete ? (this.pending.made.check?.(this.written) ?? null) : null;
  }

  private after(id: number): State | null {
    let { state } = this;
    for (const code of this.codesOf(id)) {
      const next = state.next(code);
      if (!next) return null;
      state = next;
    }
    return state;
  }

  private found(state: State, left: number): TokenMask | null {
    const wanted = this.wanted.find((one) => one.state === state && one.left === left);
    return wanted ? wanted.mask : this.pending.made.knownMask(state, left);
  }

  /** Works on the mask of a state; true once it is there. */
  private ready(state: State, left: number, until: number): boolean {
    if (this.found(state, left)) return true;
    let wanted = this.wanted.find((one) => one.state === state && one.left === left);
    if (!wanted) {
      wanted = { state, left, work: this.pending.made.allowed(state, left), mask: null };
      this.wanted = [...this.wanted.slice(-1), wanted];
    }
    try {
      const result = workUntil(wanted.work, until);
      if (result.done) wanted.mask = result.value;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new EngineError("invalid", `the form that the reply is held to: ${error.message}; simplify the schema`);
    }
    return wanted.mask !== null;
  }
}

/** The codes of each token: its bytes, or a mark. */
export function codesOf(tokenizer: Tokenizer, marks: readonly string[]): (id: number) => Iterable<Code> {
  const byId = new Map(marks.map((mark, n) => [tokenizer.special.get(mark), 256 + n]));
  return (id) => (byId.has(id) ? [byId.get(id)!] : tokenizer.tokenBytes(id));
}
