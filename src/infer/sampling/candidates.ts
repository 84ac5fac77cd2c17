/**
 * What a token is drawn from: the tokens that temperature and filters leave, with their weights. This runs once for every token of every
 * request, so it looks at the whole vocabulary in one kernel, sorts no more than it must, and works in memory that is kept.
 */
import type { F32, I32, Kernels } from "../../tensor/index.ts";

export interface Candidates {
  ids: I32;
  /** Not normalised. */
  weights: F32;
}

/** A temperature at which only the likeliest tokens have a weight. */
const COLD = 1e-30;

/** Bits of the weight 1, the largest; those of positive numbers rise with them. */
const BITS_OF_ONE = 0x3f800000;
/** A bin is an eighth of an octave: what is below these bits. */
const BIN_SHIFT = 20;
const BINS = (BITS_OF_ONE >> BIN_SHIFT) + 1;

export class CandidateFinder {
  private readonly kernels: Kernels;
  /** What may be left, ids rising: tokens of much the same weight share a bin, the heaviest come first. */
  private readonly ids: I32;
  private readonly weights: F32;
  private readonly bits: I32;
  private readonly sum: F32 = new Float32Array(1);
  private readonly counts = new Int32Array(BINS);
  private readonly sums = new Float64Array(BINS);

  constructor(kernels: Kernels, vocabSize: number) {
    this.kernels = kernels;
    this.ids = new Int32Array(vocabSize);
    this.weights = new Float32Array(vocabSize);
    this.bits = new Int32Array(this.weights.buffer);
  }

  /** The likeliest token, of equals the first. */
  likeliest(scores: F32): number {
    const { ids, weights, sum } = this;
    const all = { ids, weights, sum, scores, V: scores.length, temperature: COLD, share: 1 };
    const count = this.kernels.tokenWeights(all);
    let best = 0;
    for (let i = 1; i < count; i++) if (scores[ids[i]] > scores[ids[best]]) best = i;
    return ids[best];
  }

  /** The tokens that are left, in no order; never none. Scores of at most vocabSize ids, the first. */
  find(scores: F32, temperature: number, topK: number, topP: number, minP: number): Candidates {
    const V = scores.length;
    const most = topK > 0 ? Math.min(topK, V) : V;
    // Tokens lighter than this share of the mean make less than 1 − topP all together: the sum is reached without them.
    const share = most < V ? 0 : Math.max(0, 1 - topP);
    const { ids, weights, sum } = this;
    let count = this.kernels.tokenWeights({ ids, weights, sum, scores, V, temperature, share });
    if (count > 1 && (most < V || topP < 1)) count = this.keepLikeliest(count, most, topP, scores);
    // The likeliest token has weight 1.
    if (minP > 0) count = this.keepWhere(count, (i) => weights[i] >= minP);
    return { ids: ids.slice(0, count), weights: weights.slice(0, count) };
  }

  /**
   * Keeps the `most` likeliest of the first `count` tokens, cut where their weights reach the share topP of all of theirs. Whole bins are in
   * or out; only the tokens of the bin at the border are sorted.
   */
  private keepLikeliest(count: number, most: number, topP: number, scores: F32): number {
    this.fillBins(count);
    const { counts, sums, weights } = this;
    let border = 0;
    let before = 0;
    let sum = 0;
    let total = this.sum[0];
    let sorted: I32 | null = null;
    if (most < scores.length) {
      while (before + counts[border] < most) {
        before += counts[border];
        sum += sums[border++];
      }
      sorted = this.binSorted(count, border, scores).subarray(0, most - before);
      total = sum;
      for (const i of sorted) total += weights[i];
    }
    if (topP < 1) {
      // Sums of another order may differ in their last digits.
      const target = topP * total * (1 - 1e-7);
      const last = sorted ? border : BINS - 1;
      let bin = 0;
      before = 0;
      sum = 0;
      while (bin < last && (sum + sums[bin] < target || counts[bin] === 0)) {
        before += counts[bin];
        sum += sums[bin++];
      }
      if (!sorted || bin < border) sorted = this.binSorted(count, bin, scores);
      border = bin;
      let kept = 0;
      // The token that crosses the border stays, so that at least one does.
      while (kept < sorted.length && (sum < target || before + kept === 0)) sum += weights[sorted[kept++]];
      sorted = sorted.subarray(0, kept);
    }
    const atBorder = new Set(sorted);
    return this.keepWhere(count, (i) => {
      const bin = this.binOf(i);
      return bin < border || (bin === border && atBorder.has(i));
    });
  }

  private binOf(i: number): number {
    return (BITS_OF_ONE - this.bits[i]) >> BIN_SHIFT;
  }

  private fillBins(count: number): void {
    const { counts, sums, weights } = this;
    counts.fill(0);
    sums.fill(0);
    for (let i = 0; i < count; i++) {
      const bin = this.binOf(i);
      counts[bin]++;
      sums[bin] += weights[i];
    }
  }

  /** Places of a bin's tokens, the likeliest first; of equals the lower id. */
  private binSorted(count: number, bin: number, scores: F32): I32 {
    const places = new Int32Array(this.counts[bin]);
    let at = 0;
    for (let i = 0; i < count && at < places.length; i++) if (this.binOf(i) === bin) places[at++] = i;
    const { ids } = this;
    return places.sort((a, b) => scores[ids[b]] - scores[ids[a]] || a - b);
  }

  /** Moves the tokens that stay to the front, in their order; gives how many they are. */
  private keepWhere(count: number, stays: (i: number) => boolean): number {
    const { ids, weights } = this;
    let kept = 0;
    for (let i = 0; i < count; i++) {
      if (!stays(i)) continue;
      ids[kept] = ids[i];
      weights[kept++] = weights[i];
    }
    return kept;
  }
}
