/** RMSNorm and rotary embedding. */
import { flag, input, kernel, output, real, size } from "../contract.ts";

export const norm = {
  /** out[T,D] = x · rstd · w with rstd[T] = 1 / sqrt(mean(x²) + eps) (RMSNorm) */
  rmsNorm: kernel({
    out: output("f32|bf16", "T:ldo×D"),
    rstd: output("f32", "T"),
    x: input("f32", "T:ldx×D"),
    w: input("f32|bf16", "D"),
    T: size(),
    D: size(),
    eps: real(),
    ldx: size({ default: "D" }),
    ldo: size({ default: "D" }),
  }),

  /** dx += d(norm)/dx · dy, dw[D] += Σ_T dy · x · rstd. dx may have the layout of a wider matrix (lddx). */
  rmsNormBackward: kernel({
    dx: output("f32", "T:lddx×D"),
    dw: output("f32", "D"),
    dy: input("f32", "T:lddy×D"),
    x: input("f32", "T:ldx×D"),
    w: input("f32", "D"),
    rstd: input("f32", "T"),
    T: size(),
    D: size(),
    ldx: size({ default: "D" }),
    lddx: size({ default: "D" }),
    lddy: size({ default: "D" }),
  }),

  /**
   * Rotary embedding, in place, of the P numbers at x[t·ld + h·headStride] … for h < H:
   * pairs (0,1),(2,3)… when interleaved, else (0,P/2),(1,P/2+1)…; pair i of token t turns by the angle whose cosine and sine
   * stand at cos/sin[positions[t], i]. `inverse` turns back: the backward pass, applied in place to the gradient.
   */
  rope: kernel({
    x: output("f32", "T:ld×H:headStride×P"),
    positions: input("i32", "T", { contents: { counts: "angles" } }),
    /** [angles,P/2] */
    cos: input("f32", "angles×P/2"),
    sin: input("f32", "angles×P/2"),
    T: size(),
    H: size(),
    P: size({ multipleOf: "2" }),
    ld: size(),
    headStride: size(),
    interleaved: flag(),
    inverse: flag({ default: false }),
  }),
};
