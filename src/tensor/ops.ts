/**
 * Differentiable operations: each runs a kernel now and records the kernel of its gradient. Letters as in `src/model/README.md`.
 * They know shapes and gradients, not the model: what is connected to what is said in `src/model/`.
 */
import type { F32, I32 } from "./dtype.ts";
import { gradOfWeight, type Operand, type Tape, type Tensor, type Weight } from "./tape.ts";

export * from "./ops-feed-forward.ts";
export { linear } from "./ops-linear.ts";

/** x_TD = rows ids of table_VD. */
export function embed(tape: Tape, table_VD: Weight, ids: I32): Tensor {
  const D = table_VD.shape[1];
  const out = tape.tensor(ids.length, D);
  tape.kernels.gatherRows({ out: out.data, x: table_VD.data, rows: ids, J: ids.length, D });
  tape.record(() => {
    const X = table_VD.shape[0];
    tape.kernels.scatterRows({ dx: gradOfWeight(table_VD), dy: tape.gradOf(out), rows: ids, J: ids.length, D, X });
  });
  return out;
}

/** RMSNorm of the first D = w.length columns of x (which may be wider). */
export function rmsNorm(tape: Tape, x: Tensor, w_D: Weight, eps: number): Tensor {
  return normInto(tape, tape.tensor(x.shape[0], w_D.shape[0]), x, w_D, eps);
}

/** As rmsNorm, for products with weights that are held as `reader` is, and for nothing else. */
export function rmsNormFor(tape: Tape, reader: Weight, x: Tensor, w_D: Weight, eps: number): Operand {
  return normInto(tape, tape.operandOf(reader, x.shape[0], w_D.shape[0]), x, w_D, eps);
}

function normInto<Out extends Operand>(tape: Tape, out: Out, x: Tensor, w_D: Weight, eps: number): Out {
  const T = x.shape[0];
  const ldx = x.shape[1];
  const D = w_D.shape[0];
  const rstd = tape.arena.take("f32", T);
  tape.kernels.rmsNorm({ out: out.data, rstd, x: x.data, w: w_D.data, T, D, eps, ldx });
  tape.record(() => {
    const dx = tape.gradOf(x);
    const dw = gradOfWeight(w_D);
    const w = w_D.data as F32;
    tape.kernels.rmsNormBackward({ dx, dw, dy: tape.gradOf(out), x: x.data, w, rstd, T, D, ldx, lddx: ldx });
  });
  return out;
}

/** cos and sin of every position and pair: [positions, P/2]. */
export interface RopeTable {
  readonly cos: F32;
  readonly sin: F32;
}

/** Which numbers of a row turn: P of them from `offset` on in each of H heads, heads `headStride` apart. */
export interface RopeColumns {
  H: number;
  P: number;
  offset: number;
  headStride: number;
  interleaved: boolean;
}

/** Rotates columns of x in place; x must not have been read by a recorded operation that needs its old value. */
export function rope(tape: Tape, x: Tensor, table: RopeTable, positions: I32, columns: RopeColumns): void {
  const { H, P, offset, headStride, interleaved } = columns;
  const shared = {
    positions,
    cos: table.cos,
    sin: table.sin,
    T: x.shape[0],
    H,
    P,
    ld: x.shape[1],
    headStride,
    interleaved,
  };
  tape.kernels.rope({ ...shared, x: x.data.subarray(offset) });
  tape.record(() => tape.kernels.rope({ ...shared, x: tape.gradOf(x).subarray(offset), inverse: true }));
}

export interface AttentionOptions {
  segments: I32;
  H: number;
  N: number;
  P: number;
  V: number;
  /** Column of k_rope in the rows that hold it. */
  ropeOffset: number;
  scale: number;
}

/** o_THV = causal attention of q_TH(N+P) over kv_TH(N+V) and the shared k_rope, which stands in columns ropeOffset… of kRope. */
export function attention(tape: Tape, q: Tensor, kv: Tensor, kRope: Tensor, options: AttentionOptions): Tensor {
  const { segments, H, N, P, V, ropeOffset, scale } = options;
  const T = q.shape[0];
  const out = tape.tensor(T, H * V);
  const lse = tape.arena.take("f32", T * H);
  const ldk = kRope.shape[1];
  const shape = { segments, S: segments.length / 4, H, N, P, V, ldk, scale, precision: tape.precision };
  const inputs = { q: q.data, kv: kv.data, kRope: kRope.data.subarray(ropeOffset) };
  tape.kernels.attention({ ...shape, ...inputs, out: out.data, lse });
  tape.record(() => {
    const dkRope = tape.gradOf(kRope).subarray(ropeOffset);
    // Where every row is in a segment, all of the gradients are set.
    const fresh = q.grad === null && kv.grad === null && rowsIn(segments) === T;
    const [dq, dkv] = fresh ? [tape.gradToSet(q).grad, tape.gradToSet(kv).grad] : [tape.gradOf(q), tape.gradOf(kv)];
    const gradients = { fresh, dq, dkv, dkRope, lddk: ldk, dout: tape.gradOf(out) };
    tape.kernels.attentionBackward({ ...shape, ...inputs, ...gradients, out: out.data, lse });
  });
  return out;
}

/** Rows of queries and of keys in all segments, if they are as many. */
function rowsIn(segments: I32): number {
  let [queries, keys] = [0, 0];
  for (let s = 0; s < segments.length; s += 4) {
    queries += segments[s + 1];
    keys += segments[s + 3];
  }
  return queries === keys ? queries : -1;
}

/**
 * The residual stream: x + y. Their gradients are that of the sum, and both share its buffer. That is sound because everything that
 * computed y was recorded after the last read of x, so it runs back before anything adds to x's gradient.
 * place: a tensor that nothing reads any more; without a recording the sum takes its memory.
 */
export function residual(tape: Tape, x: Tensor, y: Tensor, place?: Tensor): Tensor {
  const out = place && !tape.recording ? place : tape.tensor(...x.shape);
  const n = out.data.length;
  tape.kernels.add({ out: out.data, a: x.data, b: y.data, n });
  tape.record(() => {
    const dout = tape.gradOf(out);
    for (const part of [y, x]) {
      if (part.grad) {
        const grad = tape.gradOf(part);
        tape.kernels.add({ out: grad, a: grad, b: dout, n });
      } else part.grad = dout;
    }
  });
  return out;
}

/** Logits formed at a time, so that T × V never stands in memory. */
const LOGITS_AT_ONCE = 1 << 23;

/**
 * The sum over tokens of the cross entropy of h_TD · w_VDᵀ against targets (−1: ignored), in chunks of tokens.
 * A recording tape adds gradScale times its gradient to h and w at once, while the chunk's logits are at hand.
 */
export function crossEntropySum(tape: Tape, h: Tensor, w_VD: Weight, targets: I32, gradScale: number): number {
  const { kernels, arena, precision } = tape;
  const [T, D] = h.shape;
  const V = w_VD.shape[0];
  const dh = tape.recording ? tape.gradOf(h) : null;
  const mark = arena.mark();
  if (dh && kernels.fusesHeadLoss({ D, V, precision })) {
    const losses = arena.take("f32", T);
    const gradients = { dx: dh, dw: gradOfWeight(w_VD), gradScale };
    kernels.headLoss({ ...gradients, losses, x: h.data, w: w_VD.data as F32, targets, T, D, V });
    arena.release(mark);
    return losses.reduce((sum, loss) => sum + loss, 0);
  }
  const rows = Math.max(1, Math.min(T, Math.floor(LOGITS_AT_ONCE / V)));
  const logits = arena.take("f32", rows * V);
  const gradients = !dh ? null : precision === "bf16" ? arena.take("bf16", rows * V) : logits;
  const losses = arena.take("f32", rows);
  let sum = 0;
  for (let from = 0; from < T; from += rows) {
    const M = Math.min(rows, T - from);
    const a = h.data.subarray(from * D, (from + M) * D);
    const { quantised } = w_VD;
    if (quantised) kernels.quantisedMatmul({ ...quantised, out: logits, a, offsets: null, J: M, E: 1, N: V, K: D });
    else kernels.matmul({ out: logits, a, b: w_VD.data, M, N: V, K: D, bT: true, precision });
    const chunk = { logits, losses, targets: targets.subarray(from, from + M), T: M, V };
    kernels.crossEntropy({ ...chunk, gradient: gradients, gradScale });
    for (let t = 0; t < M; t++) sum += losses[t];
    if (!dh || !gradients) continue;
    const dhRows = dh.subarray(from * D, (from + M) * D);
    kernels.matmul({ out: dhRows, a: gradients, b: w_VD.data, M, N: D, K: V, accumulate: true, precision });
    kernels.matmul({
      out: gradOfWeight(w_VD),
      a: gradients,
      b: a,
      M: V,
      N: D,
      K: M,
      aT: true,
      accumulate: true,
      precision,
    });
  }
  arena.release(mark);
  return sum;
}
