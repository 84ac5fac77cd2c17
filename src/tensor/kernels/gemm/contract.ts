/** Matrix products, plain and grouped. */
import { choice, flag, group, input, kernel, output, size } from "../contract.ts";

/**
 * "bf16" rounds the operands of a product to bf16 (nearest even) first and still sums in float32, as matrix units do. A buffer that only products
 * will read may be in bf16 then: it is written rounded, to the same end.
 */
export const precision = choice("f32", "bf16");

export const gemm = {
  /** out[M,N] (+)= op(a)[M,K] · op(b)[K,N] */
  matmul: kernel({
    out: output("f32", "batch.count:batch.out×M:ldo×N"),
    /** [M,K], or [K,M] when aT */
    a: input("f32|bf16", {
      by: "aT",
      cases: { false: "batch.count:batch.a×M:lda×K", true: "batch.count:batch.a×K:lda×M" },
    }),
    /** [K,N], or [N,K] when bT (a checkpoint's weight is [out,in], so a linear layer is bT) */
    b: input("f32|bf16", {
      by: "bT",
      cases: { false: "batch.count:batch.b×K:ldb×N", true: "batch.count:batch.b×N:ldb×K" },
    }),
    M: size(),
    N: size(),
    K: size(),
    aT: flag({ default: false }),
    bT: flag({ default: false }),
    lda: size({ default: { by: "aT", cases: { false: "K", true: "M" } } }),
    ldb: size({ default: { by: "bT", cases: { false: "N", true: "K" } } }),
    ldo: size({ default: "N" }),
    accumulate: flag({ default: false }),
    precision,
    /** Several products of one shape (attention heads): operands of the next begin that many elements on. Default: one product. */
    batch: group({ count: size(), a: size(), b: size(), out: size() }, { optional: true, absent: { count: 1 } }),
  }),

  /**
   * Products of rows sorted into groups (experts): rows offsets[e] … offsets[e+1] belong to group e.
   * - "forward": out[J,N] = a[J,K] · b[e][N,K]ᵀ
   * - "input":   out[J,K] = a[J,N] · b[e][N,K]
   * - "weight":  out[e][N,K] = a[J,N]ᵀ · b[J,K] over the group's rows
   * `accumulate` adds instead of overwriting. Without it, "weight" writes 0 for an empty group.
   */
  groupedMatmul: kernel({
    kind: choice("forward", "input", "weight"),
    out: output("f32", { by: "kind", cases: { forward: "J×N", input: "J×K", weight: "E×N×K" } }),
    a: input("f32|bf16", { by: "kind", cases: { forward: "J×K", input: "J×N", weight: "J×N" } }),
    b: input("f32|bf16", { by: "kind", cases: { forward: "E×N×K", input: "E×N×K", weight: "J×K" } }),
    /** [E+1], rising from 0 to J */
    offsets: input("i32", "E+1", { contents: { offsets: "J" } }),
    E: size(),
    N: size(),
    K: size(),
    accumulate: flag({ default: false }),
    precision,
  }),
};
