/** The differentiable linear layer, and its twin for quantised weights. */
import type { Bf16, F32, I32 } from "./dtype.ts";
import type { Precision } from "./kernels.ts";
import { gradOfWeight, type Operand, type Tape, type Tensor, type Weight } from "./tape.ts";

/**
 * y_TN = x_TK · w_NKᵀ. Of several inputs, each meets its own columns of w, side by side: the product with their concatenation.
 * precision overrides the tape's (the router is computed in f32 always).
 */
export function linear(
  tape: Tape,
  inputs: Operand | Operand[],
  w_NK: Weight,
  precision: Precision = tape.precision,
): Tensor {
  const parts = Array.isArray(inputs) ? inputs : [inputs];
  if (w_NK.quantised) return quantisedLinear(tape, parts, w_NK, null);
  const [N, ldb] = w_NK.shape;
  const T = parts[0].shape[0];
  const out = tape.tensor(T, N);
  let column = 0;
  for (const x of parts) {
    const K = x.shape[1];
    const b = w_NK.data.subarray(column);
    tape.kernels.matmul({ out: out.data, a: x.data, b, M: T, N, K, bT: true, ldb, accumulate: column > 0, precision });
    column += K;
  }
  tape.record(() => {
    const dy = tape.operandGradOf(out);
    let at = 0;
    for (const x of parts) {
      const K = x.shape[1];
      const { grad, fresh } = tape.gradToSet(x);
      const b = w_NK.data.subarray(at);
      tape.kernels.matmul({ out: grad, a: dy, b, M: T, N: K, K: N, ldb, accumulate: !fresh, precision });
      const dw = gradOfWeight(w_NK).subarray(at);
      tape.kernels.matmul({
        out: dw,
        a: dy,
        b: x.data,
        M: N,
        N: K,
        K: T,
        aT: true,
        ldo: ldb,
        accumulate: true,
        precision,
      });
      at += K;
    }
  });
  return out;
}

/** As `linear` and `groupedLinear`, of a quantised weight: for inference only. */
export function quantisedLinear(tape: Tape, parts: Operand[], weight: Weight, offsets: I32 | null): Tensor {
  if (tape.recording || parts.length !== 1)
    throw new Error("a quantised weight took part in a recorded pass, or in a product of several inputs");
  const [N, K] = weight.shape.slice(-2);
  const E = offsets ? weight.shape[0] : 1;
  const J = parts[0].shape[0];
  const out = tape.tensor(J, N);
  const a = inF32(tape, parts[0].data);
  tape.kernels.quantisedMatmul({ ...weight.quantised!, out: out.data, a, offsets, J, E, N, K });
  return out;
}

/** An operand that was rounded for another weight's sake. */
function inF32({ arena, kernels }: Tape, x: F32 | Bf16): F32 {
  if (x instanceof Float32Array) return x;
  const out = arena.take("f32", x.length);
  kernels.convert({ out, x, n: x.length });
  return out;
}
