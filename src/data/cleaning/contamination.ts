/**
 * Text of evaluation items inside training documents: any run of 13 words of an item that a document also has, the whole of an item of 7 to
 * 12 words, or the whole of a question of 4 to 6 words of which two are numbers. Runs with fewer than 5 different words of letters are too common to say anything, and are left out. Every hit is compared word
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
/** Still shorter questions, if they have numbers in them: "What is 24 x 51?" */
const LEAST_WORDS_WITH_NUMBERS = 4;
const LEAST_NUMBERS = 2;

/** What became of a text: it is looked for, or says too little to be. */
export type Added = "compared" | "too short" | "too common";

interface Sequence {
  item: string;
  words: string[];
}

export class ContaminationIndex {
  readonly n: number;
  private readonly sequences: Sequence[] = [];
  /** Where a run stands: sequence and first word. */
  private readonly runs = new Map<number, [sequence: number, at: number]>();
  /** Items of fewer than n words, by the run that they begin with: of 7 words, and of 4. */
  private readonly short = new Map<number, number[]>();
  private readonly tiny = new Map<number, number[]>();
  /** The keys of both: what most runs of most documents are looked up in, in vain. */
  private readonly known = new NumberSet();
  private readonly reader = new Words();

  constructor(n = 13) {
    this.n = n;
  }

  /** Runs that are looked for, and short items. */
  get size(): { runs: number; short: number } {
    const lists = [...this.short.values(), ...this.tiny.values()];
    return { runs: this.runs.size, short: lists.reduce((sum, list) => sum + list.length, 0) };
  }

  /** Adds a text of an item. Of questions, short ones with numbers are compared, too. */
  add(item: string, text: string, isQuestion = false): Added {
    const { reader, n } = this;
    reader.read(text);
    const words = Array.from({ length: reader.count }, (_, i) => reader.word(i));
    const numbers = words.filter((word) => /^\p{N}/u.test(word)).length;
    const isTiny = isQuestion && words.length >= LEAST_WORDS_WITH_NUMBERS && numbers >= LEAST_NUMBERS;
    if (words.length < LEAST_WORDS && !isTiny) return "too short";
    const sequence = this.sequences.push({ item, words }) - 1;
    let added: Added = "too common";
    if (words.length >= n) {
      reader.forEachRun(n, (at, run) => {
        if (!this.saysSomething(at, n)) return;
        added = "compared";
        if (this.runs.has(run)) return;
        this.runs.set(run, [sequence, at]);
        this.known.add(run);
      });
      return added;
    }
    const isShort = words.length >= LEAST_WORDS && this.saysSomething(0, words.length);
    if (!isShort && !isTiny) return "too common";
    const [starts, length] = isShort ? [this.short, LEAST_WORDS] : [this.tiny, LEAST_WORDS_WITH_NUMBERS];
    reader.forEachRun(length, (at, run) => {
      if (at > 0) return;
      starts.set(run, [...(starts.get(run) ?? []), sequence]);
      this.known.add(run);
    });
    return "compared";
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
    for (const [starts, length] of [
      [this.short, LEAST_WORDS],
      [this.tiny, LEAST_WORDS_WITH_NUMBERS],
    ] as const) {
      if (starts.size === 0) continue;
      reader.forEachRun(length, (at, run) => {
        if (!this.known.has(run)) return;
        for (const sequence of starts.get(run) ?? []) {
          const { item, words } = this.sequences[sequence];
          if (this.commonLength(at, words, 0) === words.length) keep(item, words);
        }
      });
    }
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

/** The fields of an evaluation item that are compared, where it has them: what is asked, and the rest. */
const QUESTION_FIELDS = ["prompt", "question", "problem", "query", "instruction", "input"];
export const ITEM_FIELDS = [...QUESTION_FIELDS, "text", "reference", "solution", "messages", "conversations"];

/** Whether a field holds what is asked: those of the usual names, and those that somebody names. */
export const isQuestion = (field: string): boolean => QUESTION_FIELDS.includes(field) || !ITEM_FIELDS.includes(field);

/** An item's texts: those of its fields that are text, and the contents of its messages. */
export function itemTexts(json: Record<string, unknown>, fields: readonly string[] = ITEM_FIELDS): string[] {
  return fields.flatMap((field) => {
    const value = json[field];
    if (typeof value === "string") return [value];
    if (!Array.isArray(value)) return [];
    return value.map((part) => part?.content ?? part?.value).filter((part) => typeof part === "string");
  });
}
