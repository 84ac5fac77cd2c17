/** Cross entropy over the vocabulary, its gradient left in place of the logits; and with the head's products around it. */
import type { LossKernels } from "../kernels.ts";
import { matmulKernels } from "./matmul.ts";

export const lossKernels: LossKernels = {
  crossEntropy({ logits, losses, targets, T, V, gradScale }) {
    for (let t = 0; t < T; t++) {
      const row = logits.subarray(t * V, (t + 1) * V);
      const target = targets[t];
      if (target < 0) {
        losses[t] = 0;
        if (gradScale !== null) row.fill(0);
        continue;
      }
      const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      let total = 0;
      for (let v = 0; v < V; v++) total += Math.exp(row[v] - largest);
      losses[t] = largest + Math.log(total) - row[target];
      if (gradScale === null) continue;
      for (let v = 0; v < V; v++) row[v] = (gradScale * Math.exp(row[v] - largest)) / total;
      row[target] -= gradScale;
    }
  },

  fusesHeadLoss: () => false,

  headLoss({ losses, dx, dw, x, w, targets, T, D, V, gradScale }) {
    const logits = new Float32Array(T * V);
    const { matmul } = matmulKernels;
    matmul({ out: logits, a: x, b: w, M: T, N: V, K: D, bT: true, precision: "bf16" });
    lossKernels.crossEntropy({ logits, losses, targets, T, V, gradScale });
    const sum = { accumulate: true, precision: "bf16" } as const;
    matmul({ ...sum, out: dx, a: logits, b: w, M: T, N: D, K: V });
    matmul({ ...sum, out: dw, a: logits, b: x, M: V, N: D, K: T, aT: true });
  },
};
