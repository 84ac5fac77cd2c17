/** The mixture of experts with a shared expert (report, section 2.1.2). */
import { type I32, type Operand, ops, type Tape, type Tensor } from "../tensor/index.ts";
import type { ExpertsWeights } from "./parameters.ts";

/** The sequence-wise balance loss of a training pass: its weight α, the factor on its gradient, and the sequences. */
export interface Balance {
  alpha: number;
  gradScale: number;
  segments: I32;
}

/** What is asked of the routers in a pass: where their choices are put, and the balance loss that they add. */
export interface Routing {
  traces: RouterTrace[];
  balance?: Balance;
}

/** What the router of one layer did in a pass. */
export interface RouterTrace {
  /** [E+1]: expert e received offsets[e+1] − offsets[e] tokens */
  offsets: I32;
  /** [T,K] chosen experts */
  indices: I32;
  /** [T,K] their weights */
  weights: Float32Array;
  balanceLoss: number;
}

/** Σ over the chosen experts of weight · expert(x), plus the shared expert. Routing is computed in f32 whatever the precision. */
export function mixtureOfExperts(tape: Tape, w: ExpertsWeights, x_TD: Operand, { traces, balance }: Routing): Tensor {
  const logits_TE = ops.linear(tape, x_TD, w.router, "f32");
  const routed = ops.route(tape, logits_TE, w.bias, { router: w.shape.router, balance });
  traces.push({
    offsets: routed.offsets,
    indices: routed.indices,
    weights: routed.weights.data,
    balanceLoss: routed.balanceLoss,
  });
  const out_TD = w.shared ? ops.feedForward(tape, x_TD, w.shared) : zeros(tape, x_TD.shape);
  ops.addExperts(tape, out_TD, x_TD, w, routed);
  return out_TD;
}

function zeros(tape: Tape, shape: readonly number[]): Tensor {
  const tensor = tape.tensor(...shape);
  tensor.data.fill(0);
  return tensor;
}
