/**
 * Choosing the next token from logits. The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p, draw.
 */
import type { F32, Random } from "../tensor/index.ts";

export interface SamplingOptions {
  /** 0: the likeliest token, always (greedy). Default 0.7. */
  temperature?: number;
  /** Keep only the k likeliest; 0: all. */
  topK?: number;
  /** Keep the fewest likeliest tokens whose probabilities reach this sum; 1: all. */
  topP?: number;
  /** Keep tokens with at least this share of the likeliest one's probability; 0: all. */
  minP?: number;
  /** Logits of tokens seen before are divided by this where positive and multiplied where negative (Keskar et al. 2019); 1: as they are. */
  repetitionPenalty?: number;
  /** Also give each token's log probability: an exponential for every token of the vocabulary. Default false. */
  logprobs?: boolean;
}

export interface Sampled {
  id: number;
  /** log p of the token in the model's own distribution, before penalty, temperature and filters; null unless asked for. */
  logprob: number | null;
}

/** log Σ exp(x) */
export function logSumExp(x: ArrayLike<number>): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < x.length; i++) if (x[i] > largest) largest = x[i];
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.exp(x[i] - largest);
  return largest + Math.log(sum);
}

function argmax(x: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < x.length; i++) if (x[i] > x[best]) best = i;
  return best;
}

/** The next token. `seen`: ids of the prompt and of what was generated, for the repetition penalty. Logits are left as they are. */
export function sample(logits: F32, options: SamplingOptions, random: Random, seen: Iterable<number> = []): Sampled {
  const id = draw(distribution(logits, options, seen), random);
  return sampled(id, logits, options);
}

/** A token with its log probability, where the options ask for it. */
export function sampled(id: number, logits: F32, { logprobs = false }: SamplingOptions): Sampled {
  return { id, logprob: logprobs ? logits[id] - logSumExp(logits) : null };
}

/** What the next token is drawn from: the tokens that the options leave, with weights that need not add up to 1. Greedy: one token. */
export function distribution(logits: F32, options: SamplingOptions, seen: Iterable<number> = []): Candidates {
  const { temperature = 0.7, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  const scores = repetitionPenalty === 1 ? logits : penalised(logits, repetitionPenalty, seen);
  if (temperature === 0) return { ids: Int32Array.of(argmax(scores)), weights: Float64Array.of(1) };
  return candidates(scores, temperature, topK, topP, minP);
}

/**
 * Verifies a drafted token (Leviathan et al. 2023; Chen et al. 2023): `drafted` was drawn from q where p should have been drawn from. It is kept with
 * probability min(1, p / q); else a token is drawn from what p has beyond q. Either way the token is distributed as p.
 */
export function verify(
  drafted: number,
  q: Candidates,
  p: Candidates,
  random: Random,
): { id: number; accepted: boolean } {
  const qOf = probabilities(q);
  const pOf = probabilities(p);
  if (random.uniform() * (qOf.get(drafted) ?? 0) < (pOf.get(drafted) ?? 0)) return { id: drafted, accepted: true };
  const weights = Float64Array.from(p.ids, (id) => Math.max(0, pOf.get(id)! - (qOf.get(id) ?? 0)));
  return { id: draw({ ids: p.ids, weights }, random), accepted: false };
}

function probabilities({ ids, weights }: Candidates): Map<number, number> {
  const total = weights.reduce((a, b) => a + b, 0);
  return new Map(Array.from(ids, (id, i) => [id, weights[i] / total]));
}

function penalised(logits: F32, penalty: number, seen: Iterable<number>): F32 {
  const scores = logits.slice();
  for (const id of new Set(seen)) scores[id] = scores[id] > 0 ? scores[id] / penalty : scores[id] * penalty;
  return scores;
}

export interface Candidates {
  ids: Int32Array;
  /** Not normalised. */
  weights: Float64Array;
}

/** Distances from the best score, over the temperature, fall into bins of 1/16; what is 32 or more away into the last. */
const BINS = 512;
const BINS_PER_UNIT = 16;

/** The tokens that the filters leave, the likeliest first where a filter sorted them; never none. */
function candidates(scores: F32, temperature: number, topK: number, topP: number, minP: number): Candidates {
  const n = scores.length;
  const largest = scores[argmax(scores)];
  const all = new Float64Array(n);
  for (let id = 0; id < n; id++) all[id] = Math.exp((scores[id] - largest) / temperature);
  let ids: Int32Array;
  if (topK > 0 || topP < 1) {
    ids = likeliest(scores, all, largest, temperature, topK > 0 ? Math.min(topK, n) : n, topP);
  } else {
    ids = new Int32Array(n);
    for (let id = 0; id < n; id++) ids[id] = id;
  }
  // The likeliest token has weight 1.
  if (minP > 0) ids = ids.filter((id) => all[id] >= minP);
  const weights = new Float64Array(ids.length);
  for (let i = 0; i < ids.length; i++) weights[i] = all[ids[i]];
  return { ids, weights };
}

/**
 * The `most` likeliest tokens, sorted, cut where their weights reach the share topP of those tokens. Only bins that can hold one of them are sorted: sorting
 * a whole vocabulary would take longer than the model's pass.
 */
function likeliest(
  scores: F32,
  weights: Float64Array,
  largest: number,
  temperature: number,
  most: number,
  topP: number,
): Int32Array {
  const n = scores.length;
  const binOf = (id: number) => Math.min(BINS - 1, Math.floor(((largest - scores[id]) / temperature) * BINS_PER_UNIT));
  const counts = new Int32Array(BINS);
  const sums = new Float64Array(BINS);
  let total = 0;
  for (let id = 0; id < n; id++) {
    const bin = binOf(id);
    counts[bin]++;
    sums[bin] += weights[id];
    total += weights[id];
  }
  // With both filters the share is one of the k likeliest, whose sum is not known yet: only the count limits the bins then. One bin more than the sum
  // asks for, because sums of another order may differ in their last digit.
  let bins = 0;
  let count = 0;
  let sum = 0;
  let before = 0;
  while (bins < BINS && count < most && (most < n || topP >= 1 || before < topP * total || bins === 0)) {
    before = sum;
    count += counts[bins];
    sum += sums[bins++];
  }
  const ids = new Int32Array(count);
  let at = 0;
  for (let id = 0; id < n; id++) if (binOf(id) < bins) ids[at++] = id;
  const sorted = ids.sort((a, b) => scores[b] - scores[a] || a - b).subarray(0, most);
  if (topP >= 1) return sorted;
  const target = topP * (most < n ? sorted.reduce((partial, id) => partial + weights[id], 0) : total);
  let kept = 0;
  let reached = 0;
  // The token that crosses the border stays, so that at least one does.
  do reached += weights[sorted[kept++]];
  while (reached < target && kept < sorted.length);
  return sorted.subarray(0, kept);
}

/** A token by its weight. */
export function draw({ ids, weights }: Candidates, random: Random): number {
  let rest = random.uniform() * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < ids.length; i++) {
    rest -= weights[i];
    if (rest < 0) return ids[i];
  }
  // Rounding may leave a rest behind the last that has any weight.
  return ids[weights.findLastIndex((weight) => weight > 0)];
}
