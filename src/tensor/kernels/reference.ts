/** What every kernel computes, in plain TypeScript: the specification, the oracle of the property tests, and the fallback without an addon. */
import type { Kernels } from "../kernels.ts";
import { attentionReference } from "./attention/reference.ts";
import { elementwiseReference } from "./elementwise/reference.ts";
import { fusedReference } from "./fused/reference.ts";
import { gemmReference } from "./gemm/reference.ts";
import { lossReference } from "./loss/reference.ts";
import { moeReference } from "./moe/reference.ts";
import { normReference } from "./norm/reference.ts";
import { quantReference } from "./quant/reference.ts";

export const referenceKernels: Kernels = {
  isa: "reference",
  ...gemmReference,
  ...normReference,
  ...attentionReference,
  ...moeReference,
  ...quantReference,
  ...lossReference,
  ...elementwiseReference,
  ...fusedReference,
  fusesFeedForward: () => false,
  fusesHeadLoss: () => false,
  maxStepTokens: 64,

  prepareLayers(layers) {
    return (T) => {
      for (const { attention, feedForward } of layers) {
        fusedReference.attentionStep({ ...attention, T });
        fusedReference.feedForwardStep({ ...feedForward, T });
      }
    };
  },

  // It is always alone.
  runAlone() {},
};
