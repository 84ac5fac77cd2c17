import fc from "fast-check";
import { expect, it } from "vitest";
import { type Bf16, type F8, type F32, f8ToF32, f32ToBf16, f32ToF8, type I8 } from "../../dtype.ts";
import type { Kernels } from "../../kernels.ts";
import { describeTwins, Operands, positiveSize, reference, runs, size, zeros } from "../../testing/twins.ts";

/** A matrix of blocks of very different size, quantised by the reference. */
function weights(o: Operands, E: number, N: number, K: number, bits: 8 | 4) {
  const n = E * N * K;
  const x = o.f32(n, 0.02);
  for (let i = 0; i < n; i++) x[i] *= 10 ** (Math.floor(i / 32) % 3);
  const blocks = { codes: new Int8Array((n * bits) / 8) as I8, scales: new Uint16Array(n / 32) as Bf16, bits };
  reference.quantise({ ...blocks, x, N: E * N, K });
  return { x, blocks };
}

describeTwins("quantised weights", (native) => {
  it("are those of the reference, bit for bit, and near the numbers that they stand for", () => {
    fc.assert(
      fc.property(
        size(4),
        positiveSize(3),
        fc.constantFrom(8 as const, 4 as const),
        fc.nat(),
        (panels, columns, bits, s) => {
          const [N, K] = [panels * 16, columns * 32];
          const n = N * K;
          const o = new Operands(s);
          const { x, blocks } = weights(o, 1, N, K, bits);
          // A block of zeros, one with a single number, and one whose halves are all ties.
          if (N > 0) {
            x.fill(0, 0, 64);
            x[40] = -3;
            for (let i = 64; i < 96; i++) x[i] = i % 2 ? 1 : -1;
          }
          const run = (kernels: Kernels) => {
            const out = { codes: new Int8Array((n * bits) / 8), scales: new Uint16Array(n / 32), bits };
            kernels.quantise({ ...out, x, N, K });
            return out;
          };
          const got = run(native);
          expect(got).toEqual(run(reference));
          expect(got.bits).toBe(blocks.bits);
          // Unit vectors are exact in 8 bits: each product reads one column of weights back.
          const identity = Float32Array.from({ length: K * K }, (_, i) => Number(i % (K + 1) === 0));
          const back = new Float32Array(K * N);
          reference.quantisedMatmul({ ...got, out: back, a: identity, offsets: null, J: K, E: 1, N, K });
          for (let i = 0; i < n; i++) {
            const [row, column] = [Math.floor(i / K), i % K];
            const block = x.subarray(i - (column % 32), i - (column % 32) + 32);
            const step = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / (bits === 8 ? 127 : 8);
            // 4 bits end at 7, one step before the mirror of the largest number.
            expect(Math.abs(back[column * N + row] - x[i])).toBeLessThanOrEqual(
              step * (bits === 8 ? 0.76 : 1.05) + 1e-12,
            );
          }
        },
      ),
      runs(30),
    );
  });

  it("products are those of the reference, for few rows and many, plain and by expert", () => {
    const shape = fc.record({
      E: positiveSize(5),
      panels: size(5),
      blocks: positiveSize(5),
      bits: fc.constantFrom(8 as const, 4 as const),
      rows: fc.array(fc.constantFrom(0, 0, 1, 2, 3, 4, 5, 8, 9, 20, 40), { minLength: 5, maxLength: 5 }),
      grouped: fc.boolean(),
      s: fc.nat(),
    });
    fc.assert(
      fc.property(shape, ({ E, panels, blocks, bits, rows, grouped, s }) => {
        const o = new Operands(s);
        const [N, K] = [panels * 16, blocks * 32];
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
        for (let i = 0; i < got.length; i++) expect(Math.abs(got[i] - expected[i]) / largest).toBeLessThan(1e-5);
      }),
      runs(60),
    );
  });

  it("a row's result does not depend on how many rows there are with it", () => {
    const o = new Operands(5);
    const { blocks: w } = weights(o, 1, 48, 96, 4);
    const a = o.f32(8 * 96);
    const run = (J: number) => {
      const out = new Float32Array(J * 48);
      native.quantisedMatmul({ ...w, out, a, offsets: null, J, E: 1, N: 48, K: 96 });
      return out;
    };
    const all = run(8);
    for (let J = 1; J < 8; J++) expect(run(J)).toEqual(all.subarray(0, J * 48));
  });

  it("refuses buffers that are too short", () => {
    const { blocks: w } = weights(new Operands(1), 1, 16, 32, 8);
    const p = { ...w, a: new Float32Array(32), offsets: null, J: 1, E: 1, N: 16, K: 32 };
    expect(() => native.quantisedMatmul({ ...p, out: new Float32Array(1) })).toThrow(/out holds 1 elements, needs 16/);
    expect(() => native.quantisedMatmul({ ...p, out: new Float32Array(32), N: 32 })).toThrow(/codes holds/);
    expect(() => native.quantisedMatmul({ ...p, out: new Float32Array(16), K: 31 })).toThrow(
      /K is 31, must be a multiple of 32/,
    );
  });
});

const seed = fc.nat(1000);

describeTwins("conversions", (native) => {
  it("convert rounds every number as the dtypes say", () => {
    const special = [
      0,
      -0,
      1,
      448,
      449,
      464,
      1e9,
      -1e9,
      2 ** -9,
      2 ** -10,
      1.5 * 2 ** -10,
      2 ** -6,
      2 ** -6 - 2 ** -11,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
      1e-40,
    ];
    const o = new Operands(1);
    const x: F32 = Float32Array.from([...special, ...o.f32(2000, 5), ...o.f32(2000, 0.01)]);
    const [bf16, f8]: [Bf16, F8] = [new Uint16Array(x.length), new Uint8Array(x.length)];
    native.convert({ out: bf16, x, n: x.length });
    native.convert({ out: f8, x, n: x.length });
    expect(Array.from(bf16)).toEqual(Array.from(x, f32ToBf16));
    expect(Array.from(f8)).toEqual(Array.from(x, f32ToF8));
    const codes: F8 = Uint8Array.from({ length: 256 }, (_, code) => code);
    const back: F32 = new Float32Array(256);
    native.convert({ out: back, x: codes, n: 256 });
    expect(Array.from(back)).toEqual(Array.from(codes, f8ToF32));
  });

  it("FP8 blocks are those of the reference, bit for bit", () => {
    fc.assert(
      fc.property(size(260), size(260), seed, (R, C, s) => {
        const o = new Operands(s);
        const x = o.f32(R * C, 0.02);
        const blocks = Math.ceil(R / 128) * Math.ceil(C / 128);
        const run = (kernels: Kernels) => {
          const [codes, factors, out]: [F8, F32, F32] = [new Uint8Array(R * C), zeros(blocks), zeros(R * C)];
          kernels.quantiseFp8({ codes, factors, R, C, x });
          kernels.dequantiseFp8({ codes, factors, R, C, out });
          return { codes, factors, out };
        };
        expect(run(native)).toEqual(run(reference));
      }),
      runs(10),
    );
  });
});
