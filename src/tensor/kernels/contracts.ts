/** The contracts of all kernels, and what their callers see. */
import { attention } from "./attention/contract.ts";
import type { CallOf, Contract, Functions } from "./contract.ts";
import { elementwise } from "./elementwise/contract.ts";
import { fused } from "./fused/contract.ts";
import { gemm, type precision } from "./gemm/contract.ts";
import { loss } from "./loss/contract.ts";
import { moe } from "./moe/contract.ts";
import { norm } from "./norm/contract.ts";
import { quant } from "./quant/contract.ts";

const all = {
  ...gemm,
  ...norm,
  ...attention,
  ...moe,
  ...quant,
  ...loss,
  ...elementwise,
  ...fused,
};

/** By name. */
export const contracts: Readonly<Record<string, Contract>> = all;
/** By the families' names, which are those of their folders here and in `native/`. */
export const families: Readonly<Record<string, Readonly<Record<string, Contract>>>> = {
  gemm,
  norm,
  attention,
  moe,
  quant,
  loss,
  elementwise,
  fused,
};
export type KernelFunctions = Functions<typeof all>;

export type { HeldMatrix, QuantisedBlocks } from "./contract.ts";
export type Precision = (typeof precision)["values"][number];
export type Matmul = CallOf<typeof gemm.matmul>;
export type AttentionStep = CallOf<typeof fused.attentionStep>;
export type FeedForwardStep = CallOf<typeof fused.feedForwardStep>;
/** How rows of experts were mixed. */
export type Mixture = NonNullable<CallOf<typeof fused.feedForwardBackward>["mixture"]>;
