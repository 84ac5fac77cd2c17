import fc from "fast-check";
import { expect, it } from "vitest";
import type { F32 } from "../../dtype.ts";
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

const FILLER = 777;

describeTwins("matrix products", (native) => {
  const shape = fc.record({
    M: size(200),
    N: size(140),
    K: fc.oneof(size(140), fc.constantFrom(255, 256, 257, 511, 513, 600)),
    aT: fc.boolean(),
    bT: fc.boolean(),
    pad: fc.constantFrom(0, 0, 1, 5),
    accumulate: fc.boolean(),
    precision: fc.constantFrom("f32" as const, "bf16" as const),
    aBf16: fc.boolean(),
    bBf16: fc.boolean(),
    seed: fc.nat(1000),
  });

  it("matmul equals the reference on every layout, and leaves the rest of its output alone", () => {
    fc.assert(
      fc.property(shape, ({ M, N, K, aT, bT, pad, accumulate, precision, aBf16, bBf16, seed }) => {
        const operands = new Operands(seed);
        const [lda, ldb, ldo] = [(aT ? M : K) + pad, (bT ? K : N) + pad, N + pad];
        const a = operands[aBf16 ? "bf16" : "f32"](lda * (aT ? K : M));
        const b = operands[bBf16 ? "bf16" : "f32"](ldb * (bT ? N : K));
        const start = operands.f32(ldo * M);
        for (let m = 0; m < M; m++) start.fill(FILLER, m * ldo + N, (m + 1) * ldo);
        const run = (kernels: Kernels): F32 => {
          const out = start.slice();
          kernels.matmul({ out, a, b, M, N, K, aT, bT, lda, ldb, ldo, accumulate, precision });
          return out;
        };
        const got = run(native);
        expectClose(got, run(reference), 3e-5, "out");
        for (let m = 0; m < M; m++) for (let n = N; n < ldo; n++) expect(got[m * ldo + n]).toBe(FILLER);
      }),
      runs(150),
    );
  });

  it("a few rows meet long ones whatever is left over behind whole vectors", () => {
    for (const K of [512, 520, 528, 544, 545, 575, 576]) {
      for (const M of [1, 2, 3, 4, 5]) {
        const operands = new Operands(K + M);
        const [N, a, b] = [5, operands.f32(M * K), operands.bf16(5 * K)];
        const run = (kernels: Kernels): F32 => {
          const out = new Float32Array(M * N);
          kernels.matmul({ out, a, b, M, N, K, bT: true, precision: "bf16" });
          return out;
        };
        expectClose(run(native), run(reference), 3e-5, `${M} rows of ${K}`);
      }
    }
  });

  it("a batch is its products one by one", () => {
    const batched = fc.record({
      count: size(9),
      M: positiveSize(20),
      N: positiveSize(40),
      K: positiveSize(40),
      bT: fc.boolean(),
      seed: fc.nat(99),
    });
    fc.assert(
      fc.property(batched, ({ count, M, N, K, bT, seed }) => {
        const operands = new Operands(seed);
        // Operands of one product stand between those of the others, as heads do in a row.
        const [lda, ldo] = [count * (K + 3), count * N];
        const [a, b] = [operands.f32(M * lda), operands.bf16(count * N * K)];
        const run = (kernels: Kernels): F32 => {
          const out = new Float32Array(M * ldo);
          const batch = { count, a: K + 3, b: N * K, out: N };
          kernels.matmul({ out, a, b, M, N, K, bT, lda, ldo, batch, precision: "bf16" });
          return out;
        };
        expectClose(run(native), run(reference), 3e-5, "out");
      }),
      runs(40),
    );
  });

  const grouped = fc.record({
    kind: fc.constantFrom("forward" as const, "input" as const, "weight" as const),
    E: positiveSize(17),
    J: size(150),
    N: size(70),
    K: size(70),
    accumulate: fc.boolean(),
    precision: fc.constantFrom("f32" as const, "bf16" as const),
    seed: fc.nat(1000),
  });

  it("groupedMatmul equals the reference for all three kinds", () => {
    fc.assert(
      fc.property(grouped, ({ kind, E, J, N, K, accumulate, precision, seed }) => {
        const operands = new Operands(seed);
        const offsets = operands.offsets(E, J);
        const a = operands.f32(J * (kind === "forward" ? K : N));
        const b = operands.f32(kind === "weight" ? J * K : E * N * K);
        const start = operands.f32(kind === "weight" ? E * N * K : J * (kind === "forward" ? N : K));
        const run = (kernels: Kernels): F32 => {
          const out = start.slice();
          kernels.groupedMatmul({ kind, out, a, b, offsets, E, N, K, accumulate, precision });
          return out;
        };
        expectClose(run(native), run(reference), 3e-5, kind);
      }),
      runs(80),
    );
  });

  it("equals the reference with weights in bf16, and in sums over many tokens", () => {
    fc.assert(
      fc.property(
        fc.record({
          M: fc.constantFrom(9, 33, 300),
          N: fc.constantFrom(32, 160),
          K: fc.constantFrom(32, 416, 800),
          seed: fc.nat(1000),
        }),
        ({ M, N, K, seed }) => {
          const operands = new Operands(seed);
          const [x, w] = [operands.f32(M * K), operands.bf16(N * K)];
          const tokens = M === 300 ? 2112 : 512;
          const [dy, inputs, start] = [operands.f32(tokens * M), operands.f32(tokens * N), operands.f32(M * (N + 3))];
          const run = (kernels: Kernels) => {
            const out: F32 = new Float32Array(M * N);
            kernels.matmul({ out, a: x, b: w, M, N, K, bT: true, precision: "bf16" });
            const sum = start.slice();
            const sums = { out: sum, a: dy, b: inputs, M, N, K: tokens, aT: true, ldo: N + 3, accumulate: true };
            kernels.matmul({ ...sums, precision: "bf16" });
            return { out, sum };
          };
          const [got, expected] = [run(native), run(reference)];
          expectClose(got.out, expected.out, 3e-5, "out");
          expectClose(got.sum, expected.sum, 3e-5, "sum");
        },
      ),
      runs(6),
    );
  });

  it("gives the same bits on one thread and on several", () => {
    const operands = new Operands(3);
    const [M, N, K] = [301, 203, 700];
    const a = operands.f32(M * K);
    const b = operands.f32(N * K);
    const run = (threads: number) =>
      withThreads(threads, () => {
        const out: F32 = new Float32Array(M * N);
        native.matmul({ out, a, b, M, N, K, bT: true, precision: "bf16" });
        return out;
      });
    expect(run(1)).toEqual(run(2));
    expect(run(1)).toEqual(run(3));
  });

  it("refuses a buffer that is too short", () => {
    const short = {
      out: new Float32Array(5),
      a: new Float32Array(6),
      b: new Float32Array(6),
      M: 2,
      N: 3,
      K: 2,
      precision: "f32" as const,
    };
    expect(() => native.matmul(short)).toThrow(/matmul: out holds 5 elements, needs 6/);
  });
});
