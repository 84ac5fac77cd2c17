/** Contracts of what becomes of logits: the loss, and what a token is drawn from (part of `kernels.ts`). */
import type { Bf16, F32, I32 } from "./dtype.ts";
import type { Precision } from "./kernels.ts";

/**
 * Cross entropy of logits[T,V] against targets[T] (−1: ignored). losses[t] = −log softmax(logits[t])[target] (0 where ignored).
 * With a gradient, gradient[T,V] = gradScale · (softmax − onehot) (0 where ignored), and the logits are no longer what they were: their memory may be its own.
 */
export interface CrossEntropy {
  logits: F32;
  losses: F32;
  targets: I32;
  T: number;
  V: number;
  gradient: F32 | Bf16 | null;
  gradScale: number;
}

/**
 * The head and its cross entropy in one: losses[t] = −log softmax(x·wᵀ)[target] (0 where the target is −1), and of Σ gradScale · losses what is to be
 * added to dx and dw. Operands of products are rounded to bf16, the gradients of logits among them.
 */
export interface HeadLoss {
  /** [T] */
  losses: F32;
  /** [T,D] */
  dx: F32;
  /** [V,D] */
  dw: F32;
  /** [T,D] */
  x: F32;
  /** [V,D] */
  w: F32;
  targets: I32;
  T: number;
  D: number;
  V: number;
  gradScale: number;
}

/**
 * What a token is drawn from: tokens of scores[V] with their weights w = e^((score − best) / temperature), the best score's being 1 and a score of −∞ or
 * NaN weighing 0. Written are, ids rising, those whose weight is at least `share` / V of all weights' sum (0: all of them).
 * Returns how many. Where no score is a finite number it is one token, the first of the largest, with weight 1.
 */
export interface TokenWeights {
  /** [V]; what is behind the tokens written is undefined. */
  ids: I32;
  /** [V], likewise */
  weights: F32;
  /** [1]: the sum of all weights, of those not written too. */
  sum: F32;
  scores: F32;
  V: number;
  /** Above 0. */
  temperature: number;
  /** From 0 to 1. */
  share: number;
}

export interface LossKernels {
  crossEntropy(p: CrossEntropy): void;
  tokenWeights(p: TokenWeights): number;
  /** Whether `headLoss` is faster here than the kernels that it is made of. */
  fusesHeadLoss(p: { D: number; V: number; precision: Precision }): boolean;
  headLoss(p: HeadLoss): void;
}
