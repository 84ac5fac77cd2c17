/**
 * Choosing the next token from logits. The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p, draw.
 */
import type { Random } from "../../base/index.ts";
import type { F32, Kernels } from "../../tensor/index.ts";
import { CandidateFinder, type Candidates } from "./candidates.ts";

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

/** Finds what tokens are drawn from, and how likely they are; one for a model, because it keeps memory as large as the vocabulary. */
export class Sampler {
  private readonly kernels: Kernels;
  private readonly finder: CandidateFinder;
  private readonly target = new Int32Array(1);
  private readonly loss: F32 = new Float32Array(1);
  /** [V], for scores that are not the logits as they stand. */
  readonly scores: F32;

  constructor(kernels: Kernels, vocabSize: number) {
    this.kernels = kernels;
    this.finder = new CandidateFinder(kernels, vocabSize);
    this.scores = new Float32Array(vocabSize);
  }

  /** The next token. `seen`: ids of the prompt and of what was generated, for the repetition penalty. Logits are left as they are. */
  sample(logits: F32, options: SamplingOptions, random: Random, seen: Iterable<number> = []): Sampled {
    return this.sampled(draw(this.distribution(logits, options, seen), random), logits, options);
  }

  /** A token with its log probability, where the options ask for it. */
  sampled(id: number, logits: F32, { logprobs = false }: SamplingOptions): Sampled {
    return { id, logprob: logprobs ? this.logprob(id, logits) : null };
  }

  /** log p of a token in the softmax of logits: a cross entropy with the token as target. */
  logprob(id: number, logits: F32): number {
    const { kernels, target: targets, loss: losses } = this;
    targets[0] = id;
    kernels.crossEntropy({ logits, losses, targets, T: 1, V: logits.length, gradient: null, gradScale: 0 });
    return -losses[0];
  }

  /** What the next token is drawn from: the tokens that the options leave, with weights that need not add up to 1. Greedy: one token. */
  distribution(logits: F32, options: SamplingOptions, seen: Iterable<number> = []): Candidates {
    const { temperature = 0.7, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
    const scores = repetitionPenalty === 1 ? logits : this.penalised(logits, repetitionPenalty, seen);
    if (temperature === 0) return { ids: Int32Array.of(this.finder.likeliest(scores)), weights: Float32Array.of(1) };
    return this.finder.find(scores, temperature, topK, topP, minP);
  }

  private penalised(logits: F32, penalty: number, seen: Iterable<number>): F32 {
    const scores = this.scores.subarray(0, logits.length);
    scores.set(logits);
    for (const id of new Set(seen)) scores[id] = scores[id] > 0 ? scores[id] / penalty : scores[id] * penalty;
    return scores;
  }
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
  const weights = Float32Array.from(p.ids, (id) => Math.max(0, pOf.get(id)! - (qOf.get(id) ?? 0)));
  return { id: draw({ ids: p.ids, weights }, random), accepted: false };
}

function probabilities({ ids, weights }: Candidates): Map<number, number> {
  const total = weights.reduce((a, b) => a + b, 0);
  return new Map(Array.from(ids, (id, i) => [id, weights[i] / total]));
}

/** A token by its weight. */
export function draw(candidates: Candidates, random: Random): number {
  return pick(candidates, random.next());
}

/** Tokens with less than this share of the heaviest one's weight race together. */
const LIGHT = 1 / 1024;
const TOGETHER = -1;
const AMONG_THEM = -2;

/**
 * The token that a random number of 32 bits picks. Each token runs a race whose time is exponential with its weight as the rate; the first to
 * arrive is distributed by weight. A token's luck depends on the number and the token alone, so two distributions that are nearly the
 * same mostly give the same token for the same number (Gumbel coupling).
 */
export function pick({ ids, weights }: Candidates, number: number): number {
  let heaviest = 0;
  for (let i = 0; i < weights.length; i++) if (weights[i] > weights[heaviest]) heaviest = i;
  const least = weights[heaviest] * LIGHT;
  let first = heaviest;
  let soonest = Number.POSITIVE_INFINITY;
  let light = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] < least) {
      light += weights[i];
      continue;
    }
    const time = -Math.log(luck(number, ids[i])) / weights[i];
    if (time < soonest) [soonest, first] = [time, i];
  }
  if (light === 0 || -Math.log(luck(number, TOGETHER)) / light >= soonest) return ids[first];
  let rest = luck(number, AMONG_THEM) * light;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] >= least || weights[i] === 0) continue;
    first = i;
    rest -= weights[i];
    if (rest < 0) break;
  }
  return ids[first];
}

/** A number between 0 and 1, neither of them, that looks random and is the same for the same arguments. */
function luck(number: number, token: number): number {
  let h = number ^ Math.imul(token + 3, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  return ((h >>> 0) + 0.5) / 2 ** 32;
}
