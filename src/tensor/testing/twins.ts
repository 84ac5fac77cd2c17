/** For property tests: the native twins to hold against the reference, random operands, and sizes that are awkward on purpose. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import type { Bf16, F32, I32 } from "../dtype.ts";
import { bf16ToF32, f32ToBf16 } from "../dtype.ts";
import { referenceKernels } from "../kernels/reference.ts";
import type { Isa, Kernels } from "../kernels.ts";
import { addon } from "../native/addon.ts";
import { nativeKernels } from "../native/kernels.ts";

/** Every native instruction set of this machine, and the AMX code over its emulated tile unit. Empty where no addon is built. */
export const twins: [string, Kernels][] = addon
  ? [...addon.isas, ...(process.arch === "x64" ? ["amx-emulated"] : [])].map((isa) => [
      isa,
      nativeKernels(addon!.table(isa as never), isa as Exclude<Isa, "reference">),
    ])
  : [];

export const reference = referenceKernels;

/** Calls with this many threads give the same bits. */
export function withThreads<Result>(count: number, work: () => Result): Result {
  addon!.setThreads(count);
  try {
    return work();
  } finally {
    addon!.setThreads(2);
  }
}

/** Sizes around nothing, one, vectors, tiles and blocks. */
export const size = (most: number) =>
  fc.oneof(
    fc
      .constantFrom(0, 1, 2, 3, 5, 7, 8, 12, 13, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 96, 97, 127, 128, 129)
      .filter((n) => n <= most),
    fc.integer({ min: 0, max: most }),
  );
export const positiveSize = (most: number) => size(most).map((n) => Math.max(1, n));

export const runs = (numRuns: number) => ({ seed: 20_24_12, numRuns, endOnFailure: true });

/** Reproducible operands. */
export class Operands {
  private readonly random: Random;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  f32(length: number, scale = 1): F32 {
    return Float32Array.from({ length }, () => this.random.normal() * scale);
  }

  bf16(length: number, scale = 1): Bf16 {
    return Uint16Array.from({ length }, () => f32ToBf16(this.random.normal() * scale));
  }

  ids(length: number, below: number): I32 {
    return Int32Array.from({ length }, () => this.random.below(below));
  }

  /** Sorted groups: offsets [groups + 1] from 0 to total, some of them empty. */
  offsets(groups: number, total: number): I32 {
    const cuts = Array.from({ length: groups - 1 }, () => this.random.below(total + 1)).sort((a, b) => a - b);
    return Int32Array.from([0, ...cuts, total]);
  }
}

/** |a − b| stays below tolerance times the largest |b| (or 1, for small ones), everywhere. */
export function expectClose(a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number, what = ""): void {
  expect(a.length).toBe(b.length);
  let largest = 1;
  for (let i = 0; i < b.length; i++) largest = Math.max(largest, Math.abs(b[i]));
  for (let i = 0; i < b.length; i++) {
    if (!(Math.abs(a[i] - b[i]) <= tolerance * largest))
      expect.fail(`${what}[${i}] is ${a[i]}, reference ${b[i]} (of ${b.length}; largest ${largest})`);
  }
}

/** A suite for each native twin; where no addon is built, one skipped test that says so. */
export function describeTwins(name: string, body: (native: Kernels) => void): void {
  if (twins.length === 0) it.skip(`${name}: no addon is built`, () => {});
  else describe.each(twins)(`${name} on %s`, (_isa, native) => body(native));
}

/** Runs a kernel on both twins on outputs that begin alike, and compares all of them. */
export function compareTwins(
  native: Kernels,
  tolerance: number,
  run: (kernels: Kernels) => Record<string, ArrayLike<number>>,
): void {
  const expected = run(reference);
  const got = run(native);
  for (const name of Object.keys(expected)) expectClose(got[name], expected[name], tolerance, name);
}

export const zeros = (length: number): F32 => new Float32Array(length);

/** What is written in bf16 is what the same kernel writes in f32, rounded. Numbers about the smallest normal one may be 0. */
export function expectRounded(write: (out: F32 | Bf16) => void, length: number): void {
  const [halves, wide]: [Bf16, F32] = [new Uint16Array(length).fill(0x4000), zeros(length).fill(5)];
  write(halves);
  write(wide);
  const tiny = 2 ** -125;
  const values = (x: Iterable<number>) => Array.from(x, (value) => (Math.abs(value) < tiny ? 0 : value));
  expect(values(Array.from(halves, bf16ToF32))).toEqual(values(Array.from(wide, (x) => bf16ToF32(f32ToBf16(x)))));
}
