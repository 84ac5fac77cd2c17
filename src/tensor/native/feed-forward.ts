/** The feed-forward of many tokens as one kernel: for instruction sets that have it, and sizes that fill its tiles. */
import type { FeedForwardKernels, FeedForwardShape } from "../kernels.ts";
import { feedForwardKernels } from "../reference/feed-forward.ts";
import type { NativeTable } from "./addon.ts";
import { need } from "./need.ts";

/** D and F are whole tiles. */
const TILE = 32;

export function nativeFeedForward(table: NativeTable): FeedForwardKernels {
  if (!table.feedForward) return feedForwardKernels;
  return {
    fusesFeedForward: ({ D, F, precision }) => precision === "bf16" && D % TILE === 0 && F % TILE === 0,

    feedForward(p) {
      const { out, x, rows, offsets, gateUp, down, E, D, F } = p;
      const { J } = check("feedForward", p);
      need("feedForward", { out: [out, J * D] });
      table.feedForward(out, x, rows, offsets, gateUp, down, E, D, F);
    },

    feedForwardBackward(p) {
      const { dx, accumulate, dGateUp, dDown, dout, mixture, x, rows, offsets, gateUp, down, E, D, F } = p;
      const { J, T } = check("feedForwardBackward", p);
      need("feedForwardBackward", {
        dx: [dx, J * D],
        dGateUp: [dGateUp, E * 2 * F * D],
        dDown: [dDown, E * D * F],
        dout: [dout, T * D],
      });
      const { weights = null, dWeights = null, place = null } = mixture ?? {};
      if (mixture)
        need("feedForwardBackward", {
          weights: [mixture.weights, J],
          dWeights: [mixture.dWeights, J],
          place: [mixture.place, J],
        });
      const gradients = [dx, accumulate, dGateUp, dDown, dWeights, dout, weights, place] as const;
      table.feedForwardBackward(...gradients, x, rows, offsets, gateUp, down, E, D, F);
    },
  };
}

/** The number of rows, and of tokens that they reach. @throws RangeError for a buffer that is too short, or sizes that do not fill tiles */
function check(kernel: string, p: FeedForwardShape): { J: number; T: number } {
  const { x, rows, offsets, gateUp, down, E, D, F } = p;
  if (D % TILE || F % TILE) throw new RangeError(`${kernel}: D and F are multiples of ${TILE}, not ${D} and ${F}`);
  need(kernel, { offsets: [offsets, E + 1], gateUp: [gateUp, E * 2 * F * D], down: [down, E * D * F] });
  const J = offsets[E];
  if (rows) need(kernel, { rows: [rows, J] });
  let T = rows ? 0 : J;
  if (rows) for (let j = 0; j < J; j++) if (rows[j] >= T) T = rows[j] + 1;
  need(kernel, { x: [x, T * D] });
  return { J, T };
}
