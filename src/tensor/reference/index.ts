/** What every kernel computes, in plain TypeScript: the specification, the oracle of the property tests, and the fallback without an addon. */
import type { Kernels } from "../kernels.ts";
import { attentionKernels } from "./attention.ts";
import { convertKernels } from "./convert.ts";
import { expertsKernels } from "./experts.ts";
import { feedForwardKernels } from "./feed-forward.ts";
import { lossKernels } from "./loss.ts";
import { matmulKernels } from "./matmul.ts";
import { normRopeKernels } from "./norm-rope.ts";
import { optimizerKernels } from "./optimizer.ts";
import { quantisedKernels } from "./quantised.ts";
import { stepKernels } from "./step.ts";

export const referenceKernels: Kernels = {
  isa: "reference",
  ...matmulKernels,
  ...normRopeKernels,
  ...attentionKernels,
  ...expertsKernels,
  ...feedForwardKernels,
  ...lossKernels,
  ...optimizerKernels,
  ...convertKernels,
  ...quantisedKernels,
  ...stepKernels,
};
