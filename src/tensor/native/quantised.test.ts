import fc from "fast-check";
import { expect, it } from "vitest";
import { type Bf16, bf16ToF32, type F32, type I8 } from "../dtype.ts";
import type { Kernels } from "../kernels.ts";
import { describeTwins, Operands, positiveSize, reference, runs, size } from "../testing/twins.ts";

/** A matrix of blocks of very different size, quantised by the reference. */
function weights(o: Operands, E: number, N: number, K: number, bits: 8 | 4) {
  const n = E * N * K;
  const x = o.f32(n, 0.02);
  for (let i = 0; i < n; i++) x[i] *= 10 ** (Math.floor(i / 32) % 3);
  const blocks = { codes: new Int8Array((n * bits) / 8) as I8, scales: new Uint16Array(n / 32) as Bf16, bits };
  reference.quantise({ ...blocks, x, n });
  return { x, blocks };
}

describeTwins("quantised weights", (native) => {
  it("are those of the reference, bit for bit, and near the numbers that they stand for", () => {
    fc.assert(
      fc.property(size(40), fc.constantFrom(8 as const, 4 as const), fc.nat(), (count, bits, s) => {
        const n = count * 32;
        const o = new Operands(s);
        const { x, blocks } = weights(o, 1, count, 32, bits);
        // A block of zeros, one with a single number, and one whose halves are all ties.
        if (count > 2) {
          x.fill(0, 0, 64);
          x[40] = -3;
          for (let i = 64; i < 96; i++) x[i] = i % 2 ? 1 : -1;
        }
        const run = (kernels: Kernels) => {
          const out = { codes: new Int8Array((n * bits) / 8), scales: new Uint16Array(count), bits };
          kernels.quantise({ ...out, x, n });
          return out;
        };
        const got = run(native);
        expect(got).toEqual(run(reference));
        expect(got.bits).toBe(blocks.bits);
        const identity = Float32Array.from({ length: 32 * 32 }, (_, i) => Number(i % 33 === 0));
        const back = new Float32Array(32 * count);
        reference.quantisedMatmul({ ...got, out: back, a: identity, offsets: null, J: 32, E: 1, N: count, K: 32 });
        for (let i = 0; i < n; i++) {
          const step = Math.abs(bf16ToF32(got.scales[Math.floor(i / 32)]));
          // 4 bits end at 7, one step before the mirror of the largest number.
          expect(Math.abs(back[(i % 32) * count + Math.floor(i / 32)] - x[i])).toBeLessThanOrEqual(
            step * (bits === 8 ? 0.76 : 1.05) + 1e-12,
          );
        }
      }),
      runs(30),
    );
  });

  it("products are those of the reference, for few rows and many, plain and by expert", () => {
    const shape = fc.record({
      E: positiveSize(5),
      N: size(70),
      blocks: positiveSize(5),
      bits: fc.constantFrom(8 as const, 4 as const),
      rows: fc.array(fc.constantFrom(0, 0, 1, 2, 3, 4, 5, 8, 9, 20, 40), { minLength: 5, maxLength: 5 }),
      grouped: fc.boolean(),
      s: fc.nat(),
    });
    fc.assert(
      fc.property(shape, ({ E, N, blocks, bits, rows, grouped, s }) => {
        const o = new Operands(s);
        const K = blocks * 32;
        const experts = grouped ? E : 1;
        const offsets = Int32Array.from({ length: experts + 1 }, (_, e) =>
          rows.slice(0, e).reduce<number>((a, b) => a + b, 0),
        );
        const J = grouped ? offsets[experts] : rows[0];
        const { blocks: w } = weights(o, experts, N, K, bits);
        const a = o.f32(J * K);
        const run = (kernels: Kernels): F32 => {
          const out = new Float32Array(J * N).fill(7);
          kernels.quantisedMatmul({ ...w, out, a, offsets: grouped ? offsets : null, J, E: experts, N, K });
          return out;
        };
        const [got, expected] = [run(native), run(reference)];
        const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6);
        // With more than 8 rows the widened weights are rounded to bf16.
        for (let i = 0; i < got.length; i++) expect(Math.abs(got[i] - expected[i]) / largest).toBeLessThan(0.01);
        if (Math.max(...(grouped ? rows.slice(0, experts) : [J])) <= 8)
          for (let i = 0; i < got.length; i++) expect(Math.abs(got[i] - expected[i]) / largest).toBeLessThan(1e-5);
      }),
      runs(60),
    );
  });

  it("a row's result does not depend on how many rows there are with it", () => {
    const o = new Operands(5);
    const { blocks: w } = weights(o, 1, 50, 96, 4);
    const a = o.f32(8 * 96);
    const run = (J: number) => {
      const out = new Float32Array(J * 50);
      native.quantisedMatmul({ ...w, out, a, offsets: null, J, E: 1, N: 50, K: 96 });
      return out;
    };
    const all = run(8);
    for (let J = 1; J < 8; J++) expect(run(J)).toEqual(all.subarray(0, J * 50));
  });

  it("refuses buffers that are too short", () => {
    const { blocks: w } = weights(new Operands(1), 1, 2, 32, 8);
    const p = { ...w, a: new Float32Array(32), offsets: null, J: 1, E: 1, N: 2, K: 32 };
    expect(() => native.quantisedMatmul({ ...p, out: new Float32Array(1) })).toThrow(/out holds 1 elements, needs 2/);
    expect(() => native.quantisedMatmul({ ...p, out: new Float32Array(8), N: 8 })).toThrow(/codes holds/);
    expect(() => native.quantisedMatmul({ ...p, out: new Float32Array(2), K: 31 })).toThrow(/no multiple of 32/);
  });
});
