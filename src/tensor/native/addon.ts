/** Finds and loads the native addon; `null` where it is not built. What the addon offers is typed here and nowhere else. */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Storage } from "../dtype.ts";
import { contracts } from "../kernels/contracts.ts";
import { layoutOf } from "../kernels/layout.ts";
import type { Isa } from "../kernels.ts";

export type NativeIsa = Exclude<Isa, "reference">;

/** A kernel of the addon: its arguments' buffers in the order of its contract; all else stands in the block, which the addon made. */
export interface NativeKernel {
  run(...buffers: (Storage | null)[]): number | undefined;
  readonly block: ArrayBuffer;
}

/** The kernels of one instruction set. */
export interface NativeTable {
  readonly kernels: Readonly<Record<string, NativeKernel | undefined>>;
  /** A function of the number of tokens (the kernels' T) that runs calls in turn: [kernel, block, ...buffers] each. */
  prepare(calls: readonly (readonly [string, ArrayBuffer, ...(Storage | null)[]])[]): (T: number) => void;
  runAlone(alone: boolean): void;
}

export interface Addon {
  /** The hash of the layout that each kernel was built for. */
  readonly layouts: Readonly<Record<string, string>>;
  /** Instruction sets that this machine can run, the best last. */
  readonly isas: NativeIsa[];
  table(isa: NativeIsa): NativeTable;
  setThreads(count: number): void;
  allocate(bytes: number): ArrayBuffer;
  mapFile(path: string): ArrayBuffer;
  releaseMapped(buffer: ArrayBuffer, from: number, to: number): void;
}

/** @throws for an addon that was built for other contracts than those of this code, and would misread its arguments */
export function checkLayouts(layouts: Readonly<Record<string, string>> | undefined, path: string): void {
  const ours = Object.entries(contracts).map(([name, contract]) => [name, layoutOf(name, contract).hash] as const);
  const wrong = ours.find(([name, hash]) => layouts?.[name] !== hash)?.[0];
  const extra = Object.keys(layouts ?? {}).find((name) => !(name in contracts));
  if (wrong ?? extra)
    throw new Error(
      `${path} was built for another contract of the kernel "${wrong ?? extra}"; run \`npm run contract\` and then \`npm run build:native\``,
    );
}

function find(): Addon | null {
  // From src/tensor/native (a clone) and from dist/tensor/native (installed) alike.
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  const candidates = [
    // An addon that was built to be tested (scripts/test-native.mjs).
    ...(process.env.SHOAL_ADDON ? [process.env.SHOAL_ADDON] : []),
    `${root}build/Release/shoal.node`,
    `${root}prebuilds/${process.platform}-${process.arch}/shoal.node`,
  ];
  for (const path of candidates) {
    if (!existsSync(path)) continue;
    const found = createRequire(import.meta.url)(path) as Addon;
    checkLayouts(found.layouts, path);
    return found;
  }
  return null;
}

export const addon: Addon | null = process.env.SHOAL_NO_ADDON === "1" ? null : find();
