import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { F32 } from "../../dtype.ts";
import type { Kernels } from "../../kernels.ts";
import {
  compareTwins,
  describeTwins,
  expectClose,
  expectRounded,
  Operands,
  positiveSize,
  reference,
  runs,
  size,
  twins,
  withThreads,
  zeros,
} from "../../testing/twins.ts";

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

describeTwins("tokenWeights", (native) => {
  interface Ask {
    temperature: number;
    share: number;
  }
  const run = (kernels: Kernels, scores: F32, { temperature, share }: Ask) => {
    const V = scores.length;
    // What stands in the outputs before does not matter.
    const [ids, weights, sum] = [new Int32Array(V).fill(-7), take(V).fill(9), take(1)];
    const count = kernels.tokenWeights({ ids, weights, sum, scores, V, temperature, share });
    return { ids: ids.subarray(0, count), weights: weights.subarray(0, count), sum: sum[0] };
  };

  it("equals the reference, with scores far apart, infinite and no numbers", () => {
    fc.assert(
      fc.property(
        size(300),
        fc.record({ temperature: fc.constantFrom(0.05, 0.7, 1, 9), share: fc.constantFrom(0, 0.05, 0.5, 1) }),
        fc.constantFrom(1, 20, 200),
        fc.constantFrom(undefined, Number.NEGATIVE_INFINITY, Number.NaN),
        fc.nat(1000),
        (V, ask, scale, odd, seed) => {
          const o = new Operands(seed);
          const scores = o.f32(V, scale);
          if (odd !== undefined) for (const id of o.ids(V >> 2, V)) scores[id] = odd;
          const got = run(native, scores, ask);
          const expected = run(reference, scores, { ...ask, share: 0 });
          expectClose([got.sum], [expected.sum], 1e-5, "sum");
          const weightOf = new Map(Array.from(expected.ids, (id, i) => [id, expected.weights[i]]));
          expect([...got.ids]).toEqual([...got.ids].sort((a, b) => a - b));
          got.ids.forEach((id, i) => {
            expect(Math.abs(got.weights[i] - weightOf.get(id)!)).toBeLessThan(1e-5 * weightOf.get(id)! + 1e-30);
          });
          // At the very border the two may disagree.
          const least = (ask.share * expected.sum) / V;
          const kept = new Set(got.ids);
          for (const [id, weight] of weightOf) {
            if (weight > least * (1 + 1e-5)) expect(kept.has(id)).toBe(true);
            if (weight < least * (1 - 1e-5)) expect(kept.has(id)).toBe(false);
          }
        },
      ),
      runs(200),
    );
  });

  it.each([
    ["none is possible", [-1, -1, -1].map(() => Number.NEGATIVE_INFINITY), 0],
    ["none is a number", [Number.NaN, Number.NaN], 0],
    ["one is infinite", [0, 1, Number.POSITIVE_INFINITY, 2], 2],
  ])("gives one token where %s", (_, scores, id) => {
    for (const kernels of [native, reference]) {
      const got = run(kernels, Float32Array.from(scores), { temperature: 1, share: 0.1 });
      expect(got).toEqual({ ids: Int32Array.of(id), weights: Float32Array.of(1), sum: 1 });
    }
  });

  it("takes a temperature next to nothing for greed", () => {
    const got = run(native, Float32Array.of(1, 3, 2, 3), { temperature: 1e-40, share: 0.1 });
    expect(got).toEqual({ ids: Int32Array.of(1, 3), weights: Float32Array.of(1, 1), sum: 2 });
  });
});

const seed = fc.nat(1000);

describeTwins("crossEntropy", (native) => {
  it("crossEntropy with ignored targets, with and without gradient", () => {
    fc.assert(
      fc.property(size(20), positiveSize(300), fc.constantFrom(1, 30), seed, (T, V, scale, s) => {
        const o = new Operands(s);
        const [start, targets] = [o.f32(T * V, scale), o.ids(T, V + 1).map((id) => id - 1)];
        compareTwins(native, 3e-6, (kernels) => {
          const [logits, losses, only] = [start.slice(), zeros(T), zeros(T)];
          kernels.crossEntropy({ logits: start, losses: only, targets, T, V, gradient: null, gradScale: 0 });
          kernels.crossEntropy({ logits, losses, targets, T, V, gradient: logits, gradScale: 0.7 });
          expectRounded((gradient) => {
            kernels.crossEntropy({ logits: start.slice(), losses, targets, T, V, gradient, gradScale: 0.7 });
          }, T * V);
          return { logits, losses, only };
        });
      }),
      runs(60),
    );
  });
});
