import type { Kernels } from "../kernels.ts";
import type { NativeIsa, NativeTable } from "./addon.ts";

export function nativeKernels(_table: NativeTable, _isa: NativeIsa): Kernels {
  throw new Error("native kernels are not built yet");
}
