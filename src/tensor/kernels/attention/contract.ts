/** Latent attention: in its naive form, for training and prefill, and in the absorbed form over the latent cache. */
import { flag, input, kernel, output, real, size } from "../contract.ts";
import { precision } from "../gemm/contract.ts";

/** The native twin packs the rows of a head into this much; no published model has wider heads. */
const MAX_HEAD = 256;
const heads = { most: { "N+P": MAX_HEAD, V: MAX_HEAD } } as const;

const shape = {
  /** [S,4]: qStart, qLen, kStart, kLen. Segments do not overlap; kLen ≥ qLen. Rows in no segment are left untouched. */
  segments: input("i32", "S×4", { contents: { segments: ["Tq", "Tk"] } }),
  S: size(),
  H: size(),
  N: size(),
  P: size(),
  V: size(),
  ldk: size({ default: "P" }),
  scale: real(),
  precision,
} as const;

export const attention = {
  /**
   * Causal multi-head latent attention in the naive form (report, eq. 1–11; training and prefill). Never forms T×T.
   * Query i of a segment sees keys 0 … kLen − qLen + i of the same segment.
   *   score = scale · (q[:N]·k_nope + q[N:]·k_rope),  out = softmax(score) · v
   * q is [Tq, H, N+P]; kv is [Tk, H, N+V] (per head: k_nope then v); kRope is one vector of P for all heads, rows ldk apart.
   */
  attention: kernel(
    {
      ...shape,
      out: output("f32", "Tq×H×V"),
      /** [Tq, H]: log Σ exp(score), kept for the backward pass */
      lse: output("f32", "Tq×H"),
      q: input("f32", "Tq×H×(N+P)"),
      kv: input("f32", "Tk×H×(N+V)"),
      kRope: input("f32", "Tk:ldk×P"),
    },
    heads,
  ),

  /** Adds to dq, dkv and dkRope (rows lddk apart). Scores are computed again from lse, tile by tile. */
  attentionBackward: kernel(
    {
      ...shape,
      /** dq and dkv are overwritten instead, in the rows of segments (default false). */
      fresh: flag({ default: false }),
      dq: output("f32", "Tq×H×(N+P)"),
      dkv: output("f32", "Tk×H×(N+V)"),
      dkRope: output("f32", "Tk:lddk×P"),
      lddk: size({ default: "P" }),
      dout: input("f32", "Tq×H×V"),
      out: input("f32", "Tq×H×V"),
      lse: input("f32", "Tq×H"),
      q: input("f32", "Tq×H×(N+P)"),
      kv: input("f32", "Tk×H×(N+V)"),
      kRope: input("f32", "Tk:ldk×P"),
    },
    heads,
  ),

  /**
   * Writes tokens' rows of the latent cache: row places[t] becomes [c_kv (R) | k_rope (P)]. A cache of codes has a scale for each of the two parts,
   * largest / 127, and codes to the nearest (halves up).
   */
  writeLatents: kernel({
    cache: output("f32|bf16|i8", "rows×(R+P)"),
    cacheScales: output("f32", "rows×2", { onlyWith: { buffer: "cache", dtype: "i8" } }),
    cKv: input("f32", "T×R"),
    /** Rows of P, ldk apart. */
    kRope: input("f32", "T:ldk×P"),
    places: input("i32", "T", { contents: { counts: "rows" } }),
    T: size(),
    R: size(),
    P: size(),
    ldk: size({ default: "P" }),
  }),

  /**
   * Attention in the absorbed form over the latent cache (decoding). A cache row is [c_kv (R) | k_rope (P)], after its norm and rotation.
   * Query n is one token of one sequence; it sees cache rows rowStart[n] … rowStart[n] + rowCount[n] − 1.
   *   score = scale · (qLatent·c_kv + qRope·k_rope),  out[n,h] = Σ softmax(score) · c_kv
   * Over a cache in bf16 queries are rounded to it.
   */
  latentAttention: kernel({
    out: output("f32", "Nq×H×R"),
    /** [Nq, H, R]: q_nope · W_UK */
    qLatent: input("f32", "Nq×H×R"),
    /** [Nq, H, P], rows of one query ldq apart, heads qHeadStride apart */
    qRope: input("f32", "Nq:ldq×H:qHeadStride×P"),
    /** f32, bf16, or 8-bit codes. */
    cache: input("f32|bf16|i8", "rows×(R+P)"),
    /** [rows, 2]: what the codes of c_kv and of k_rope of a row are multiplied by; null where the cache holds the numbers themselves. */
    cacheScales: input("f32", "rows×2", { onlyWith: { buffer: "cache", dtype: "i8" } }),
    rowStart: input("i32", "Nq"),
    rowCount: input("i32", "Nq", { contents: { rowsFrom: "rowStart", reach: "rows", min: 0 } }),
    Nq: size(),
    H: size(),
    R: size(),
    P: size(),
    ldq: size(),
    qHeadStride: size(),
    scale: real(),
  }),
};
