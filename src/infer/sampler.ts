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
}

export interface Sampled {
  id: number;
  /** log p of the token in the model's own distribution, before penalty, temperature and filters. */
  logprob: number;
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
  const { temperature = 0.7, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  const total = logSumExp(logits);
  const scores = repetitionPenalty === 1 ? logits : penalised(logits, repetitionPenalty, seen);
  if (temperature === 0) {
    const id = argmax(scores);
    return { id, logprob: logits[id] - total };
  }
  const id = draw(candidates(scores, temperature, topK, topP, minP), random);
  return { id, logprob: logits[id] - total };
}

function penalised(logits: F32, penalty: number, seen: Iterable<number>): F32 {
  const scores = logits.slice();
  for (const id of new Set(seen)) scores[id] = scores[id] > 0 ? scores[id] / penalty : scores[id] * penalty;
  return scores;
}

interface Candidates {
  ids: Int32Array;
  /** Not normalised. */
  weights: Float64Array;
}

/** The tokens that the filters leave, the likeliest first where a filter sorted them; never none. */
function candidates(scores: F32, temperature: number, topK: number, topP: number, minP: number): Candidates {
  const largest = scores[argmax(scores)];
  const weightOf = (id: number) => Math.exp((scores[id] - largest) / temperature);
  let ids: Int32Array = Int32Array.from(scores.keys());
  if (topK > 0 || topP < 1) ids.sort((a, b) => scores[b] - scores[a] || a - b);
  if (topK > 0) ids = ids.subarray(0, Math.min(topK, ids.length));
  let weights = Float64Array.from(ids, weightOf);
  if (topP < 1) {
    const target = topP * weights.reduce((a, b) => a + b, 0);
    let sum = 0;
    let kept = 0;
    // The token that crosses the border stays, so that at least one does.
    do sum += weights[kept++];
    while (sum < target && kept < weights.length);
    ids = ids.subarray(0, kept);
    weights = weights.subarray(0, kept);
  }
  if (minP > 0) {
    // The likeliest token has weight 1.
    ids = ids.filter((id) => weightOf(id) >= minP);
    weights = Float64Array.from(ids, weightOf);
  }
  return { ids, weights };
}

function draw({ ids, weights }: Candidates, random: Random): number {
  let rest = random.uniform() * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < ids.length; i++) {
    rest -= weights[i];
    if (rest < 0) return ids[i];
  }
  return ids[ids.length - 1];
}
