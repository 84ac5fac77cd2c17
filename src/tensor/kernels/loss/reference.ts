/** Softmax over the vocabulary: cross entropy and its gradient, alone and with the head's products around it; and weights to draw by. */
import { put } from "../../dtype.ts";
import { define } from "../define.ts";
import { gemmReference } from "../gemm/reference.ts";
import { loss } from "./contract.ts";

export const lossReference = define(loss, {
  crossEntropy({ logits, losses, targets, T, V, gradient, gradScale }) {
    for (let t = 0; t < T; t++) {
      const row = logits.subarray(t * V, (t + 1) * V);
      const target = targets[t];
      if (target < 0) {
        losses[t] = 0;
        gradient?.fill(0, t * V, (t + 1) * V);
        continue;
      }
      const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      let total = 0;
      for (let v = 0; v < V; v++) total += Math.exp(row[v] - largest);
      losses[t] = largest + Math.log(total) - row[target];
      if (!gradient) continue;
      for (let v = 0; v < V; v++) {
        const softmax = Math.exp(row[v] - largest) / total;
        put(gradient, t * V + v, gradScale * (v === target ? softmax - 1 : softmax));
      }
    }
  },

  tokenWeights({ ids, weights, sum, scores, V, temperature, share }) {
    const own = scores.subarray(0, V);
    const best = own.reduce((a, b) => (b > a ? b : a), Number.NEGATIVE_INFINITY);
    const all = Float32Array.from(own, (score) => Math.exp((score - best) / temperature) || 0);
    const total = all.reduce((a, b) => a + b, 0);
    sum[0] = total || 1;
    if (total === 0) {
      ids[0] = Math.max(0, own.indexOf(best));
      weights[0] = 1;
      return Math.min(V, 1);
    }
    let count = 0;
    all.forEach((weight, id) => {
      if (weight < (share * total) / V) return;
      ids[count] = id;
      weights[count++] = weight;
    });
    return count;
  },

  headLoss({ losses, dx, dw, x, w, targets, T, D, V, gradScale }) {
    const logits = new Float32Array(T * V);
    const { matmul } = gemmReference;
    matmul({ out: logits, a: x, b: w, M: T, N: V, K: D, bT: true, precision: "bf16" });
    lossReference.crossEntropy({ logits, losses, targets, T, V, gradient: logits, gradScale });
    const sum = { accumulate: true, precision: "bf16" } as const;
    matmul({ ...sum, out: dx, a: logits, b: w, M: T, N: D, K: V });
    matmul({ ...sum, out: dw, a: logits, b: x, M: V, N: D, K: T, aT: true });
  },
});
