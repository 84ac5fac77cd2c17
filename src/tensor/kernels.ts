/**
 * The contract of all kernels: what `reference/` defines in readable TypeScript and `native/` computes fast.
 *
 * Rules that hold for every kernel
 * - Matrices are row-major. Shapes stand in the comments with the legend of `src/model/README.md` (T tokens, D width, …).
 *   A leading dimension (`ld…`, in elements) is the distance between rows; left out, rows are contiguous.
 * - A buffer's dtype is told by its typed array's class (see `dtype.ts`).
 * - Outputs named `d…` are gradients and are ADDED TO; every other output is overwritten, unless `accumulate` says otherwise.
 * - Sums run in float32 or better. `precision: "bf16"` rounds the operands of a product to bf16 (nearest even) first and
 *   still sums in float32, as matrix units do. A buffer that only products will read may be in bf16 then: it is written rounded,
 *   to the same end.
 * - The result does not depend on the number of threads, bit for bit. Between instruction sets it may differ in rounding.
 * - Sizes of 0 are legal and do nothing (with `accumulate: false` and K = 0, the output becomes 0).
 * - Buffers do not overlap unless a kernel says "in place".
 * - Callers are trusted (they are `ops.ts`, the optimiser and the decoder): kernels check sizes, not values; ids and indices
 *   are validated where they enter the program. A buffer that is too short throws a RangeError that names it.
 */
import type { Bf16, F32, I8, I32, Storage } from "./dtype.ts";
import type { FeedForwardKernels } from "./kernels-feed-forward.ts";
import type { LossKernels } from "./kernels-loss.ts";
import type { Fp8Blocks, QuantisedBlocks, QuantisedMatmul } from "./kernels-quantised.ts";
import type { AttentionStep, FeedForwardStep, LayerStep } from "./kernels-step.ts";

export type { FeedForwardKernels, FeedForwardShape, Mixture } from "./kernels-feed-forward.ts";
export type { LossKernels } from "./kernels-loss.ts";
export type { Fp8Blocks, QuantisedBlocks, QuantisedMatmul } from "./kernels-quantised.ts";
export type { AttentionStep, FeedForwardStep, HeldMatrix, LayerStep } from "./kernels-step.ts";

export type Precision = "f32" | "bf16";
export type Isa = "reference" | "portable" | "avx2" | "avx512" | "amx";

/** out[M,N] (+)= op(a)[M,K] · op(b)[K,N] */
export interface Matmul {
  out: F32;
  /** [M,K], or [K,M] when aT */
  a: F32 | Bf16;
  /** [K,N], or [N,K] when bT (a checkpoint's weight is [out,in], so a linear layer is bT) */
  b: F32 | Bf16;
  M: number;
  N: number;
  K: number;
  aT?: boolean;
  bT?: boolean;
  lda?: number;
  ldb?: number;
  ldo?: number;
  accumulate?: boolean;
  precision: Precision;
  /** Several products of one shape (attention heads): operands of the next begin that many elements on. Default: one product. */
  batch?: { count: number; a: number; b: number; out: number };
}

/**
 * Products of rows sorted into groups (experts): rows offsets[e] … offsets[e+1] belong to group e.
 * - "forward": out[J,N] = a[J,K] · b[e][N,K]ᵀ
 * - "input":   out[J,K] = a[J,N] · b[e][N,K]
 * - "weight":  out[e][N,K] = a[J,N]ᵀ · b[J,K] over the group's rows
 * `accumulate` adds instead of overwriting. Without it, "weight" writes 0 for an empty group.
 */
export interface GroupedMatmul {
  kind: "forward" | "input" | "weight";
  out: F32;
  a: F32 | Bf16;
  b: F32 | Bf16;
  /** [E+1], rising, offsets[0] = 0, offsets[E] = J */
  offsets: I32;
  E: number;
  N: number;
  K: number;
  accumulate?: boolean;
  precision: Precision;
}

/** out[T,D] = x · rstd · w with rstd[T] = 1 / sqrt(mean(x²) + eps) (RMSNorm) */
export interface RmsNorm {
  out: F32 | Bf16;
  rstd: F32;
  x: F32;
  w: F32 | Bf16;
  T: number;
  D: number;
  eps: number;
  ldx?: number;
  ldo?: number;
}
/** dx += d(norm)/dx · dy, dw[D] += Σ_T dy · x · rstd. dx may have the layout of a wider matrix (lddx). */
export interface RmsNormBackward {
  dx: F32;
  dw: F32;
  dy: F32;
  x: F32;
  w: F32;
  rstd: F32;
  T: number;
  D: number;
  ldx?: number;
  lddx?: number;
  lddy?: number;
}

/**
 * Rotary embedding, in place, of the P numbers at x[t·ld + h·headStride] … for h < H:
 * pairs (0,1),(2,3)… when interleaved, else (0,P/2),(1,P/2+1)…; pair i of token t turns by the angle whose cosine and sine
 * stand at cos/sin[positions[t], i]. `inverse` turns back: the backward pass, applied in place to the gradient.
 */
export interface Rope {
  x: F32;
  positions: I32;
  /** [maxPosition, P/2] */
  cos: F32;
  sin: F32;
  T: number;
  H: number;
  P: number;
  ld: number;
  headStride: number;
  interleaved: boolean;
  inverse?: boolean;
}

/**
 * Causal multi-head latent attention in the naive form (report, eq. 1–11; training and prefill). Never forms T×T.
 * Query i of a segment sees keys 0 … kLen − qLen + i of the same segment.
 *   score = scale · (q[:N]·k_nope + q[N:]·k_rope),  out = softmax(score) · v
 * q is [Tq, H, N+P]; kv is [Tk, H, N+V] (per head: k_nope then v); kRope is one vector of P for all heads, rows ldk apart.
 */
export interface AttentionShape {
  /** [S,4]: qStart, qLen, kStart, kLen. Segments do not overlap; kLen ≥ qLen. Rows in no segment are left untouched. */
  segments: I32;
  S: number;
  H: number;
  N: number;
  P: number;
  V: number;
  ldk?: number;
  scale: number;
  precision: Precision;
}
export interface Attention extends AttentionShape {
  /** [Tq, H, V] */
  out: F32;
  /** [Tq, H]: log Σ exp(score), kept for the backward pass */
  lse: F32;
  q: F32;
  kv: F32;
  kRope: F32;
}
/** Adds to dq, dkv and dkRope (rows lddk apart). Scores are recomputed from lse, tile by tile. */
export interface AttentionBackward extends AttentionShape {
  /** dq and dkv are overwritten instead, in the rows of segments (default false). */
  fresh?: boolean;
  dq: F32;
  dkv: F32;
  dkRope: F32;
  lddk?: number;
  dout: F32;
  out: F32;
  lse: F32;
  q: F32;
  kv: F32;
  kRope: F32;
}

/**
 * Attention in the absorbed form over the latent cache (decoding). A cache row is [c_kv (R) | k_rope (P)], after its norm and rotation.
 * Query n is one token of one sequence; it sees cache rows rowStart[n] … rowStart[n] + rowCount[n] − 1.
 *   score = scale · (qLatent·c_kv + qRope·k_rope),  out[n,h] = Σ softmax(score) · c_kv
 * Over a cache in bf16 queries are rounded to it.
 */
export interface LatentAttention {
  /** [Nq, H, R] */
  out: F32;
  /** [Nq, H, R]: q_nope · W_UK */
  qLatent: F32;
  /** [Nq, H, P], rows of one query ldq apart, heads qHeadStride apart */
  qRope: F32;
  /** f32, bf16, or 8-bit codes. */
  cache: F32 | Bf16 | I8;
  /** [rows, 2]: what the codes of c_kv and of k_rope of a row are multiplied by; null where the cache holds the numbers themselves. */
  cacheScales: F32 | null;
  rowStart: I32;
  rowCount: I32;
  Nq: number;
  H: number;
  R: number;
  P: number;
  ldq: number;
  qHeadStride: number;
  scale: number;
}

/** out[T,F] = silu(gate) · up, from x[T,2F] = [gate | up] */
export interface Swiglu {
  out: F32 | Bf16;
  x: F32;
  T: number;
  F: number;
}
export interface SwigluBackward {
  /** In bf16 only where it is fresh. */
  dx: F32 | Bf16;
  /** dx is overwritten instead of added to (default false). */
  fresh?: boolean;
  dy: F32;
  x: F32;
  T: number;
  F: number;
}

/**
 * The sigmoid router (report, eq. 12–16): scores = sigmoid(logits); choose on scores + bias: a group's score is the sum of its two best
 * (its best one, if it has one member), topkGroups groups stay, the K best experts among them win (ties: the lower index). weights are the unbiased scores of the chosen,
 * divided by (their sum + 1e-20) when normalise, times scale. A token's chosen stand in falling order of biased score.
 */
export interface Route {
  /** [T,E] */
  scores: F32;
  /** [T,K] */
  indices: I32;
  /** [T,K] */
  weights: F32;
  /** [T,E] */
  logits: F32;
  /** [E] e_score_correction_bias */
  bias: F32;
  T: number;
  E: number;
  K: number;
  groups: number;
  topkGroups: number;
  normalise: boolean;
  scale: number;
}
/** dLogits += gradient through weights, plus that of dScores (the balance loss's, or null) through the sigmoid. */
export interface RouteBackward {
  dLogits: F32;
  /** [T,K] gradient of weights */
  dWeights: F32;
  /** [T,E] or null */
  dScores: F32 | null;
  scores: F32;
  indices: I32;
  T: number;
  E: number;
  K: number;
  normalise: boolean;
  scale: number;
}
/**
 * Sequence-wise balance loss (report, eq. 17–20): per sequence α Σ_e f_e P_e, f_e = E/(K·T) · count of e, P_e = mean over t of
 * scores[t,e] / Σ_e scores[t]. Returns the mean over sequences weighted by their lengths, and overwrites
 * dScores with its gradient times gradScale (f_e is a constant). Sequences are those of `segments` (its qStart, qLen).
 */
export interface BalanceLoss {
  dScores: F32;
  scores: F32;
  indices: I32;
  segments: I32;
  S: number;
  T: number;
  E: number;
  K: number;
  alpha: number;
  gradScale: number;
}

/** Stable counting sort of T·K choices by expert: row j of the sorted order is token tokens[j]; choice (t,i) stands at row place[t,i]. */
export interface Dispatch {
  /** [T,K] */
  place: I32;
  /** [T·K] */
  tokens: I32;
  /** [E+1] */
  offsets: I32;
  /** [T,K] */
  indices: I32;
  T: number;
  E: number;
  K: number;
}
/** out[J,D] = x[rows[j], :] (experts' inputs, embeddings) */
export interface GatherRows {
  out: F32 | Bf16;
  x: F32 | Bf16;
  rows: I32;
  J: number;
  D: number;
}
/** dx[rows[j], :] += dy[j, :], in the order of j for each row (embeddings) */
export interface ScatterRows {
  dx: F32;
  dy: F32;
  rows: I32;
  J: number;
  D: number;
  /** rows of dx */
  X: number;
}
/** out[T,D] += Σ_i weights[t,i] · y[place[t,i], :]; weights null means 1 (which is the gradient of gathering experts' inputs) */
export interface Combine {
  out: F32;
  y: F32;
  weights: F32 | null;
  place: I32;
  T: number;
  K: number;
  D: number;
}
/** dy[place[t,i], :] += weights[t,i] · dout[t, :]; dWeights[t,i] += dout[t, :] · y[place[t,i], :] */
export interface CombineBackward {
  /** In bf16 only where it is fresh. */
  dy: F32 | Bf16;
  /** dy is overwritten instead of added to (default false). */
  fresh?: boolean;
  dWeights: F32;
  dout: F32;
  y: F32;
  weights: F32;
  place: I32;
  T: number;
  K: number;
  D: number;
}

/** One AdamW step over n numbers (decoupled decay, bias-corrected): g' = g · gradScale; w ← w(1 − lr·decay) − lr · m̂ / (√v̂ + eps). step counts from 1. */
export interface Adamw {
  w: F32;
  g: F32;
  m: F32;
  v: F32;
  n: number;
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  decay: number;
  step: number;
  gradScale: number;
}

/** Every kernel. One object per instruction set; `createKernels` makes it. */
export interface Kernels extends FeedForwardKernels, LossKernels {
  readonly isa: Isa;
  matmul(p: Matmul): void;
  groupedMatmul(p: GroupedMatmul): void;
  rmsNorm(p: RmsNorm): void;
  rmsNormBackward(p: RmsNormBackward): void;
  rope(p: Rope): void;
  attention(p: Attention): void;
  attentionBackward(p: AttentionBackward): void;
  latentAttention(p: LatentAttention): void;
  swiglu(p: Swiglu): void;
  swigluBackward(p: SwigluBackward): void;
  route(p: Route): void;
  routeBackward(p: RouteBackward): void;
  balanceLoss(p: BalanceLoss): number;
  dispatch(p: Dispatch): void;
  gatherRows(p: GatherRows): void;
  scatterRows(p: ScatterRows): void;
  combine(p: Combine): void;
  combineBackward(p: CombineBackward): void;
  adamw(p: Adamw): void;
  /** out = scaleA · a + scaleB · b, elementwise over n (out may be a or b). Both scales are 1 unless given. */
  add(p: { out: F32; a: F32; b: F32; n: number; scaleA?: number; scaleB?: number }): void;
  /** x = 0 over n */
  zero(p: { x: F32; n: number }): void;
  /** Σ x² over n, summed in float64 in an order that depends on n alone */
  sumSquares(p: { x: F32; n: number }): number;
  /** out = x converted, elementwise over n: between f32, bf16 and f8e4m3 (round to nearest even, f8 saturating) */
  convert(p: { out: Storage; x: Storage; n: number }): void;
  /** codes, factors ← x[R,C]: factor = amax / 448 of each block (1 where the block is all 0), codes = x / factor */
  quantiseFp8(p: Fp8Blocks & { x: F32 }): void;
  /** out[R,C] = codes · factor */
  dequantiseFp8(p: Fp8Blocks & { out: F32 | Bf16 }): void;
  /** codes, scales ← x[N,K]: scale = largest / 127, or largest / −8 for 4 bits, where the largest keeps its sign */
  quantise(p: QuantisedBlocks & { x: F32; N: number; K: number }): void;
  quantisedMatmul(p: QuantisedMatmul): void;
  feedForwardStep(p: FeedForwardStep): void;
  attentionStep(p: AttentionStep): void;
  /** From more tokens on, kernels that pack weights for many rows are faster than steps, which stream them for a few rows at a time. */
  readonly mostStepTokens: number;
  /**
   * The steps of layers, one after the other, with the same buffers each time: weights and sizes are checked and handed over once, because for a
   * small model that takes as long as the step. What comes back runs them for the first T tokens of the buffers.
   */
  prepareLayers(layers: readonly LayerStep[]): (T: number) => void;
  /**
   * Whether the kernels that this JavaScript thread calls run on it alone from now on, or on all threads (the default): of a small model a step may be
   * over sooner than others have been called.
   */
  runAlone(alone: boolean): void;
}
