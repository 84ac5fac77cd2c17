/**
 * The part of the kernel contract that is about decoding: each half of a layer, for a few tokens, as one kernel. They compute what the single
 * kernels compute one after the other (`reference/step.ts` says so literally); at a few tokens the calls themselves would take a third of the time.
 */
import type { Bf16, F32, I8, I32 } from "./dtype.ts";
import type { QuantisedBlocks } from "./kernels-quantised.ts";

/** A matrix as it is held: its numbers, or (`data` is then empty) its blocks. f32 meets operands as they are; bf16 those rounded to bf16. */
export interface HeldMatrix {
  readonly data: F32 | Bf16;
  readonly quantised?: QuantisedBlocks;
}

/** What both halves share: out[T,D] = x + half(norm(x)); out may be x. */
interface HalfStep {
  out: F32;
  x: F32;
  /** [D] */
  norm: F32;
  eps: number;
  T: number;
  D: number;
}

/**
 * Norm, router, routed experts and shared expert (or, without `experts`, the dense feed-forward as the shared one).
 * The routed parts are added in the order of experts, then the shared part. The router works in f32.
 */
export interface FeedForwardStep extends HalfStep {
  /** gateUp [2F,D], down [D,F] */
  shared: { gateUp: HeldMatrix; down: HeldMatrix; F: number } | null;
  experts: {
    /** [E,D] */
    router: F32;
    /** [E] */
    bias: F32;
    /** [E,2F,D] */
    gateUp: HeldMatrix;
    /** [E,D,F] */
    down: HeldMatrix;
    E: number;
    F: number;
    K: number;
    groups: number;
    topkGroups: number;
    normalise: boolean;
    scale: number;
    /** Written: chosen experts [T,K] with their weights [T,K], and [E+1] how many rows came to the experts before each. */
    indices: I32;
    weights: F32;
    offsets: I32;
  } | null;
}

/**
 * Latent attention in its absorbed form. Token t's row of the cache is rowStart[t] + rowCount[t] − 1: it is written first, then every token
 * attends to rows rowStart[t] … of its sequence.
 */
export interface AttentionStep extends HalfStep {
  /** [rank,D] and its norm [rank]; null (and rank 0): `q` meets the norm of x itself. */
  qA: HeldMatrix | null;
  qANorm: F32 | null;
  rank: number;
  /** [H(N+P), rank or D] */
  q: HeldMatrix;
  /** [R+P,D] */
  kvA: HeldMatrix;
  /** [R] */
  kvANorm: F32;
  /** [H(N+V),R] */
  kvB: F32 | Bf16;
  /** [D,HV] */
  o: HeldMatrix;
  /** [positions, P/2] */
  cos: F32;
  sin: F32;
  positions: I32;
  interleaved: boolean;
  cache: F32 | Bf16 | I8;
  /** [rows,2], of a cache of codes. */
  cacheScales: F32 | null;
  rowStart: I32;
  rowCount: I32;
  H: number;
  N: number;
  P: number;
  V: number;
  R: number;
  scale: number;
}

/** A layer as `prepareLayers` takes it: the T of its halves is how many tokens their buffers have room for. */
export interface LayerStep {
  attention: AttentionStep;
  feedForward: FeedForwardStep;
}
