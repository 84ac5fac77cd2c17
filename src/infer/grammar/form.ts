/** A form that replies are held to, for one model's vocabulary: which tokens may come next, remembered for each state. */
import type { Tokenizer } from "../../text/index.ts";
import type { TokenMask } from "../sampling/logits-processors.ts";
import type { Code, Node } from "./grammar.ts";
import { Machine, type State } from "./machine.ts";
import type { Allowed, TokenTrie } from "./token-trie.ts";

/** Masks that are remembered: some hundred bytes to some kilobytes each. */
const MOST_MASKS = 1000;

export class Form {
  readonly machine: Machine;
  private readonly trie: TokenTrie;
  private readonly stopIds: readonly number[];
  private readonly known = new Map<State, Allowed>();
  /** Of the machine, when the masks were made: their states are held as long as they are. */
  private generation = 0;

  /** @throws RangeError if nothing has this form */
  constructor(root: Node, trie: TokenTrie, stopIds: Iterable<number>) {
    this.machine = new Machine(root);
    this.trie = trie;
    this.stopIds = [...stopIds].filter((id) => id < trie.vocabSize);
  }

  /**
   * Tokens that may be drawn in a state when `left` tokens may still be, this one included: where the shortest text fits into what is left,
   * only those after which it still does, so that the text is complete in the end.
   */
  allowed(state: State, left: number): TokenMask {
    let allowed = this.known.get(state);
    if (!allowed) {
      allowed = this.ending(state, this.trie.allowed(state));
      if (this.known.size >= MOST_MASKS || this.generation !== this.machine.generation) {
        this.known.clear();
        this.generation = this.machine.generation;
      }
      this.known.set(state, allowed);
    }
    if (allowed.most < left || state.rest > left) return allowed.mask;
    return this.ending(state, this.trie.allowed(state, left - 1)).mask;
  }

  private ending(state: State, allowed: Allowed): Allowed {
    if (state.complete) for (const id of this.stopIds) allowed.mask[id >> 5] |= 1 << (id & 31);
    return allowed;
  }
}

/** One reply on its way through a form. */
export class FormConstraint {
  private readonly form: Form;
  private readonly codesOf: (id: number) => Iterable<Code>;
  private state: State;

  constructor(form: Form, codesOf: (id: number) => Iterable<Code>) {
    this.form = form;
    this.codesOf = codesOf;
    this.state = form.machine.start;
  }

  get done(): boolean {
    return this.state.ended;
  }

  mask(left: number): TokenMask {
    return this.form.allowed(this.state, left);
  }

  took(id: number): void {
    for (const code of this.codesOf(id)) {
      const next = this.state.next(code);
      if (!next) throw new Error(`token ${id} does not belong to the form that the reply is held to`);
      this.state = next;
    }
  }
}

/** The codes of each token: its bytes, or a mark. */
export function codesOf(tokenizer: Tokenizer, marks: readonly string[]): (id: number) => Iterable<Code> {
  const byId = new Map(marks.map((mark, n) => [tokenizer.special.get(mark), 256 + n]));
  return (id) => (byId.has(id) ? [byId.get(id)!] : tokenizer.tokenBytes(id));
}
