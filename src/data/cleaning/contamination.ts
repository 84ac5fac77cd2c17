/**
 * Text of evaluation items inside training documents: any run of 13 words of an item that a document also has, or the whole of an item of 7 to
 * 12 words. Runs with fewer than 5 different words of letters are too common to say anything, and are left out. Every hit is compared word
 * by word, so that none is a coincidence of hashes. Paraphrases, translations and changed numbers are not found.
 */
import { NumberSet, Words } from "./words.ts";

export interface Overlap {
  /** The item, as it was named. */
  item: string;
  /** The common words, the longest run of this item. */
  words: string[];
}

/** Shorter items are compared whole, from this many words on. */
const LEAST_WORDS = 7;
const LEAST_DIFFERENT = 5;

interface Sequence {
  item: string;
  words: string[];
}

export class ContaminationIndex {
  readonly n: number;
  private readonly sequences: Sequence[] = [];
  /** Where a run stands: sequence and first word. */
  private readonly runs = new Map<number, [sequence: number, at: number]>();
  /** Items of fewer than n words, by the run that they begin with. */
  private readonly short = new Map<number, number[]>();
  /** The keys of both: what most runs of most documents are looked up in, in vain. */
  private readonly known = new NumberSet();
  private readonly reader = new Words();

  constructor(n = 13) {
    this.n = n;
  }

  /** Runs that are looked for, and short items. */
  get size(): { runs: number; short: number } {
    return { runs: this.runs.size, short: [...this.short.values()].reduce((sum, list) => sum + list.length, 0) };
  }

  /** Adds a text of an item. */
  add(item: string, text: string): void {
    const { reader, n } = this;
    reader.read(text);
    const words = Array.from({ length: reader.count }, (_, i) => reader.word(i));
    if (words.length < LEAST_WORDS) return;
    const sequence = this.sequences.push({ item, words }) - 1;
    if (words.length >= n) {
      reader.forEachRun(n, (at, run) => {
        if (this.runs.has(run) || !this.saysSomething(at, n)) return;
        this.runs.set(run, [sequence, at]);
        this.known.add(run);
      });
    } else if (this.saysSomething(0, words.length))
      reader.forEachRun(LEAST_WORDS, (at, run) => {
        if (at > 0) return;
        this.short.set(run, [...(this.short.get(run) ?? []), sequence]);
        this.known.add(run);
      });
  }

  private saysSomething(at: number, count: number): boolean {
    const different = new Set<string>();
    for (let i = at; i < at + count; i++) if (this.reader.isAlphabetic(i)) different.add(this.reader.word(i));
    return different.size >= LEAST_DIFFERENT;
  }

  /** What a document shares with items: of each item the longest run. */
  find(text: string): Overlap[] {
    const { reader, n } = this;
    reader.read(text);
    const found = new Map<string, string[]>();
    const keep = (item: string, words: string[]) => {
      if (words.length > (found.get(item)?.length ?? 0)) found.set(item, words);
    };
    let next = 0;
    reader.forEachRun(n, (at, run) => {
      // Within a run that was found, every further one is part of it.
      if (at < next || !this.known.has(run)) return;
      const place = this.runs.get(run);
      if (place === undefined) return;
      const { item, words } = this.sequences[place[0]];
      const length = this.commonLength(at, words, place[1]);
      if (length < n) return;
      keep(item, words.slice(place[1], place[1] + length));
      next = at + length - n + 1;
    });
    if (this.short.size > 0)
      reader.forEachRun(LEAST_WORDS, (at, run) => {
        if (!this.known.has(run)) return;
        for (const sequence of this.short.get(run) ?? []) {
          const { item, words } = this.sequences[sequence];
          if (this.commonLength(at, words, 0) === words.length) keep(item, words);
        }
      });
    return [...found].map(([item, words]) => ({ item, words }));
  }

  /** Words from `at` in the document that are those from `from` in an item. */
  private commonLength(at: number, words: readonly string[], from: number): number {
    let length = 0;
    while (
      from + length < words.length &&
      at + length < this.reader.count &&
      this.reader.word(at + length) === words[from + length]
    )
      length++;
    return length;
  }
}

/** The fields of an evaluation item that are compared, where it has them. */
export const ITEM_FIELDS = ["prompt", "question", "problem", "text", "reference", "solution", "messages"];

/** An item's texts: those of its fields that are text, and the contents of its messages. */
export function itemTexts(json: Record<string, unknown>, fields: readonly string[] = ITEM_FIELDS): string[] {
  return fields.flatMap((field) => {
    const value = json[field];
    if (typeof value === "string") return [value];
    return Array.isArray(value) ? value.map((part) => part?.content).filter((part) => typeof part === "string") : [];
  });
}
