/**
 * Duplicates among documents, as a stream: exact ones by a hash of their text; near ones by a sample of their runs of words, of which most
 * were seen in documents before them. Memory grows with what is kept: 8 to 23 bytes for each document and each run of the sample.
 */
import { hash } from "node:crypto";
import { NumberSet, Words } from "./words.ts";

export interface DuplicateOptions {
  /** Words of a run (default 13). */
  n?: number;
  /** One of so many runs is looked at, chosen by its hash (default 16). */
  sample?: number;
  /** A document is a near duplicate if more than this share of its sample was seen before (default 0.5). */
  share?: number;
}

/** A smaller sample says nothing: such short documents are only compared whole. */
const LEAST_RUNS = 4;

export type Duplicate = { kind: "exact" } | { kind: "near"; share: number };

export class DuplicateFinder {
  private readonly n: number;
  private readonly sample: number;
  private readonly share: number;
  private readonly words = new Words();
  private readonly texts = new NumberSet();
  private readonly runs = new NumberSet();

  constructor({ n = 13, sample = 16, share = 0.5 }: DuplicateOptions = {}) {
    this.n = n;
    this.sample = sample;
    this.share = share;
  }

  /** How the text repeats one before it; null for a new one, which is remembered. */
  check(text: string): Duplicate | null {
    if (!this.texts.add(Number.parseInt(hash("sha256", text, "hex").slice(0, 13), 16) + 1)) return { kind: "exact" };
    const sample = new Set<number>();
    this.words.read(text).forEachRun(this.n, (_, run) => {
      if (run % this.sample === 0) sample.add(run);
    });
    if (sample.size >= LEAST_RUNS) {
      let seen = 0;
      for (const run of sample) if (this.runs.has(run)) seen++;
      if (seen > sample.size * this.share) return { kind: "near", share: seen / sample.size };
    }
    for (const run of sample) this.runs.add(run);
    return null;
  }
}
