import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { F32 } from "../dtype.ts";
import type { Kernels } from "../kernels.ts";
import { expectClose, Operands, reference, runs, size, twins, withThreads } from "../testing/twins.ts";

/** Instruction sets that have it; the others' is the reference. */
const fusing = twins.filter(([, kernels]) => kernels.fusesHeadLoss({ D: 32, V: 32, precision: "bf16" }));

const take = (n: number): F32 => new Float32Array(n);

describe.each(fusing)("headLoss on %s", (_isa, native) => {
  it("equals the reference, with tokens that have no target, and logits far apart", () => {
    fc.assert(
      fc.property(
        fc.record({
          T: size(300),
          D: fc.constantFrom(32, 96),
          V: fc.constantFrom(32, 96, 640),
          scale: fc.constantFrom(0.3, 6),
          gradScale: fc.constantFrom(1, 0.003),
          seed: fc.nat(1000),
        }),
        ({ T, D, V, scale, gradScale, seed }) => {
          const o = new Operands(seed);
          const [x, w] = [o.f32(T * D), o.f32(V * D, scale)];
          const targets = o.ids(T, V + 4).map((id) => (id < V ? id : -1));
          const [dx0, dw0] = [o.f32(T * D, gradScale), o.f32(V * D, gradScale)];
          const run = (kernels: Kernels): Record<string, F32> => {
            const [losses, dx, dw] = [take(T), dx0.slice(), dw0.slice()];
            kernels.headLoss({ losses, dx, dw, x, w, targets, T, D, V, gradScale });
            return { losses, dx: dx.map((g) => g / gradScale), dw: dw.map((g) => g / gradScale) };
          };
          const [got, expected] = [run(native), run(reference)];
          // The gradient of a logit may fall on the other side of a rounding to bf16.
          for (const name of Object.keys(expected)) expectClose(got[name], expected[name], 1e-3, name);
        },
      ),
      runs(30),
    );
  });

  it("gives the same bits on one thread and on several, over more tokens than it keeps", () => {
    const o = new Operands(5);
    const [T, D, V] = [2100, 32, 64];
    const [x, w, targets] = [o.f32(T * D), o.f32(V * D), o.ids(T, V)];
    const run = (threads: number) =>
      withThreads(threads, () => {
        const [losses, dx, dw] = [take(T), take(T * D), take(V * D)];
        native.headLoss({ losses, dx, dw, x, w, targets, T, D, V, gradScale: 1 });
        return { losses, dx, dw };
      });
    const [one, three] = [run(1), run(3)];
    expect(one).toEqual(three);
    const [losses, dx, dw] = [take(T), take(T * D), take(V * D)];
    reference.headLoss({ losses, dx, dw, x, w, targets, T, D, V, gradScale: 1 });
    expectClose(one.dw, dw, 1e-3, "dw");
  });

  it("refuses sizes that do not fill tiles", () => {
    const shape = { losses: take(1), dx: take(33), dw: take(33 * 32), x: take(33), w: take(33 * 32) };
    const rest = { targets: Int32Array.of(0), T: 1, D: 33, V: 32, gradScale: 1 };
    expect(() => native.headLoss({ ...shape, ...rest })).toThrow(/multiples of 32, not 33 and 32/);
  });
});

it("goes through one kernel only where that is there", () => {
  expect(reference.fusesHeadLoss({ D: 32, V: 32, precision: "bf16" })).toBe(false);
  for (const [, kernels] of fusing) expect(kernels.fusesHeadLoss({ D: 32, V: 32, precision: "f32" })).toBe(false);
});
