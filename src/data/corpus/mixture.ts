/**
 * Packed batches from weighted sources. What comes next depends only on the seed and on a small state of counts, so a run that
 * stops goes on with exactly the tokens that it would have seen.
 */

import { Random } from "../../base/index.ts";
import type { Batch } from "../../model/index.ts";
import type { I32 } from "../../tensor/index.ts";
import type { Corpus } from "./corpus-file.ts";

export interface Source {
  corpus: Corpus;
  /** Passes over this source for each pass over a source of weight 1. */
  weight: number;
}

/** Where a source stands: `taken` tokens so far, the next one at `offset` of document `document` in the shuffled order of `epoch`. */
export interface Cursor {
  epoch: number;
  document: number;
  offset: number;
  taken: number;
}

/**
 * "documents": documents laid end to end and cut into sequences, without a mask between them (as the report packs); every token is a target once an epoch.
 * "chats": whole conversations, each masked from the others; one longer than a sequence is cut.
 */
export type Packing = "documents" | "chats";

export interface MixtureOptions {
  packing: Packing;
  /** Which tokens count as targets: all, or the assistant's. */
  loss: "all" | "assistant";
  sequenceLength: number;
  mtpDepths: number;
  seed: number;
}

export class Mixture {
  private readonly sources: readonly Source[];
  private readonly options: MixtureOptions;
  private readonly shares: number[];
  private cursors: Cursor[];
  private readonly orders: { epoch: number; order: Int32Array }[];

  constructor(sources: readonly Source[], options: MixtureOptions) {
    this.sources = sources;
    this.options = options;
    const amounts = sources.map(({ corpus, weight }) => corpus.tokens.length * weight);
    const total = amounts.reduce((sum, amount) => sum + amount, 0);
    this.shares = amounts.map((amount) => amount / total);
    this.cursors = sources.map(() => ({ epoch: 0, document: 0, offset: 0, taken: 0 }));
    this.orders = sources.map(() => ({ epoch: -1, order: new Int32Array(0) }));
  }

  save(): Cursor[] {
    return this.cursors.map((cursor) => ({ ...cursor }));
  }

  restore(cursors: Cursor[]): void {
    this.cursors = cursors.map((cursor) => ({ ...cursor }));
  }

  /** The next `sequences` × sequenceLength rows. */
  next(sequences: number): Batch {
    return this.options.packing === "documents" ? this.nextDocuments(sequences) : this.nextChats(sequences);
  }

  /** The source that has had the least of its share. */
  private choose(): number {
    const total = this.cursors.reduce((sum, { taken }) => sum + taken, 0);
    let best = 0;
    let most = Number.NEGATIVE_INFINITY;
    this.shares.forEach((share, i) => {
      const owed = share * (total + 1) - this.cursors[i].taken;
      if (owed > most) {
        most = owed;
        best = i;
      }
    });
    return best;
  }

  private nextDocuments(sequences: number): Batch {
    const { sequenceLength: T, mtpDepths } = this.options;
    const batch = emptyBatch(sequences * T, mtpDepths);
    const length = T + mtpDepths + 1;
    const tokens = new Int32Array(length);
    const mask = new Uint8Array(length);
    for (let s = 0; s < sequences; s++) {
      const source = this.choose();
      // Targets of the last rows stand past the sequence's end: they are read ahead, and the next sequence begins with them.
      this.read(source, { ...this.cursors[source] }, tokens, mask);
      this.cursors[source] = this.advance(source, this.cursors[source], T);
      this.fill(batch, s * T, T, tokens, mask);
    }
    const starts = Array.from({ length: sequences }, (_, s) => s * T);
    return { ...batch, segments: segmentsOf(starts, sequences * T) };
  }

  private nextChats(sequences: number): Batch {
    const { sequenceLength, mtpDepths } = this.options;
    const rows = sequences * sequenceLength;
    const batch = emptyBatch(rows, mtpDepths);
    const starts: number[] = [];
    let row = 0;
    for (;;) {
      const source = this.choose();
      const cursor = this.cursors[source];
      const { corpus } = this.sources[source];
      const document = this.orderOf(source, cursor.epoch)[cursor.document];
      const from = corpus.starts[document];
      const length = Math.min(corpus.starts[document + 1] - from, sequenceLength);
      if (row + length > rows) break;
      starts.push(row);
      const mask = corpus.mask.subarray(from, from + length);
      this.fill(batch, row, length, corpus.tokens.subarray(from, from + length), mask);
      row += length;
      this.cursors[source] = { ...this.nextDocument(source, cursor), taken: cursor.taken + length };
    }
    // What is left is too short for the next conversation: rows without targets, a segment of their own.
    if (row < rows) starts.push(row);
    for (let i = row; i < rows; i++) batch.positions[i] = i - row;
    return { ...batch, segments: segmentsOf(starts, rows) };
  }

  /** Writes one sequence of `rows` rows; tokens may go on past them. */
  private fill(batch: Batch, row: number, rows: number, tokens: ArrayLike<number>, mask: ArrayLike<number>): void {
    const available = tokens.length;
    const everything = this.options.loss === "all";
    for (let i = 0; i < rows; i++) {
      batch.positions[row + i] = i;
      for (let depth = 0; depth < batch.ids.length; depth++) {
        const at = i + depth;
        if (at < available) batch.ids[depth][row + i] = tokens[at];
        if (at + 1 < available && (everything || mask[at + 1])) batch.targets[depth][row + i] = tokens[at + 1];
      }
    }
  }

  /** Copies tokens from the cursor on, across documents and epochs. */
  private read(source: number, cursor: Cursor, tokens: Int32Array, mask: Uint8Array): void {
    const { corpus } = this.sources[source];
    let at = 0;
    let here = cursor;
    while (at < tokens.length) {
      const document = this.orderOf(source, here.epoch)[here.document];
      const from = corpus.starts[document] + here.offset;
      const count = Math.min(corpus.starts[document + 1] - from, tokens.length - at);
      tokens.set(corpus.tokens.subarray(from, from + count), at);
      mask.set(corpus.mask.subarray(from, from + count), at);
      at += count;
      here = this.advance(source, here, count);
    }
  }

  private advance(source: number, cursor: Cursor, count: number): Cursor {
    const { corpus } = this.sources[source];
    let here = { ...cursor, taken: cursor.taken + count };
    let left = count;
    for (;;) {
      const document = this.orderOf(source, here.epoch)[here.document];
      const rest = corpus.starts[document + 1] - corpus.starts[document] - here.offset;
      if (left < rest) return { ...here, offset: here.offset + left };
      left -= rest;
      here = this.nextDocument(source, here);
    }
  }

  private nextDocument(source: number, cursor: Cursor): Cursor {
    const documents = this.sources[source].corpus.starts.length - 1;
    const last = cursor.document + 1 === documents;
    return { ...cursor, offset: 0, document: last ? 0 : cursor.document + 1, epoch: cursor.epoch + (last ? 1 : 0) };
  }

  /** The documents of a source in the order of an epoch (Fisher–Yates). Two epochs at most are at work; the newer is kept. */
  private orderOf(source: number, epoch: number): Int32Array {
    const known = this.orders[source];
    if (known.epoch === epoch) return known.order;
    const documents = this.sources[source].corpus.starts.length - 1;
    const random = new Random(this.options.seed, (source + 1) * 2 ** 20 + epoch);
    const order = Int32Array.from({ length: documents }, (_, i) => i);
    for (let i = documents - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    this.orders[source] = { epoch, order };
    return order;
  }
}

function emptyBatch(rows: number, mtpDepths: number): Batch {
  const lists = (fill: number): I32[] => Array.from({ length: mtpDepths + 1 }, () => new Int32Array(rows).fill(fill));
  return { ids: lists(0), targets: lists(-1), positions: new Int32Array(rows), segments: new Int32Array(0) };
}

/** Segments that begin at these rows and fill all `rows`. */
function segmentsOf(starts: readonly number[], rows: number): I32 {
  return Int32Array.from(
    starts.flatMap((start, i) => {
      const length = (starts[i + 1] ?? rows) - start;
      return [start, length, start, length];
    }),
  );
}
