/** Sweeps over flat buffers. */
import { input, kernel, output, real, size } from "../contract.ts";

export const elementwise = {
  /** out = scaleA · a + scaleB · b, elementwise over n (out may be a or b). Both scales are 1 unless given. */
  add: kernel({
    out: output("f32", "n"),
    a: input("f32", "n"),
    b: input("f32", "n"),
    n: size(),
    scaleA: real({ default: 1 }),
    scaleB: real({ default: 1 }),
  }),
  /** x = 0 over n */
  zero: kernel({ x: output("f32", "n"), n: size() }),
  /** Σ x² over n, summed in float64 in an order that depends on n alone */
  sumSquares: kernel({ x: input("f32", "n"), n: size() }, { returns: "number" }),
  /** One AdamW step over n numbers (decoupled decay, bias-corrected): g' = g · gradScale; w ← w(1 − lr·decay) − lr · m̂ / (√v̂ + eps). step counts from 1. */
  adamw: kernel({
    w: output("f32", "n"),
    g: input("f32", "n"),
    m: output("f32", "n"),
    v: output("f32", "n"),
    n: size(),
    lr: real(),
    beta1: real(),
    beta2: real(),
    eps: real(),
    decay: real(),
    step: size({ min: "1" }),
    gradScale: real(),
  }),
};
