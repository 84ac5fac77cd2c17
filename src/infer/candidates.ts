/**
 * What a token is drawn from: the tokens that temperature and filters leave, with their weights. This runs once for every token of every
 * request, so it takes no logarithm, sorts no more than it must, and works in memory that is kept.
 */
import type { F32 } from "../tensor/index.ts";

export interface Candidates {
  ids: Int32Array;
  /** Not normalised. */
  weights: Float64Array;
}

/** Tokens further than this below the likeliest, over the temperature, weigh nothing: e^−40 is less than a double can add to 1. */
const FAR = 40;
/** Steps in which the exponential is tabled, and of which sixteen make a bin: tokens in one bin have much the same score. */
const STEPS = 256;
const BIN_SHIFT = 4;
const BINS = ((FAR * STEPS) >> BIN_SHIFT) + 1;

const EXPONENTIALS = Float64Array.from({ length: FAR * STEPS }, (_, k) => Math.exp(-k / STEPS));
const counts = new Int32Array(BINS);
const sums = new Float64Array(BINS);
let weights = new Float64Array(0);
let bins = new Uint16Array(0);
let identity = new Int32Array(0);

/** The tokens that are left, in no order; never none. */
export function candidates(scores: F32, temperature: number, topK: number, topP: number, minP: number): Candidates {
  const n = scores.length;
  const most = topK > 0 ? Math.min(topK, n) : n;
  weigh(scores, temperature);
  if (most === n && topP >= 1 && minP <= 0) return { ids: identity.subarray(0, n), weights: weights.slice(0, n) };
  let ids = most < n || topP < 1 ? likeliest(scores, most, topP) : identity.subarray(0, n);
  // The likeliest token has weight 1.
  if (minP > 0) ids = ids.filter((id) => weights[id] >= minP);
  const own = new Float64Array(ids.length);
  for (let i = 0; i < ids.length; i++) own[i] = weights[ids[i]];
  return { ids, weights: own };
}

/** Each token's weight, e^((score − best) / temperature), and its bin. */
function weigh(scores: F32, temperature: number): void {
  const n = scores.length;
  if (weights.length < n) {
    weights = new Float64Array(n);
    bins = new Uint16Array(n);
    identity = Int32Array.from({ length: n }, (_, id) => id);
  }
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < n; id++) if (scores[id] > largest) largest = scores[id];
  const perUnit = 1 / temperature;
  for (let id = 0; id < n; id++) {
    const distance = (largest - scores[id]) * perUnit;
    if (!(distance < FAR)) {
      weights[id] = 0;
      bins[id] = BINS - 1;
      continue;
    }
    const step = (distance * STEPS) | 0;
    // The table's value, times the exponential of what is left, which is so small that four terms give it to the last digit.
    const rest = distance - step / STEPS;
    weights[id] = EXPONENTIALS[step] * (1 - rest * (1 - rest * (1 / 2 - rest * (1 / 6 - rest / 24))));
    bins[id] = step >> BIN_SHIFT;
  }
}

/**
 * The `most` likeliest tokens, cut where their weights reach the share topP of all of theirs. Whole bins are in or out; only the tokens of the
 * bin at the border are sorted.
 */
function likeliest(scores: F32, most: number, topP: number): Int32Array {
  const n = scores.length;
  counts.fill(0);
  sums.fill(0);
  for (let id = 0; id < n; id++) {
    counts[bins[id]]++;
    sums[bins[id]] += weights[id];
  }
  let border = 0;
  let before = 0;
  let sumBefore = 0;
  while (before + counts[border] < most) {
    before += counts[border];
    sumBefore += sums[border++];
  }
  let sorted = binSorted(scores, border).subarray(0, most - before);
  if (topP < 1) {
    let total = sumBefore;
    for (const id of sorted) total += weights[id];
    // Sums of another order may differ in their last digits.
    const target = topP * total * (1 - 1e-12);
    let bin = 0;
    let count = 0;
    let sum = 0;
    while (bin < border && (sum + sums[bin] < target || counts[bin] === 0)) {
      count += counts[bin];
      sum += sums[bin++];
    }
    if (bin < border) sorted = binSorted(scores, bin);
    border = bin;
    before = count;
    let kept = 0;
    // The token that crosses the border stays, so that at least one does.
    while (kept < sorted.length && (sum < target || before + kept === 0)) sum += weights[sorted[kept++]];
    sorted = sorted.subarray(0, kept);
  }
  const ids = new Int32Array(before + sorted.length);
  let at = 0;
  for (let id = 0; at < before; id++) if (bins[id] < border) ids[at++] = id;
  ids.set(sorted, before);
  return ids;
}

/** The tokens of a bin, the likeliest first; of equals the lower id. */
function binSorted(scores: F32, bin: number): Int32Array {
  const ids = new Int32Array(counts[bin]);
  let at = 0;
  for (let id = 0; at < ids.length; id++) if (bins[id] === bin) ids[at++] = id;
  return ids.sort((a, b) => scores[b] - scores[a] || a - b);
}
