/** All tokens of a vocabulary as a tree of their bytes, to find those that a state of a grammar lets come without trying each. */
import type { Tokenizer } from "../../text/index.ts";
import type { TokenMask } from "../chooser.ts";
import type { Code } from "./grammar.ts";
import type { State } from "./machine.ts";

interface Branch {
  code: Code;
  /** Tokens that end here. */
  tokens: number[];
  branches: Branch[];
}

export interface Allowed {
  mask: TokenMask;
  /** The most that any of these tokens leaves to be written. */
  most: number;
}

export class TokenTrie {
  readonly vocabSize: number;
  private readonly root: Branch = { code: -1, tokens: [], branches: [] };

  /** marks: special tokens that forms may ask for, the n-th as code 256 + n; other special tokens are part of no form. */
  constructor(tokenizer: Tokenizer, marks: readonly string[]) {
    this.vocabSize = tokenizer.vocabSize;
    const added = new Set(tokenizer.special.values());
    for (let id = 0; id < tokenizer.vocabSize; id++) if (!added.has(id)) this.add([...tokenizer.tokenBytes(id)], id);
    marks.forEach((mark, n) => {
      const id = tokenizer.special.get(mark);
      if (id !== undefined) this.add([256 + n], id);
    });
    sort(this.root);
  }

  private add(codes: Code[], id: number): void {
    if (codes.length === 0) return;
    let branch = this.root;
    for (const code of codes) {
      let next = branch.branches.find((other) => other.code === code);
      if (!next) {
        next = { code, tokens: [], branches: [] };
        branch.branches.push(next);
      }
      branch = next;
    }
    branch.tokens.push(id);
  }

  /** Tokens that may come in a state and leave at most `limit` codes to be written. */
  allowed(state: State, limit = Number.POSITIVE_INFINITY): Allowed {
    const mask = new Uint32Array(Math.ceil(this.vocabSize / 32));
    return { mask, most: walk(this.root, state, limit, mask) };
  }
}

function walk(branch: Branch, state: State, limit: number, mask: TokenMask): number {
  let most = 0;
  for (const next of branch.branches) {
    const after = state.next(next.code);
    if (!after) continue;
    if (next.tokens.length > 0 && after.rest <= limit) {
      most = Math.max(most, after.rest);
      for (const id of next.tokens) mask[id >> 5] |= 1 << (id & 31);
    }
    if (next.branches.length > 0) most = Math.max(most, walk(next, after, limit, mask));
  }
  return most;
}

function sort(branch: Branch): void {
  branch.branches.sort((a, b) => a.code - b.code);
  branch.branches.forEach(sort);
}
