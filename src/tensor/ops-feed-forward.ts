/** Differentiable operations of the feed-forward half of a layer: the router, and SwiGLU of one for all tokens or of a mixture of experts. */
import type { F32, I32 } from "./dtype.ts";
import { linear, quantisedLinear } from "./ops-linear.ts";
import { gradOfWeight, type Operand, type Tape, type Tensor, type Weight } from "./tape.ts";

/** How experts are chosen and weighed (see the kernel contract). */
export interface RouterNumbers {
  K: number;
  groups: number;
  topkGroups: number;
  scoring: "sigmoid" | "softmax";
  groupScore: "topTwo" | "max";
  normalize: boolean;
  scale: number;
}

export interface RouteOptions {
  router: RouterNumbers;
  /** The sequence-wise balance loss, when training with it: its weight α, and by how much its gradient is scaled. */
  balance?: { alpha: number; gradScale: number; segments: I32 };
}

export interface Routed {
  /** [T,K] weights of the chosen experts, differentiable */
  weights: Tensor;
  /** [T,K] row of each choice in the order sorted by expert */
  place: I32;
  /** [T·K] token of each row */
  tokens: I32;
  /** [E+1] first row of each expert */
  offsets: I32;
  indices: I32;
  balanceLoss: number;
}

/** Chooses K experts for each token from logits_TE and sorts the choices by expert. */
export function route(tape: Tape, logits_TE: Tensor, bias_E: F32 | null, options: RouteOptions): Routed {
  const [T, E] = logits_TE.shape;
  const { router, balance } = options;
  const { K, groups, topkGroups, scoring, groupScore, normalize, scale } = router;
  const { kernels, arena } = tape;
  const scores = arena.take("f32", T * E);
  const indices = arena.take("i32", T * K);
  const weights = tape.tensor(T, K);
  const shape = { T, E, K };
  kernels.route({
    ...shape,
    scores,
    indices,
    weights: weights.data,
    logits: logits_TE.data,
    bias: bias_E,
    groups,
    topkGroups,
    scoring,
    groupScore,
    normalize,
    scale,
  });
  const place = arena.take("i32", T * K);
  const tokens = arena.take("i32", T * K);
  const offsets = arena.take("i32", E + 1);
  kernels.dispatch({ ...shape, place, tokens, offsets, indices });
  let dScores: F32 | null = null;
  let balanceLoss = 0;
  if (balance && tape.recording) {
    dScores = arena.take("f32", T * E);
    const { alpha, gradScale, segments } = balance;
    balanceLoss = kernels.balanceLoss({
      ...shape,
      dScores,
      scores,
      indices,
      segments,
      S: segments.length / 4,
      alpha,
      gradScale,
    });
  }
  tape.record(() => {
    const dLogits = tape.gradOf(logits_TE);
    kernels.routeBackward({
      ...shape,
      dLogits,
      dWeights: tape.gradOf(weights),
      dScores,
      scores,
      indices,
      scoring,
      normalize,
      scale,
    });
  });
  return { weights, place, tokens, offsets, indices, balanceLoss };
}

/** Gate and up projections in one matrix, and the down projection: [2F,D] and [D,F], of experts one after the other [E,2F,D] and [E,D,F]. */
export interface SwigluWeights {
  gateUp: Weight;
  down: Weight;
}

/** y_TD = down(silu(gate(x)) · up(x)). */
export function feedForward(tape: Tape, x: Operand, w: SwigluWeights): Tensor {
  if (!fuses(tape, w)) return linear(tape, swiglu(tape, linear(tape, x, w.gateUp), w.down), w.down);
  const [T, D] = x.shape;
  const out = tape.tensor(T, D);
  const shape = { x: x.data, rows: null, offsets: Int32Array.of(0, T), gateUp: w.gateUp.data, down: w.down.data };
  const sizes = { E: 1, D, F: w.down.shape[1] };
  tape.kernels.feedForward({ ...shape, ...sizes, out: out.data });
  tape.record(() => {
    const { grad: dx, fresh } = tape.gradToSet(x);
    const gradients = { dx, accumulate: !fresh, dGateUp: gradOfWeight(w.gateUp), dDown: gradOfWeight(w.down) };
    tape.kernels.feedForwardBackward({ ...shape, ...sizes, ...gradients, dout: tape.gradOf(out), mixture: null });
  });
  return out;
}

/** Adds to `into`_TD, in place, each token's weighted sum of its experts' feed-forwards of x_TD. */
export function addExperts(tape: Tape, into: Tensor, x: Operand, w: SwigluWeights, routed: Routed): void {
  const { tokens, offsets, place, weights } = routed;
  if (!fuses(tape, w)) {
    const gatesUps = groupedLinear(tape, gatherForExperts(tape, x, routed, w.gateUp), w.gateUp, offsets);
    const hidden = swiglu(tape, gatesUps, w.down);
    combineExperts(tape, into, groupedLinear(tape, hidden, w.down, offsets), routed);
    return;
  }
  const { kernels, arena } = tape;
  const [T, K] = weights.shape;
  const [E, D, F] = w.down.shape;
  const shape = { x: x.data, rows: tokens, offsets, gateUp: w.gateUp.data, down: w.down.data, E, D, F };
  const mark = arena.mark();
  const y = arena.take("f32", T * K * D);
  kernels.feedForward({ ...shape, out: y });
  kernels.combine({ out: into.data, y, weights: weights.data, place, T, K, D });
  arena.release(mark);
  tape.record(() => {
    const mixture = { weights: weights.data, dWeights: tape.gradOf(weights), place };
    const [dout, sum] = [tape.gradOf(into), tape.gradOf(x)];
    const mark = arena.mark();
    const dx = arena.take("f32", T * K * D);
    const gradients = { dx, accumulate: false, dGateUp: gradOfWeight(w.gateUp), dDown: gradOfWeight(w.down) };
    kernels.feedForwardBackward({ ...shape, ...gradients, dout, mixture });
    kernels.combine({ out: sum, y: dx, weights: null, place, T, K, D });
    arena.release(mark);
  });
}

/** Whether one kernel computes it all. */
function fuses({ kernels, precision }: Tape, { gateUp, down }: SwigluWeights): boolean {
  const [D, F] = down.shape.slice(-2);
  return !gateUp.quantised && !down.quantised && kernels.fusesFeedForward({ D, F, precision });
}

/** out_TF = silu(gate) · up of the product x_T(2F) = [gate | up], for the product with `reader`. */
function swiglu(tape: Tape, x: Tensor, reader: Weight): Operand {
  const T = x.shape[0];
  const F = x.shape[1] / 2;
  const out = tape.operandOf(reader, T, F);
  tape.kernels.swiglu({ out: out.data, x: x.data, T, F });
  tape.record(() => {
    const { grad: dx, fresh } = tape.operandGradToSet(x);
    tape.kernels.swigluBackward({ dx, fresh, dy: tape.gradOf(out), x: x.data, T, F });
  });
  return out;
}

/** x_JD: the rows of x_TD in the order of the experts that will read them, with `reader` (a token appears once for each of its K experts). */
function gatherForExperts(tape: Tape, x: Operand, routed: Routed, reader: Weight): Operand {
  const D = x.shape[1];
  const J = routed.tokens.length;
  const out = tape.operandOf(reader, J, D);
  tape.kernels.gatherRows({ out: out.data, x: x.data, rows: routed.tokens, J, D });
  tape.record(() => {
    const [T, K] = routed.weights.shape;
    tape.kernels.combine({ out: tape.gradOf(x), y: tape.gradOf(out), weights: null, place: routed.place, T, K, D });
  });
  return out;
}

/** y_JN: each row of x_JK through the weight of its expert, w_ENK. */
function groupedLinear(tape: Tape, x: Operand, w_ENK: Weight, offsets: I32): Tensor {
  if (w_ENK.quantised) return quantisedLinear(tape, [x], w_ENK, offsets);
  const [E, N, K] = w_ENK.shape;
  const out = tape.tensor(x.shape[0], N);
  const shape = { offsets, E, N, K, precision: tape.precision };
  tape.kernels.groupedMatmul({ ...shape, kind: "forward", out: out.data, a: x.data, b: w_ENK.data });
  tape.record(() => {
    const dy = tape.operandGradOf(out);
    const { grad, fresh } = tape.gradToSet(x);
    tape.kernels.groupedMatmul({ ...shape, kind: "input", out: grad, a: dy, b: w_ENK.data, accumulate: !fresh });
    tape.kernels.groupedMatmul({
      ...shape,
      kind: "weight",
      out: gradOfWeight(w_ENK),
      a: dy,
      b: x.data,
      accumulate: true,
    });
  });
  return out;
}

/** Adds to `into`_TD, in place, each token's weighted sum of its experts' rows, the product y_JD. */
function combineExperts(tape: Tape, into: Tensor, y: Tensor, routed: Routed): void {
  const [T, K] = routed.weights.shape;
  const shape = { T, K, D: into.shape[1], place: routed.place, y: y.data, weights: routed.weights.data };
  tape.kernels.combine({ ...shape, out: into.data });
  tape.record(() => {
    const { grad: dy, fresh } = tape.operandGradToSet(y);
    const gradients = { dy, fresh, dWeights: tape.gradOf(routed.weights), dout: tape.gradOf(into) };
    tape.kernels.combineBackward({ ...shape, ...gradients });
  });
}
