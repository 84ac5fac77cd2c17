/** Finds and loads the native addon; `null` where it is not built. The addon's functions are typed here and nowhere else. */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Isa } from "../kernels.ts";

export type NativeIsa = Exclude<Isa, "reference">;

/** One instruction set's kernels: flat functions of typed arrays and numbers, wrapped by `kernels.ts` beside this file. */
// biome-ignore lint/suspicious/noExplicitAny: the flat argument lists are matched up in native/kernels.ts, one function each.
export type NativeTable = Record<string, (...args: any[]) => any>;

export interface Addon {
  /** Instruction sets that this machine can run, the best last. */
  readonly isas: NativeIsa[];
  table(isa: NativeIsa): NativeTable;
  setThreads(count: number): void;
  allocate(bytes: number): ArrayBuffer;
  mapFile(path: string): ArrayBuffer;
  releaseMapped(buffer: ArrayBuffer, from: number, to: number): void;
}

function find(): Addon | null {
  // From src/tensor/native (a clone) and from dist/tensor/native (installed) alike.
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  const candidates = [
    `${root}build/Release/shoal.node`,
    `${root}prebuilds/${process.platform}-${process.arch}/shoal.node`,
  ];
  for (const path of candidates) {
    if (existsSync(path)) return createRequire(import.meta.url)(path) as Addon;
  }
  return null;
}

export const addon: Addon | null = process.env.SHOAL_NO_ADDON === "1" ? null : find();
