/** Cross entropy over the vocabulary, its gradient left in place of the logits. */
import type { Kernels } from "../kernels.ts";

export const lossKernels: Pick<Kernels, "crossEntropy"> = {
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
};
