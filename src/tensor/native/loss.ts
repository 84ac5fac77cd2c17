/** Cross entropy, weights to draw a token by, and the head with its loss as one kernel: the last for instruction sets that have it, and sizes that fill its tiles. */
import type { LossKernels } from "../kernels.ts";
import { lossKernels } from "../reference/loss.ts";
import type { NativeTable } from "./addon.ts";
import { need } from "./need.ts";

/** D and V are whole tiles. */
const TILE = 32;

/** Of a larger vocabulary, what the kernel keeps of 2,048 tokens would take more memory than logits of a few tokens at a time. */
const MOST_IDS = 16_384;

export function nativeLoss(table: NativeTable): LossKernels {
  const { fusesHeadLoss, headLoss } = lossKernels;
  return {
    crossEntropy({ logits, losses, targets, T, V, gradient, gradScale }) {
      need("crossEntropy", { logits: [logits, T * V], losses: [losses, T], targets: [targets, T] });
      if (gradient) need("crossEntropy", { gradient: [gradient, T * V] });
      table.crossEntropy(logits, losses, targets, T, V, gradient, gradScale);
    },

    tokenWeights({ ids, weights, sum, scores, V, temperature, share }) {
      need("tokenWeights", { ids: [ids, V], weights: [weights, V], sum: [sum, 1], scores: [scores, V] });
      return table.tokenWeights(ids, weights, sum, scores, V, temperature, share);
    },

    ...(table.headLoss ? fusedHeadLoss(table) : { fusesHeadLoss, headLoss }),
  };
}

function fusedHeadLoss(table: NativeTable): Pick<LossKernels, "fusesHeadLoss" | "headLoss"> {
  return {
    fusesHeadLoss: ({ D, V, precision }) => precision === "bf16" && D % TILE === 0 && V % TILE === 0 && V <= MOST_IDS,

    headLoss({ losses, dx, dw, x, w, targets, T, D, V, gradScale }) {
      if (D % TILE || V % TILE) throw new RangeError(`headLoss: D and V are multiples of ${TILE}, not ${D} and ${V}`);
      need("headLoss", { losses: [losses, T], targets: [targets, T] });
      need("headLoss", { dx: [dx, T * D], dw: [dw, V * D], x: [x, T * D], w: [w, V * D] });
      table.headLoss(losses, dx, dw, x, w, targets, T, D, V, gradScale);
    },
  };
}
