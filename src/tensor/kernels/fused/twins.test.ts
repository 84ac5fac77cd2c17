import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { F32, I32 } from "../../dtype.ts";
import type { Kernels, Mixture } from "../../kernels.ts";
import { expectClose, Operands, reference, runs, size, twins, withThreads } from "../../testing/twins.ts";

/** Instruction sets that have it; the others' is the reference. */
const fusing = twins.filter(([, kernels]) => kernels.fusesFeedForward({ D: 32, F: 32, precision: "bf16" }));

const shapes = fc.record({
  T: size(300),
  E: fc.constantFrom(1, 2, 5),
  D: fc.constantFrom(32, 64, 96),
  F: fc.constantFrom(32, 64),
  mixed: fc.boolean(),
  halves: fc.boolean(),
  accumulate: fc.boolean(),
  seed: fc.nat(1000),
});

/** A token's K choices among E experts, sorted by expert, as the router's dispatch leaves them. */
function dispatched(o: Operands, T: number, E: number): { K: number; rows: I32; offsets: I32; place: I32 } {
  const K = Math.min(2, E);
  const indices = Int32Array.from(o.ids(T, E), (e) => e);
  const both = Int32Array.from({ length: T * K }, (_, i) => (indices[Math.floor(i / K)] + (i % K)) % E);
  const [place, rows, offsets] = [new Int32Array(T * K), new Int32Array(T * K), new Int32Array(E + 1)];
  reference.dispatch({ place, tokens: rows, offsets, indices: both, T, E, K });
  return { K, rows, offsets, place };
}

describe.each(fusing)("feedForward on %s", (_isa, native) => {
  it("and its gradient equal the reference, of experts and of one for all", () => {
    fc.assert(
      fc.property(shapes, ({ T, E: experts, D, F, mixed, halves, accumulate, seed }) => {
        const o = new Operands(seed);
        const E = mixed ? experts : 1;
        const { rows, offsets, place } = mixed
          ? dispatched(o, T, E)
          : { rows: null, offsets: Int32Array.of(0, T), place: null };
        const J = offsets[E];
        const [x, dout] = [halves ? o.bf16(T * D) : o.f32(T * D), o.f32(T * D)];
        const weight = (n: number) => (halves ? o.bf16(n, 0.2) : o.f32(n, 0.2));
        const shape = { x, rows, offsets, gateUp: weight(E * 2 * F * D), down: weight(E * D * F), E, D, F };
        const [weights, started] = [o.f32(J), o.f32(E * 2 * F * D + E * D * F + J * D + J)];
        const run = (kernels: Kernels): Record<string, F32> => {
          const out: F32 = new Float32Array(J * D);
          kernels.feedForward({ ...shape, out });
          const part = (from: number, length: number) => started.slice(from, from + length);
          const dGateUp = part(0, E * 2 * F * D);
          const dDown = part(E * 2 * F * D, E * D * F);
          const dx = part(E * 3 * F * D, J * D);
          const dWeights = part(E * 3 * F * D + J * D, J);
          const mixture: Mixture | null = place ? { weights, dWeights, place } : null;
          kernels.feedForwardBackward({ ...shape, dx, accumulate, dGateUp, dDown, dout, mixture });
          return { out, dx, dGateUp, dDown, dWeights };
        };
        const [got, expected] = [run(native), run(reference)];
        // A hidden number may fall on the other side of a rounding to bf16, one part in 256.
        for (const name of Object.keys(expected)) expectClose(got[name], expected[name], 2e-3, name);
      }),
      runs(40),
    );
  });

  it("gives the same bits on one thread and on several", () => {
    const o = new Operands(5);
    const [T, E, D, F] = [333, 4, 64, 96];
    const { rows, offsets, place } = dispatched(o, T, E);
    const J = offsets[E];
    const shape = { x: o.f32(T * D), rows, offsets, gateUp: o.f32(E * 2 * F * D), down: o.f32(E * D * F), E, D, F };
    const [dout, weights] = [o.f32(T * D), o.f32(J)];
    const run = (threads: number) =>
      withThreads(threads, () => {
        const take = (n: number): F32 => new Float32Array(n);
        const [out, dx, dWeights] = [take(J * D), take(J * D), take(J)];
        const [dGateUp, dDown] = [take(E * 2 * F * D), take(E * D * F)];
        native.feedForward({ ...shape, out });
        const mixture = { weights, dWeights, place };
        native.feedForwardBackward({ ...shape, dx, accumulate: false, dGateUp, dDown, dout, mixture });
        return { out, dx, dWeights, dGateUp, dDown };
      });
    expect(run(1)).toEqual(run(3));
  });

  it("refuses sizes that do not fill tiles, and buffers that are too short", () => {
    const take = (n: number): F32 => new Float32Array(n);
    const shape = {
      rows: null,
      offsets: Int32Array.of(0, 1),
      E: 1,
      gateUp: take(2112),
      down: take(1056),
      out: take(33),
    };
    expect(() => native.feedForward({ ...shape, x: take(33), D: 33, F: 32 })).toThrow(/multiples of 32, not 33 and 32/);
    expect(() => native.feedForward({ ...shape, x: take(31), D: 32, F: 32 })).toThrow(/x holds 31 elements, needs 32/);
  });
});

it("goes through one kernel only where that is there", () => {
  expect(reference.fusesFeedForward({ D: 32, F: 32, precision: "bf16" })).toBe(false);
  for (const [, kernels] of fusing) {
    expect(kernels.fusesFeedForward({ D: 32, F: 32, precision: "f32" })).toBe(false);
    expect(kernels.fusesFeedForward({ D: 40, F: 32, precision: "bf16" })).toBe(false);
  }
});
