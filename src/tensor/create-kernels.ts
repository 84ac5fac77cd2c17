/** Chooses the kernels to run on: the best instruction set of this machine, or the one that SHOAL_ISA or the caller names. */
import { availableParallelism } from "node:os";
import { InputError } from "../base/index.ts";
import { referenceKernels } from "./kernels/reference.ts";
import type { Isa, Kernels } from "./kernels.ts";
import { addon } from "./native/addon.ts";
import { nativeKernels } from "./native/kernels.ts";

/** Instruction sets that can be run here, the slowest first. "reference" is always among them. */
export function availableIsas(): Isa[] {
  return ["reference", ...(addon ? addon.isas : [])];
}

/**
 * The kernels for `isa` (default: SHOAL_ISA, else the best available) on `threads` threads (default: SHOAL_THREADS, else all cores).
 * The number of threads holds for the whole process: the pool is shared.
 * @throws if the instruction set is unknown, or not to be had on this machine
 */
export function createKernels(options: { isa?: Isa; threads?: number } = {}): Kernels {
  const isas = availableIsas();
  const wanted = options.isa ?? (process.env.SHOAL_ISA as Isa | undefined);
  const isa = wanted ?? isas[isas.length - 1];
  if (!isas.includes(isa)) {
    throw new InputError(
      `instruction set "${isa}" is not available here; choose one of: ${isas.join(", ")} (SHOAL_ISA)`,
    );
  }
  if (isa === "reference") return referenceKernels;
  const threads = options.threads ?? (Number(process.env.SHOAL_THREADS) || availableParallelism());
  addon!.setThreads(Math.max(1, Math.floor(threads)));
  return nativeKernels(addon!.table(isa), isa);
}
