/** The feed-forward of many tokens as one kernel: what it equals, in terms of the kernels that it is made of. */
import type { FeedForwardKernels, FeedForwardShape } from "../kernels.ts";
import { expertsKernels } from "./experts.ts";
import { matmulKernels } from "./matmul.ts";

const { gatherRows, swiglu, swigluBackward } = expertsKernels;
const { groupedMatmul } = matmulKernels;

/** Each row's x, what its gate and up give, and its hidden numbers. */
function hiddenOf({ x, rows, offsets, gateUp, E, D, F }: FeedForwardShape) {
  const J = offsets[E];
  const inputs = new Float32Array(J * D);
  gatherRows({ out: inputs, x, rows: rows ?? identity(J), J, D });
  const gatesUps = new Float32Array(J * 2 * F);
  groupedMatmul({
    kind: "forward", out: gatesUps, a: inputs, b: gateUp, offsets, E, N: 2 * F, K: D, precision: "bf16",
  }); // biome-ignore format: operands beside their shapes
  const hidden = new Float32Array(J * F);
  swiglu({ out: hidden, x: gatesUps, T: J, F });
  return { inputs, gatesUps, hidden };
}

export const feedForwardKernels: FeedForwardKernels = {
  fusesFeedForward: () => false,

  feedForward(p) {
    const { out, offsets, down, E, D, F } = p;
    const { hidden } = hiddenOf(p);
    groupedMatmul({ kind: "forward", out, a: hidden, b: down, offsets, E, N: D, K: F, precision: "bf16" });
  },

  feedForwardBackward(p) {
    const { dx, accumulate, dGateUp, dDown, dout, mixture, rows, offsets, gateUp, down, E, D, F } = p;
    const J = offsets[E];
    const { inputs, gatesUps, hidden } = hiddenOf(p);
    const weights = new Float32Array(J).fill(1);
    mixture?.place.subarray(0, J).forEach((row, choice) => {
      weights[row] = mixture.weights[choice];
    });
    const gradients = new Float32Array(J * D);
    gatherRows({ out: gradients, x: dout, rows: rows ?? identity(J), J, D });
    const group = { offsets, E, precision: "bf16" } as const;
    const dHidden = new Float32Array(J * F);
    groupedMatmul({ ...group, kind: "input", out: dHidden, a: gradients, b: down, N: D, K: F });
    mixture?.place.subarray(0, J).forEach((row, choice) => {
      for (let f = row * F; f < (row + 1) * F; f++) mixture.dWeights[choice] += hidden[f] * dHidden[f];
    });
    for (let i = 0; i < J * F; i++) {
      hidden[i] *= weights[Math.floor(i / F)];
      dHidden[i] *= weights[Math.floor(i / F)];
    }
    groupedMatmul({
      ...group, kind: "weight", out: dDown, a: gradients, b: hidden, N: D, K: F, accumulate: true,
    }); // biome-ignore format: operands beside their shapes
    const dGatesUps = new Float32Array(J * 2 * F);
    swigluBackward({ dx: dGatesUps, dy: dHidden, x: gatesUps, T: J, F });
    groupedMatmul({ ...group, kind: "input", out: dx, a: dGatesUps, b: gateUp, N: 2 * F, K: D, accumulate });
    groupedMatmul({
      ...group, kind: "weight", out: dGateUp, a: dGatesUps, b: inputs, N: 2 * F, K: D, accumulate: true,
    }); // biome-ignore format: operands beside their shapes
  },
};

const identity = (count: number) => Int32Array.from({ length: count }, (_, i) => i);
