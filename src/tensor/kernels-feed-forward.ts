/** Contracts of the feed-forward of many tokens as one kernel (part of `kernels.ts`), for machines whose products outrun their memory. */
import type { Bf16, F32, I32 } from "./dtype.ts";
import type { Precision } from "./kernels.ts";

/** Rows sorted into groups (experts), each with weights of its own; E = 1 for a feed-forward that all tokens share. */
export interface FeedForwardShape {
  /** [T,D] */
  x: F32 | Bf16;
  /** [J]: row j is token rows[j]; null: token j */
  rows: I32 | null;
  /** [E+1], rising, offsets[0] = 0, offsets[E] = J */
  offsets: I32;
  /** [E,2F,D]: gate above up */
  gateUp: F32 | Bf16;
  /** [E,D,F] */
  down: F32 | Bf16;
  E: number;
  D: number;
  F: number;
}

/** out[J,D] = silu(x · gateᵀ) ⊙ (x · upᵀ) · downᵀ of each row by its group's weights. Operands of products are rounded to bf16. */
export interface FeedForward extends FeedForwardShape {
  out: F32;
}

/**
 * The gradient, of rows that a mixture has weighted: row j's is weight · dout[its token]. What the forward pass made is computed again.
 * Rounded to bf16 are x, dout, the weighted hidden numbers and the gradients of gate and up.
 */
export interface FeedForwardBackward extends FeedForwardShape {
  /** [J,D], overwritten unless `accumulate` */
  dx: F32;
  accumulate: boolean;
  /** Added to, as [E,2F,D] and [E,D,F] */
  dGateUp: F32;
  dDown: F32;
  /** [T,D] */
  dout: F32;
  /** How the rows were mixed; null: every weight is 1. */
  mixture: Mixture | null;
}

export interface Mixture {
  /** [T,K] */
  weights: F32;
  /** [T,K], added to */
  dWeights: F32;
  /** [T,K]: the row of each choice */
  place: I32;
}

/** What decides whether a feed-forward can go through one kernel. */
export interface FeedForwardSizes {
  D: number;
  F: number;
  precision: Precision;
}

export interface FeedForwardKernels {
  /** Whether `feedForward` and its gradient are faster here than the kernels that they are made of. */
  fusesFeedForward(p: FeedForwardSizes): boolean;
  feedForward(p: FeedForward): void;
  feedForwardBackward(p: FeedForwardBackward): void;
}
