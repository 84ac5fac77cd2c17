/** All tokens of a vocabulary as a tree of their bytes, to find those that a state of a grammar lets come without trying each. */
import type { Tokenizer } from "../../text/index.ts";
import type { TokenMask } from "../sampling/logits-processors.ts";
import type { Code } from "./grammar.ts";
import type { State } from "./machine.ts";

interface Branch {
  code: Code;
  /** Tokens that end here. */
  tokens: number[];
  branches: Branch[];
}

/** Bytes that a character may lack at the end of a token, or the token may have added. */
const LONGEST_CHAR = 4;

export interface Allowed {
  mask: TokenMask;
  /** The most that any of these tokens leaves to be written. */
  most: number;
}

export class TokenTrie {
  readonly vocabSize: number;
  private readonly root = branchOf(-1);
  /** Plain tokens hold nothing but characters as a string may have them, the last perhaps not whole: by how many; and a tree of the others. */
  private readonly plain: number[][] = [];
  private readonly others = branchOf(-1);
  /** Those of at most so many characters, where that was asked for. */
  private readonly plainUpTo: TokenMask[] = [];

  /** marks: special tokens that forms may ask for, the n-th as code 256 + n; other special tokens are part of no form. */
  constructor(tokenizer: Tokenizer, marks: readonly string[]) {
    this.vocabSize = tokenizer.vocabSize;
    const added = new Set(tokenizer.special.values());
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      const bytes = tokenizer.tokenBytes(id);
      if (added.has(id) || bytes.length === 0) continue;
      add(this.root, bytes, id);
      if (isPlain(bytes)) this.addPlain(bytes, id);
      else add(this.others, bytes, id);
    }
    marks.forEach((mark, n) => {
      const id = tokenizer.special.get(mark);
      if (id === undefined) return;
      add(this.root, [256 + n], id);
      add(this.others, [256 + n], id);
    });
  }

  /** Tokens that may come in a state and leave at most `limit` codes to be written. */
  allowed(state: State, limit = Number.POSITIVE_INFINITY): Allowed {
    // Inside a string all plain tokens may come that are not too long: only the others are looked at. Where something else may come as well, too
    // long ones might be that.
    const holdsAll = state.room >= this.plain.length - 1 || (state.room > 0 && state.frames.length === 1);
    if (holdsAll && state.rest + LONGEST_CHAR <= limit) {
      const mask = this.plainMask(Math.min(state.room, this.plain.length - 1)).slice();
      return { mask, most: Math.max(state.rest + LONGEST_CHAR, walk(this.others, state, limit, mask)) };
    }
    const mask = this.emptyMask();
    return { mask, most: walk(this.root, state, limit, mask) };
  }

  private addPlain(bytes: Uint8Array, id: number): void {
    const chars = bytes.reduce((count, byte) => count + Number((byte & 0xc0) !== 0x80), 0);
    while (this.plain.length <= chars) this.plain.push([]);
    this.plain[chars].push(id);
  }

  private plainMask(chars: number): TokenMask {
    let mask = this.plainUpTo[chars];
    if (!mask) {
      mask = this.emptyMask();
      for (const ids of this.plain.slice(0, chars + 1)) for (const id of ids) set(mask, id);
      this.plainUpTo[chars] = mask;
    }
    return mask;
  }

  private emptyMask(): TokenMask {
    return new Uint32Array(Math.ceil(this.vocabSize / 32));
  }
}

function walk(branch: Branch, state: State, limit: number, mask: TokenMask): number {
  let most = 0;
  for (const next of branch.branches) {
    const after = state.next(next.code);
    if (!after) continue;
    if (next.tokens.length > 0 && after.rest <= limit) {
      most = Math.max(most, after.rest);
      for (const id of next.tokens) set(mask, id);
    }
    if (next.branches.length > 0) most = Math.max(most, walk(next, after, limit, mask));
  }
  return most;
}

function branchOf(code: Code): Branch {
  return { code, tokens: [], branches: [] };
}

function add(root: Branch, codes: Iterable<Code>, id: number): void {
  let branch = root;
  for (const code of codes) {
    let next = branch.branches.find((other) => other.code === code);
    if (!next) {
      next = branchOf(code);
      branch.branches.push(next);
    }
    branch = next;
  }
  branch.tokens.push(id);
}

function set(mask: TokenMask, id: number): void {
  mask[id >> 5] |= 1 << (id & 31);
}

/** Whether bytes are characters that may stand in a JSON string as they are; the last may be incomplete. */
function isPlain(bytes: Uint8Array): boolean {
  if (bytes.some((byte) => byte < 0x20 || byte === 0x22 || byte === 0x5c)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}
