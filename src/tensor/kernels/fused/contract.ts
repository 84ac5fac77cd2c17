/**
 * Several operations as one kernel, because what lies between them costs more than they do: the feed-forward of many tokens, for machines whose products
 * outrun their memory; and each half of a layer for a few tokens, for decoding, where the calls themselves would take a third of the time.
 */
import { flag, group, input, kernel, matrix, output, real, size } from "../contract.ts";
import { router } from "../moe/contract.ts";

/** Rows sorted into groups (experts), each with weights of its own; E = 1 for a feed-forward that all tokens share. */
const feedForwardShape = {
  x: input("f32|bf16", "T×D"),
  /** [J]: row j is token rows[j]; null: token j */
  rows: input("i32", "J", { nullable: true, contents: { counts: "T", absent: "J" } }),
  /** [E,2F,D]: gate above up */
  gateUp: input("f32|bf16", "E×2F×D"),
  down: input("f32|bf16", "E×D×F"),
  E: size(),
  D: size(),
  F: size(),
} as const;
/** [E+1], rising from 0 to J */
const offsets = input("i32", "E+1", { contents: { offsets: "J" } });
const tiles = { tiles: true, wholeTiles: { of: ["D", "F"], size: 32 } } as const;

/** What both halves of a layer share: out[T,D] = x + half(norm(x)); out may be x. */
const halfStep = {
  out: output("f32", "T×D"),
  x: input("f32", "T×D"),
  norm: input("f32", "D"),
  eps: real(),
  T: size(),
  D: size(),
} as const;

export const fused = {
  /** out[J,D] = silu(x · gateᵀ) ⊙ (x · upᵀ) · downᵀ of each row by its group's weights. Operands of products are rounded to bf16. */
  feedForward: kernel({ offsets, out: output("f32", "J×D"), ...feedForwardShape }, tiles),

  /**
   * The gradient, of rows that a mixture has weighted: row j's is weight · dout[its token]. What the forward pass made is computed again.
   * Rounded to bf16 are x, dout, the weighted hidden numbers and the gradients of gate and up.
   */
  feedForwardBackward: kernel(
    {
      offsets,
      ...feedForwardShape,
      /** [J,D], overwritten unless `accumulate` */
      dx: output("f32", "J×D"),
      accumulate: flag(),
      /** Added to. */
      dGateUp: output("f32", "E×2F×D"),
      dDown: output("f32", "E×D×F"),
      dout: input("f32", "T×D"),
      /** How the rows were mixed; null: every weight is 1. */
      mixture: group({
        /** [T,K] */
        weights: input("f32", "J"),
        /** [T,K], added to */
        dWeights: output("f32", "J"),
        /** [T,K]: the row of each choice */
        place: input("i32", "J", { contents: { below: "J" } }),
      }),
    },
    tiles,
  ),

  /**
   * Norm, router, routed experts and shared expert (or, without `experts`, the dense feed-forward as the shared one).
   * The routed parts are added in the order of experts, then the shared part. The router works in f32.
   */
  feedForwardStep: kernel({
    ...halfStep,
    shared: group({ gateUp: matrix("2F", "D"), down: matrix("D", "F"), F: size() }),
    experts: group(
      {
        router: input("f32", "E×D"),
        /** Null: 0. */
        bias: input("f32", "E", { nullable: true }),
        gateUp: matrix("E·2F", "D"),
        down: matrix("E·D", "F"),
        F: size(),
        ...router,
        /** Written: chosen experts [T,K] with their weights [T,K], and [E+1] how many rows came to the experts before each. */
        indices: output("i32", "T×K"),
        weights: output("f32", "T×K"),
        offsets: output("i32", "E+1"),
      },
      { absent: { groups: 1, topkGroups: 1 } },
    ),
  }),

  /**
   * Latent attention in its absorbed form. Token t's row of the cache is rowStart[t] + rowCount[t] − 1: it is written first, then every token
   * attends to rows rowStart[t] … of its sequence.
   */
  attentionStep: kernel({
    ...halfStep,
    /** [rank,D] and its norm; null (and rank 0): `q` meets the norm of x itself. */
    qA: matrix("rank", "D", { nullIfEmpty: true }),
    qANorm: input("f32", "rank", { nullIfEmpty: true }),
    rank: size(),
    /** ε of the norms of the latents, qANorm and kvANorm. */
    latentEps: real(),
    /** [H(N+P), qInput]: qInput is rank, or D where that is 0. */
    q: matrix("H(N+P)", "rank or D"),
    kvA: matrix("R+P", "D"),
    kvANorm: input("f32", "R"),
    kvB: input("f32|bf16", "H(N+V)×R"),
    o: matrix("D", "H·V"),
    /** [angles, P/2] */
    cos: input("f32", "angles×P/2"),
    sin: input("f32", "angles×P/2"),
    positions: input("i32", "T", { contents: { counts: "angles" } }),
    interleaved: flag(),
    cache: output("f32|bf16|i8", "rows×(R+P)"),
    /** [rows,2], of a cache of codes. */
    cacheScales: output("f32", "rows×2", { onlyWith: { buffer: "cache", dtype: "i8" } }),
    rowStart: input("i32", "T"),
    rowCount: input("i32", "T", { contents: { rowsFrom: "rowStart", reach: "rows", min: 1 } }),
    H: size(),
    N: size(),
    P: size({ multipleOf: "2" }),
    V: size(),
    R: size(),
    scale: real(),
  }),
};
