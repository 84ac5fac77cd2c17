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
/** Steps of a unit in which the exponential is tabled. */
const STEPS = 256;
/** Tokens of much the same score share a bin; what is far shares the last. */
const BINS_PER_UNIT = 16;
const BINS = FAR * BINS_PER_UNIT + 1;

const EXPONENTIALS = Float64Array.from({ length: FAR * STEPS }, (_, k) => Math.exp(-k / STEPS));
const counts = new Int32Array(BINS);
const sums = new Float64Array(BINS);
let weights = new Float64Array(0);
let identity = new Int32Array(0);
/** Ids that a filter may leave, and their bins. */
let pool = new Int32Array(0);
let bins = new Uint16Array(0);

/** The tokens that are left, in no order; never none. */
export function candidates(scores: F32, temperature: number, topK: number, topP: number, minP: number): Candidates {
  const n = scores.length;
  const most = topK > 0 ? Math.min(topK, n) : n;
  const { largest, total } = weigh(scores, temperature);
  if (most === n && topP >= 1 && minP <= 0) return { ids: identity.subarray(0, n), weights: weights.slice(0, n) };
  let ids: Int32Array = identity.subarray(0, n);
  if (most < n || topP < 1) {
    // Tokens lighter than this make less than 1 − topP all together: the share is reached without them.
    const least = most < n ? 0 : (Math.max(0, 1 - topP) * total) / n;
    ids = likeliest(scores, poolOf(scores, largest, temperature, least), Math.min(most, n), topP, total);
  }
  // The likeliest token has weight 1.
  if (minP > 0) ids = ids.filter((id) => weights[id] >= minP);
  const own = new Float64Array(ids.length);
  for (let i = 0; i < ids.length; i++) own[i] = weights[ids[i]];
  return { ids, weights: own };
}

/** Each token's weight, e^((score − best) / temperature); gives the best score and the sum of weights. */
function weigh(scores: F32, temperature: number): { largest: number; total: number } {
  const n = scores.length;
  if (weights.length < n) {
    weights = new Float64Array(n);
    bins = new Uint16Array(n);
    pool = new Int32Array(n);
    identity = Int32Array.from({ length: n }, (_, id) => id);
  }
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < n; id++) if (scores[id] > largest) largest = scores[id];
  const perUnit = 1 / temperature;
  let total = 0;
  for (let id = 0; id < n; id++) {
    const distance = (largest - scores[id]) * perUnit;
    let weight = 0;
    if (distance < FAR) {
      const step = (distance * STEPS) | 0;
      // The table's value, times the exponential of what is left, which is so small that a few terms give it to the last digit.
      const rest = distance - step / STEPS;
      weight = EXPONENTIALS[step] * (1 - rest * (1 - rest * (1 / 2 - rest * (1 / 6 - rest / 24))));
    }
    weights[id] = weight;
    total += weight;
  }
  return { largest, total };
}

/** Puts the tokens of at least some weight, and their bins, into the pool; gives how many they are. */
function poolOf(scores: F32, largest: number, temperature: number, least: number): number {
  const perUnit = BINS_PER_UNIT / temperature;
  let size = 0;
  counts.fill(0);
  sums.fill(0);
  for (let id = 0; id < scores.length; id++) {
    const weight = weights[id];
    if (weight < least) continue;
    const distance = (largest - scores[id]) * perUnit;
    const bin = distance < BINS ? distance | 0 : BINS - 1;
    counts[bin]++;
    sums[bin] += weight;
    bins[size] = bin;
    pool[size++] = id;
  }
  return size;
}

/**
 * The `most` likeliest tokens of the pool, cut where their weights reach the share topP of all of theirs. Whole bins are in or out; only the
 * tokens of the bin at the border are sorted.
 */
function likeliest(scores: F32, size: number, most: number, topP: number, all: number): Int32Array {
  let border = 0;
  let before = 0;
  let sum = 0;
  let total = all;
  let sorted: Int32Array | null = null;
  if (most < scores.length) {
    while (before + counts[border] < most) {
      before += counts[border];
      sum += sums[border++];
    }
    sorted = binSorted(scores, size, border).subarray(0, most - before);
    total = sum;
    for (const id of sorted) total += weights[id];
  }
  if (topP < 1) {
    // Sums of another order may differ in their last digits.
    const target = topP * total * (1 - 1e-12);
    const last = sorted ? border : BINS - 1;
    let bin = 0;
    before = 0;
    sum = 0;
    while (bin < last && (sum + sums[bin] < target || counts[bin] === 0)) {
      before += counts[bin];
      sum += sums[bin++];
    }
    if (!sorted || bin < border) sorted = binSorted(scores, size, bin);
    border = bin;
    let kept = 0;
    // The token that crosses the border stays, so that at least one does.
    while (kept < sorted.length && (sum < target || before + kept === 0)) sum += weights[sorted[kept++]];
    sorted = sorted.subarray(0, kept);
  }
  const ids = new Int32Array(before + sorted!.length);
  let at = 0;
  for (let i = 0; at < before; i++) if (bins[i] < border) ids[at++] = pool[i];
  ids.set(sorted!, before);
  return ids;
}

/** The tokens of a bin, the likeliest first; of equals the lower id. */
function binSorted(scores: F32, size: number, bin: number): Int32Array {
  const ids = new Int32Array(counts[bin]);
  let at = 0;
  for (let i = 0; i < size && at < ids.length; i++) if (bins[i] === bin) ids[at++] = pool[i];
  return ids.sort((a, b) => scores[b] - scores[a] || a - b);
}
