/** All tokens of a vocabulary as a tree of their bytes, to find those that a state of a grammar lets come without trying each. */
import type { Tokenizer } from "../../text/index.ts";
import type { TokenMask } from "../sampling/logits-processors.ts";
import type { Code } from "./code.ts";
import type { State } from "./machine.ts";
import type { Work } from "./work.ts";

interface Entry {
  codes: ArrayLike<Code>;
  id: number;
}

/** Branches in preorder: each one's code, where its subtree ends, and where its own tokens begin in their list. */
interface Tree {
  codes: Uint16Array;
  ends: Int32Array;
  tokensFrom: Int32Array;
  tokens: Int32Array;
}

/** Bytes that a character may lack at the end of a token, or the token may have added. */
const LONGEST_CHAR = 4;
/** Tokens sorted in, readings advanced, before others get their turn. */
const SLICE = { tokens: 2000, readings: 500 };
/** Readings that are advanced for one mask at most. */
const MAX_READINGS = 20_000_000;

export interface Allowed {
  mask: TokenMask;
  /** The most that any of these tokens leaves to be written. */
  most: number;
}

export class TokenTrie {
  readonly vocabSize: number;
  private readonly all: Tree;
  /** Plain tokens hold nothing but characters as a string may have them, the last perhaps not whole: by how many; and a tree of the others. */
  private readonly plain: number[][];
  private readonly others: Tree;
  /** Those of at most so many characters, where that was asked for. */
  private readonly plainUpTo: TokenMask[] = [];

  private constructor(vocabSize: number, all: Tree, others: Tree, plain: number[][]) {
    this.vocabSize = vocabSize;
    this.all = all;
    this.others = others;
    this.plain = plain;
  }

  /** marks: special tokens that forms may ask for, the n-th as code 256 + n; other special tokens are part of no form. */
  static *of(tokenizer: Tokenizer, marks: readonly string[]): Work<TokenTrie> {
    const plain: number[][] = [];
    const all: Entry[] = [];
    const others: Entry[] = [];
    const added = new Set(tokenizer.special.values());
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      if (id % SLICE.tokens === 0) yield;
      const codes = tokenizer.tokenBytes(id);
      if (added.has(id) || codes.length === 0) continue;
      all.push({ codes, id });
      if (!isPlain(codes)) others.push({ codes, id });
      else {
        const chars = codes.reduce((count, byte) => count + Number((byte & 0xc0) !== 0x80), 0);
        while (plain.length <= chars) plain.push([]);
        plain[chars].push(id);
      }
    }
    marks.forEach((mark, n) => {
      const id = tokenizer.special.get(mark);
      if (id === undefined) return;
      all.push({ codes: [256 + n], id });
      others.push({ codes: [256 + n], id });
    });
    return new TokenTrie(tokenizer.vocabSize, yield* treeOf(all), yield* treeOf(others), plain);
  }

  /** Tokens that may come in a state and leave at most `limit` codes to be written. @throws RangeError if there is too much to try */
  *allowed(state: State, limit = Number.POSITIVE_INFINITY): Work<Allowed> {
    // Inside a string all plain tokens may come that are not too long: only the others are looked at. Where something else may come as well, too
    // long ones might be that.
    const holdsAll = state.room >= this.plain.length - 1 || (state.room > 0 && state.frames.length === 1);
    if (holdsAll && state.rest + LONGEST_CHAR <= limit) {
      const mask = this.plainMask(Math.min(state.room, this.plain.length - 1)).slice();
      return { mask, most: Math.max(state.rest + LONGEST_CHAR, yield* walk(this.others, state, limit, mask)) };
    }
    const mask = this.emptyMask();
    return { mask, most: yield* walk(this.all, state, limit, mask) };
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

/** Sets the bits of all tokens that may come; gives the most that one of them leaves to be written. */
function* walk({ codes, ends, tokensFrom, tokens }: Tree, start: State, limit: number, mask: TokenMask): Work<number> {
  const states = [start];
  const until = [codes.length];
  let most = 0;
  let unpaid = 0;
  let total = 0;
  for (let at = 0; at < codes.length; ) {
    while (at >= until[until.length - 1]) {
      states.pop();
      until.pop();
    }
    const state = states[states.length - 1];
    unpaid += state.frames.length;
    if (unpaid >= SLICE.readings) {
      total += unpaid;
      unpaid = 0;
      if (total > MAX_READINGS) throw new RangeError("there are too many ways in which the text may go on here");
      yield;
    }
    const after = state.next(codes[at]);
    if (!after) {
      at = ends[at];
      continue;
    }
    if (tokensFrom[at] < tokensFrom[at + 1] && after.rest <= limit) {
      most = Math.max(most, after.rest);
      for (let i = tokensFrom[at]; i < tokensFrom[at + 1]; i++) set(mask, tokens[i]);
    }
    if (ends[at] > at + 1) {
      states.push(after);
      until.push(ends[at]);
    }
    at++;
  }
  return most;
}

/** Sorted in by parts, each of the tokens that begin with the same two codes. */
function* treeOf(entries: readonly Entry[]): Work<Tree> {
  const parts = new Map<number, Entry[]>();
  for (const entry of entries) {
    const key = entry.codes[0] * 512 + (entry.codes.length > 1 ? entry.codes[1] + 1 : 0);
    const part = parts.get(key);
    if (part) part.push(entry);
    else parts.set(key, [entry]);
  }
  yield;
  const codes: number[] = [];
  const ends: number[] = [];
  const tokensFrom: number[] = [];
  const tokens: number[] = [];
  let path: number[] = [];
  let before: ArrayLike<Code> = [];
  let sorted = 0;
  for (const key of [...parts.keys()].sort((a, b) => a - b)) {
    const part = parts.get(key)!.sort((a, b) => compare(a.codes, b.codes) || a.id - b.id);
    for (const { codes: own, id } of part) {
      let common = 0;
      while (common < before.length && common < own.length && before[common] === own[common]) common++;
      for (const done of path.slice(common)) ends[done] = codes.length;
      path = path.slice(0, common);
      for (let i = common; i < own.length; i++) {
        path.push(codes.length);
        codes.push(own[i]);
        ends.push(0);
        tokensFrom.push(tokens.length);
      }
      tokens.push(id);
      before = own;
    }
    sorted += part.length;
    if (sorted < SLICE.tokens) continue;
    sorted = 0;
    yield;
  }
  for (const done of path) ends[done] = codes.length;
  tokensFrom.push(tokens.length);
  return {
    codes: Uint16Array.from(codes),
    ends: Int32Array.from(ends),
    tokensFrom: Int32Array.from(tokensFrom),
    tokens: Int32Array.from(tokens),
  };
}

function compare(a: ArrayLike<Code>, b: ArrayLike<Code>): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

function set(mask: TokenMask, id: number): void {
  mask[id >> 5] |= 1 << (id & 31);
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Whether bytes are characters that may stand in a JSON string as they are; the last may be incomplete. */
function isPlain(bytes: Uint8Array): boolean {
  if (bytes.some((byte) => byte < 0x20 || byte === 0x22 || byte === 0x5c)) return false;
  try {
    decoder.decode(bytes, { stream: true });
    // What was incomplete must not go on in the next token.
    return true;
  } catch {
    return false;
  } finally {
    try {
      decoder.decode();
    } catch {}
  }
}
