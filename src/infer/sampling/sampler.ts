/** What the next token is drawn from, and the draw. The order is that of transformers: penalties, temperature, top-k, top-p, min-p, draw. */
import type { F32, Kernels } from "../../tensor/index.ts";
import { CandidateFinder, type Candidates } from "./candidates.ts";
import type { ResolvedParams } from "./params.ts";

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

  /** log p of a token in the softmax of logits: a cross entropy with the token as target. */
  logprob(id: number, logits: F32): number {
    const { kernels, target: targets, loss: losses } = this;
    targets[0] = id;
    kernels.crossEntropy({ logits, losses, targets, T: 1, V: logits.length, gradient: null, gradScale: 0 });
    return -losses[0];
  }

  /** What the next token is drawn from: the tokens that the parameters leave, with weights that need not add up to 1. Greedy: one token. */
  distribution(
    scores: F32,
    { temperature, topK, topP, minP }: Pick<ResolvedParams, "temperature" | "topK" | "topP" | "minP">,
  ): Candidates {
    if (temperature === 0) return { ids: Int32Array.of(this.finder.likeliest(scores)), weights: Float32Array.of(1) };
    return this.finder.find(scores, temperature, topK, topP, minP);
  }
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
