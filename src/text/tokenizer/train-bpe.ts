/**
 * Training byte-level BPE (Sennrich et al. 2016): count the distinct words of a corpus, then merge the most frequent pair again and again.
 * Counts of pairs are kept up to date word by word, so a merge costs only the words that it touches.
 */
import { InputError } from "../../base/index.ts";
import { MergeTable } from "./merges.ts";
import { deepseekPreTokenizer, parsePreTokenizer } from "./pre-tokenizer.ts";
import { Tokenizer } from "./tokenizer.ts";

/** Distinct words kept while counting; when there are more, words seen once so far are dropped. */
const MOST_WORDS = 4_000_000;
/** A word longer than this (a line of base64, say) teaches nothing. */
const LONGEST_WORD = 256;

export const BOS = "<｜begin▁of▁sentence｜>";
export const EOS = "<｜end▁of▁sentence｜>";
export const PAD = "<｜▁pad▁｜>";
export const USER = "<｜User｜>";
export const ASSISTANT = "<｜Assistant｜>";

export interface TrainBpeOptions {
  texts: Iterable<string>;
  /** Size of the vocabulary: special tokens, 256 bytes, and merges for the rest. */
  vocabSize: number;
  /** Ids 0, 1, …: by default beginning and end of sentence, padding, User, Assistant. */
  specialTokens?: string[];
  /** Longest run of digits in a token: 1 (the default: small models add better so) or 3 (as DeepSeek-V3). */
  digits?: 1 | 3;
  chatTemplate?: string | null;
  onProgress?: (progress: { merges: number; of: number }) => void;
}

/** Trains a tokenizer. The same texts give the same tokenizer. @throws InputError for a vocabulary too small, or no text */
export function trainBpe(options: TrainBpeOptions): Tokenizer {
  const { vocabSize, specialTokens = [BOS, EOS, PAD, USER, ASSISTANT], digits = 1 } = options;
  const least = specialTokens.length + 256;
  if (vocabSize < least)
    throw new InputError(
      `tokenizer: vocabSize ${vocabSize} is too small: ${specialTokens.length} special tokens and 256 bytes need ${least}`,
    );
  const preTokenizerJson = deepseekPreTokenizer(digits);
  const preTokenize = parsePreTokenizer(preTokenizerJson, "tokenizer");
  const words = countWords(options.texts, preTokenize);
  if (words.size === 0) throw new InputError("tokenizer: there is no text to train on");

  const encoder = new TextEncoder();
  const bytes: Uint8Array[] = specialTokens.map((token) => encoder.encode(token));
  const firstByte = bytes.length;
  for (let byte = 0; byte < 256; byte++) bytes.push(Uint8Array.of(byte));
  const wanted = vocabSize - bytes.length;
  const mergeList = mergeMostFrequent(words, firstByte, bytes, wanted, options.onProgress);
  const merges = new MergeTable(vocabSize, mergeList.length);
  for (const merge of mergeList) merges.add(...merge);
  const idOf = (token: string) => (specialTokens.includes(token) ? specialTokens.indexOf(token) : null);
  return new Tokenizer({
    bytes,
    merges,
    mergeList,
    preTokenize,
    preTokenizerJson,
    added: specialTokens.map((content, id) => ({ content, id, special: true })),
    bosId: idOf(BOS),
    eosId: idOf(EOS),
    chatTemplate: options.chatTemplate ?? null,
  });
}

function countWords(
  texts: Iterable<string>,
  preTokenize: (text: string, visit: (word: string) => void) => void,
): Map<string, number> {
  let words = new Map<string, number>();
  for (const text of texts) {
    preTokenize(text, (word) => {
      if (word.length <= LONGEST_WORD) words.set(word, (words.get(word) ?? 0) + 1);
    });
    if (words.size > MOST_WORDS) words = new Map([...words].filter(([, count]) => count > 1));
  }
  return words;
}

/** Appends the bytes of each new token to `bytes`; returns the merges [left, right, result] in order. */
function mergeMostFrequent(
  words: Map<string, number>,
  firstByte: number,
  bytes: Uint8Array[],
  wanted: number,
  onProgress?: TrainBpeOptions["onProgress"],
): [number, number, number][] {
  const encoder = new TextEncoder();
  const sequences: Int32Array[] = [];
  const lengths: number[] = [];
  const counts: number[] = [];
  for (const [word, count] of words) {
    const sequence = Int32Array.from(encoder.encode(word), (byte) => firstByte + byte);
    sequences.push(sequence);
    lengths.push(sequence.length);
    counts.push(count);
  }
  const base = bytes.length + wanted;
  const pairs = new PairCounts();
  for (let w = 0; w < sequences.length; w++) {
    for (let i = 0; i + 1 < lengths[w]; i++) pairs.add(sequences[w][i] * base + sequences[w][i + 1], counts[w], w);
  }
  pairs.heapAll();
  const merges: [number, number, number][] = [];
  while (merges.length < wanted) {
    const key = pairs.takeMost();
    if (key === null) break;
    const right = key % base;
    const left = (key - right) / base;
    const result = bytes.length;
    const joined = new Uint8Array(bytes[left].length + bytes[right].length);
    joined.set(bytes[left]);
    joined.set(bytes[right], bytes[left].length);
    bytes.push(joined);
    merges.push([left, right, result]);
    for (const w of pairs.wordsOf(key)) {
      const ids = sequences[w];
      const count = counts[w];
      let length = lengths[w];
      for (let i = 0; i + 1 < length; i++) {
        if (ids[i] !== left || ids[i + 1] !== right) continue;
        if (i > 0) {
          pairs.add(ids[i - 1] * base + left, -count, -1);
          pairs.add(ids[i - 1] * base + result, count, w);
        }
        if (i + 2 < length) {
          pairs.add(right * base + ids[i + 2], -count, -1);
          pairs.add(result * base + ids[i + 2], count, w);
        }
        ids[i] = result;
        ids.copyWithin(i + 1, i + 2, length);
        length--;
      }
      lengths[w] = length;
    }
    pairs.forget(key);
    pairs.heapChanged();
    if (merges.length % 256 === 0 || merges.length === wanted) onProgress?.({ merges: merges.length, of: wanted });
  }
  return merges;
}

/** How often each pair occurs, in which words, and which is the most frequent. Keys are left · base + right. */
class PairCounts {
  private readonly counts = new Map<number, number>();
  /** Words that held the pair at some time; some may not any more. */
  private readonly words = new Map<number, number[]>();
  private changed = new Set<number>();
  /** Heap of entries [count, key] that may be out of date: the most frequent first, of equals the lowest key. */
  private heap: [number, number][] = [];

  /** word −1: a decrease, which adds no word. */
  add(key: number, count: number, word: number): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + count);
    if (word >= 0) {
      const list = this.words.get(key);
      if (!list) this.words.set(key, [word]);
      else if (list[list.length - 1] !== word) list.push(word);
    }
    this.changed.add(key);
  }

  wordsOf(key: number): number[] {
    return this.words.get(key) ?? [];
  }

  forget(key: number): void {
    this.counts.delete(key);
    this.words.delete(key);
    this.changed.delete(key);
  }

  heapAll(): void {
    this.heapChanged();
  }

  /** Pairs whose count grew get a new entry; entries with a count that fell are corrected when they come up. */
  heapChanged(): void {
    for (const key of this.changed) {
      const count = this.counts.get(key)!;
      if (count > 0) this.push([count, key]);
    }
    this.changed = new Set();
  }

  /** The most frequent pair, if it occurs at least twice. */
  takeMost(): number | null {
    while (this.heap.length > 0) {
      const [count, key] = this.pop();
      const now = this.counts.get(key) ?? 0;
      if (now < 2) continue;
      if (now === count) return key;
      if (now < count) this.push([now, key]);
    }
    return null;
  }

  private before(a: [number, number], b: [number, number]): boolean {
    return a[0] > b[0] || (a[0] === b[0] && a[1] < b[1]);
  }

  private push(entry: [number, number]): void {
    const { heap } = this;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(entry, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = entry;
  }

  private pop(): [number, number] {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.before(heap[child + 1], heap[child])) child++;
      if (!this.before(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
