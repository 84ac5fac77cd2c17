/**
 * Guesses ahead with the first MTP depth (report, section 5.4.3): what comes after the token that was just drawn. The next pass reads the guess
 * behind that token, and where the token drawn there is the guess, gives two tokens instead of one.
 *
 * A guess is drawn with the same random number that the token at its place will be drawn with, so that guessing changes how soon a text is
 * there but never the text.
 */
import type { LatentCache } from "../../model/index.ts";
import type { Model } from "../model.ts";
import type { Pass } from "./passes.ts";
import type { Request } from "./request.ts";

/** Rows of a pass that belong to a request and stay: `count` tokens from position `from` on, at `row` of the pass. */
export interface Read {
  request: Request;
  from: number;
  count: number;
  row: number;
}

/** The positions of a sequence that the depth has read: they may begin anywhere, because all that it needs of a position is relative. */
interface Covered {
  from: number;
  to: number;
}

export class Drafter {
  private readonly model: Model;
  private readonly cache: LatentCache;
  private readonly covered = new WeakMap<Request, Covered>();

  constructor(model: Model, cache: LatentCache) {
    this.model = model;
    this.cache = cache;
  }

  static has(model: Model): boolean {
    return model.transformer.weights.mtp.length > 0;
  }

  /** Lets the depth read what a pass left, now that the token after each row is known; a request whose next token is certain gets a guess. */
  guess(pass: Pass, reads: readonly Read[]): void {
    if (reads.length === 0) return;
    const { tape, hidden } = pass;
    const { transformer, config } = this.model;
    const D = config.hiddenSize;
    const T = reads.reduce((sum, { count }) => sum + count, 0);
    const rows = tape.tensor(T, D);
    const next = new Int32Array(T);
    const last: number[] = [];
    let at = 0;
    const spans = reads.map(({ request, from, count, row }) => {
      rows.data.set(hidden.data.subarray(row * D, (row + count) * D), at * D);
      for (let i = 0; i < count; i++) next[at + i] = request.tokens[from + i + 1];
      at += count;
      last.push(at - 1);
      return this.spanOf(request, from, count);
    });
    const layer = this.cache.layers[config.numHiddenLayers];
    const states = transformer.mtpForwardCached(tape, 1, { hidden: rows, nextIds: next }, spans, layer);
    const logits = pass.draftLogits(states, last);
    reads.forEach(({ request }, i) => {
      if (request.waiting === 1) request.foresee(logits[i]);
    });
  }

  /** Where the depth's rows of these positions stand in the cache. Positions that it has missed are left out of what it sees. */
  private spanOf(request: Request, from: number, count: number) {
    const before = this.covered.get(request);
    const covered = before && before.to === from ? before : { from, to: from };
    covered.to = from + count;
    this.covered.set(request, covered);
    return { rowStart: request.block!.start + covered.from, past: from - covered.from, count };
  }
}
