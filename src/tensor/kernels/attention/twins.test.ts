import fc from "fast-check";
import { expect, it } from "vitest";
import { bf16ToF32, type F32, type I32 } from "../../dtype.ts";
import type { Kernels } from "../../kernels.ts";
import {
  describeTwins,
  expectClose,
  Operands,
  positiveSize,
  reference,
  runs,
  size,
  withThreads,
} from "../../testing/twins.ts";

const attentionCase = fc.record({
  /** Queries, and keys before them, of each segment. */
  segments: fc.array(fc.tuple(size(140), fc.constantFrom(0, 0, 1, 5, 130)), { minLength: 0, maxLength: 3 }),
  H: positiveSize(3),
  N: positiveSize(33),
  P: positiveSize(8).map((p) => p * 2),
  V: positiveSize(33),
  pad: fc.constantFrom(0, 7),
  precision: fc.constantFrom("f32" as const, "bf16" as const),
  seed: fc.nat(1000),
});
type Case = typeof attentionCase extends fc.Arbitrary<infer T> ? T : never;

function operandsOf({ segments, H, N, P, V, pad, precision, seed }: Case) {
  const operands = new Operands(seed);
  let queries = 0;
  let keys = 0;
  const list: I32 = Int32Array.from(
    segments.flatMap(([qLen, before]) => {
      const segment = [queries, qLen, keys, qLen + before];
      queries += qLen;
      keys += qLen + before;
      return segment;
    }),
  );
  const shape = { segments: list, S: segments.length, H, N, P, V, ldk: P + pad, scale: 0.3, precision };
  const inputs = {
    q: operands.f32(queries * H * (N + P)),
    kv: operands.f32(keys * H * (N + V)),
    kRope: operands.f32(keys * (P + pad)),
  };
  return { operands, queries, keys, shape, inputs };
}

function forward(kernels: Kernels, { queries, shape, inputs }: ReturnType<typeof operandsOf>) {
  const out: F32 = new Float32Array(queries * shape.H * shape.V);
  const lse: F32 = new Float32Array(queries * shape.H);
  kernels.attention({ ...shape, ...inputs, out, lse });
  return { out, lse };
}

function backward(
  kernels: Kernels,
  { queries, keys, shape, inputs }: ReturnType<typeof operandsOf>,
  saved: { out: F32; lse: F32; dout: F32 },
) {
  const { H, N, P, V, ldk } = shape;
  // Gradients are added to what is there.
  const dq: F32 = new Float32Array(queries * H * (N + P)).fill(0.5);
  const dkv: F32 = new Float32Array(keys * H * (N + V)).fill(0.25);
  const dkRope: F32 = new Float32Array(keys * ldk).fill(0.125);
  const set = { dq: dq.slice(), dkv: dkv.slice(), dkRope: dkRope.slice(), lddk: ldk };
  kernels.attentionBackward({ ...shape, ...inputs, ...saved, dq, dkv, dkRope, lddk: ldk });
  kernels.attentionBackward({ ...shape, ...inputs, ...saved, ...set, fresh: true });
  return { dq, dkv, dkRope, setDq: set.dq, setDkv: set.dkv };
}

describeTwins("attention", (native) => {
  it("equals the reference, forward and backward, over segments with and without a past", () => {
    fc.assert(
      fc.property(attentionCase, (given) => {
        const made = operandsOf(given);
        // In bf16 the native twin also rounds probabilities, which the reference keeps: 2⁻⁸ of each.
        const tolerance = given.precision === "f32" ? 2e-5 : 2e-2;
        const expected = forward(reference, made);
        const got = forward(native, made);
        expectClose(got.out, expected.out, tolerance, "out");
        expectClose(got.lse, expected.lse, given.precision === "f32" ? 2e-5 : 1e-3, "lse");
        const saved = { ...expected, dout: made.operands.f32(expected.out.length) };
        const expectedGradients = backward(reference, made, saved);
        const gradients = backward(native, made, saved);
        for (const name of ["dq", "dkv", "dkRope", "setDq", "setDkv"] as const)
          expectClose(gradients[name], expectedGradients[name], tolerance, name);
      }),
      runs(40),
    );
  });

  it("gives the same bits on one thread and on several", () => {
    const made = operandsOf({
      segments: [
        [130, 0],
        [60, 5],
      ],
      H: 3,
      N: 16,
      P: 8,
      V: 12,
      pad: 0,
      precision: "bf16",
      seed: 5,
    });
    const all = (threads: number) =>
      withThreads(threads, () => {
        const saved = { ...forward(native, made), dout: new Operands(6).f32(190 * 3 * 12) };
        return { saved, gradients: backward(native, made, saved) };
      });
    expect(all(1)).toEqual(all(2));
  });

  const latentCase = fc.record({
    counts: fc.array(positiveSize(200), { minLength: 0, maxLength: 4 }),
    H: positiveSize(5),
    R: positiveSize(70),
    P: positiveSize(9).map((p) => p * 2),
    dtype: fc.constantFrom("f32" as const, "bf16" as const, "int8" as const),
    seed: fc.nat(1000),
  });

  it("writes the same rows of the latent cache as the reference, and no others", () => {
    const rows = fc.uniqueArray(fc.nat(70), { maxLength: 40 });
    fc.assert(
      fc.property(rows, latentCase, (places, { R, P, dtype, seed }) => {
        const operands = new Operands(seed);
        const [T, ldk, count] = [places.length, P + 3, 71];
        const [cKv, kRope] = [operands.f32(T * R), operands.f32(T * ldk)];
        if (T) cKv.fill(0, 0, R);
        const run = (kernels: Kernels) => {
          const n = count * (R + P);
          const cache = { f32: new Float32Array(n), bf16: new Uint16Array(n), int8: new Int8Array(n) }[dtype].fill(5);
          const cacheScales = dtype === "int8" ? new Float32Array(count * 2).fill(9) : null;
          kernels.writeLatents({ cache, cacheScales, cKv, kRope, places: Int32Array.from(places), T, R, P, ldk });
          return { cache, cacheScales };
        };
        expect(run(native)).toEqual(run(reference));
      }),
      runs(60),
    );
  });

  it("over the latent cache equals the reference", () => {
    fc.assert(
      fc.property(latentCase, ({ counts, H, R, P, dtype, seed }) => {
        const operands = new Operands(seed);
        const Nq = counts.length;
        const rowStart: I32 = Int32Array.from(counts, (_, i) => i * 3);
        const rows = Math.max(1, ...counts.map((count, i) => count + i * 3));
        const numbers = operands.f32(rows * (R + P));
        const cache = {
          f32: () => numbers,
          bf16: () => operands.bf16(rows * (R + P)),
          int8: () => Int8Array.from(numbers, (x) => Math.max(-127, Math.min(127, Math.round(x * 60)))),
        }[dtype]();
        const cacheScales = dtype === "int8" ? operands.f32(rows * 2, 0.02) : null;
        const [N, pad] = [3, 2];
        const ldq = H * (N + P) + pad;
        const q = operands.f32(Nq * ldq + N);
        const inputs = {
          qLatent: operands.f32(Nq * H * R),
          qRope: q.subarray(N),
          cache,
          cacheScales,
          rowStart,
          rowCount: Int32Array.from(counts),
        };
        const run = (kernels: Kernels): F32 => {
          const out: F32 = new Float32Array(Nq * H * R);
          kernels.latentAttention({ ...inputs, out, Nq, H, R, P, ldq, qHeadStride: N + P, scale: 0.2 });
          return out;
        };
        expectClose(run(native), run(reference), 2e-5, "out");
      }),
      runs(120),
    );
  });

  it("over a latent cache in bf16, is the mean of its rows to the last digits where all weigh the same", () => {
    const operands = new Operands(3);
    const [H, R, P, count] = [5, 40, 6, 133];
    const cache = operands.bf16(count * (R + P));
    const out: F32 = new Float32Array(H * R);
    const shape = { Nq: 1, H, R, P, ldq: H * P, qHeadStride: P, scale: 1 };
    const places = { rowStart: Int32Array.of(0), rowCount: Int32Array.of(count), cacheScales: null };
    const queries = { qLatent: new Float32Array(H * R), qRope: new Float32Array(H * P) };
    native.latentAttention({ ...shape, ...places, ...queries, cache, out });
    const mean = Float64Array.from({ length: R }, (_, r) => {
      let sum = 0;
      for (let j = 0; j < count; j++) sum += bf16ToF32(cache[j * (R + P) + r]);
      return sum / count;
    });
    for (let h = 0; h < H; h++) expectClose(out.subarray(h * R, (h + 1) * R), mean, 1e-6, `head ${h}`);
  });
});
