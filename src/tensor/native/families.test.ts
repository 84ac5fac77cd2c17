import fc from "fast-check";
import { expect, it } from "vitest";
import { type Bf16, bf16ToF32, type F8, type F32, f8ToF32, f32ToBf16, f32ToF8 } from "../dtype.ts";
import type { Kernels } from "../kernels.ts";
import { describeTwins, expectClose, Operands, positiveSize, reference, runs, size } from "../testing/twins.ts";

const seed = fc.nat(1000);

/** Runs a kernel on both twins on outputs that begin alike, and compares all of them. */
function both(native: Kernels, tolerance: number, run: (kernels: Kernels) => Record<string, ArrayLike<number>>): void {
  const expected = run(reference);
  const got = run(native);
  for (const name of Object.keys(expected)) expectClose(got[name], expected[name], tolerance, name);
}

const zeros = (length: number): F32 => new Float32Array(length);

/** What is written in bf16 is what the same kernel writes in f32, rounded. Numbers about the smallest normal one may be 0. */
function expectRounded(write: (out: F32 | Bf16) => void, length: number): void {
  const [halves, wide]: [Bf16, F32] = [new Uint16Array(length).fill(0x4000), zeros(length).fill(5)];
  write(halves);
  write(wide);
  const tiny = 2 ** -125;
  const values = (x: Iterable<number>) => Array.from(x, (value) => (Math.abs(value) < tiny ? 0 : value));
  expect(values(Array.from(halves, bf16ToF32))).toEqual(values(Array.from(wide, (x) => bf16ToF32(f32ToBf16(x)))));
}

describeTwins("kernels", (native) => {
  it("rmsNorm and its gradient, inside wider rows", () => {
    fc.assert(
      fc.property(size(70), positiveSize(140), fc.constantFrom(0, 5), seed, (T, D, pad, s) => {
        const o = new Operands(s);
        const ldx = D + pad;
        const [x, w, dy] = [o.f32(T * ldx), o.f32(D), o.f32(T * D)];
        both(native, 2e-5, (kernels) => {
          const [out, rstd, dx, dw] = [zeros(T * D), zeros(T), zeros(T * ldx).fill(1), zeros(D).fill(1)];
          kernels.rmsNorm({ out, rstd, x, w, T, D, eps: 1e-6, ldx });
          kernels.rmsNormBackward({ dx, dw, dy, x, w, rstd, T, D, ldx, lddx: ldx });
          expectRounded((out) => kernels.rmsNorm({ out, rstd, x, w, T, D, eps: 1e-6, ldx }), T * D);
          return { out, rstd, dx, dw };
        });
      }),
      runs(60),
    );
  });

  it("rope, both pairings, there and back", () => {
    fc.assert(
      fc.property(size(40), positiveSize(4), positiveSize(9), fc.boolean(), seed, (T, H, half, interleaved, s) => {
        const o = new Operands(s);
        const P = half * 2;
        const [headStride, ld] = [P + 3, (P + 3) * H + 1];
        const angles = o.f32(50 * half, 3);
        const shape = {
          positions: o.ids(T, 50),
          cos: angles.map(Math.cos),
          sin: angles.map(Math.sin),
          T,
          H,
          P,
          ld,
          headStride,
          interleaved,
        };
        const start = o.f32(T * ld);
        both(native, 1e-6, (kernels) => {
          const x = start.slice();
          kernels.rope({ ...shape, x });
          const turned = x.slice();
          kernels.rope({ ...shape, x, inverse: true });
          expectClose(x, start, 1e-5, "back");
          return { turned };
        });
      }),
      runs(60),
    );
  });

  it("swiglu and its gradient, large arguments too", () => {
    fc.assert(
      fc.property(size(20), size(70), fc.constantFrom(1, 40), seed, (T, F, scale, s) => {
        const o = new Operands(s);
        const [x, dy] = [o.f32(T * 2 * F, scale), o.f32(T * F)];
        both(native, 2e-6, (kernels) => {
          const [out, dx] = [zeros(T * F), zeros(T * 2 * F).fill(1)];
          kernels.swiglu({ out, x, T, F });
          kernels.swigluBackward({ dx, dy, x, T, F });
          const set = zeros(T * 2 * F).fill(5);
          kernels.swigluBackward({ dx: set, fresh: true, dy, x, T, F });
          expectRounded((out) => kernels.swiglu({ out, x, T, F }), T * F);
          expectRounded((dx) => kernels.swigluBackward({ dx, fresh: true, dy, x, T, F }), T * 2 * F);
          return { out, dx, set };
        });
      }),
      runs(60),
    );
  });

  const routing = fc.record({
    T: size(40),
    perGroup: positiveSize(9),
    groups: positiveSize(5),
    normalise: fc.boolean(),
    spread: fc.constantFrom(0.05, 30),
    seed,
  });

  it("route, its gradient and the balance loss", () => {
    fc.assert(
      fc.property(routing, fc.nat(), fc.nat(), ({ T, perGroup, groups, normalise, spread, seed: s }, a, b) => {
        const o = new Operands(s);
        const E = perGroup * groups;
        const topkGroups = 1 + (a % groups);
        const K = 1 + (b % (perGroup * topkGroups));
        // Few distinct values, so that ties happen; a large spread leaves whole groups far below zero.
        const logits = o.f32(T * E).map((x) => Math.round(x * 4) / 4);
        const bias = o.f32(E, spread).map((x) => Math.round(x * 8) / 8);
        const [dWeights, half] = [o.f32(T * K), Math.floor(T / 2)];
        const segments = Int32Array.of(0, half, 0, half, half, T - half, half, T - half);
        both(native, 2e-6, (kernels) => {
          const [scores, weights, dLogits, dScores] = [
            zeros(T * E),
            zeros(T * K),
            zeros(T * E).fill(1),
            zeros(T * E).fill(9),
          ];
          const indices = new Int32Array(T * K);
          kernels.route({ scores, indices, weights, logits, bias, T, E, K, groups, topkGroups, normalise, scale: 2.5 });
          const loss = kernels.balanceLoss({
            dScores,
            scores,
            indices,
            segments,
            S: 2,
            T,
            E,
            K,
            alpha: 0.1,
            gradScale: 2,
          });
          kernels.routeBackward({ dLogits, dWeights, dScores, scores, indices, T, E, K, normalise, scale: 2.5 });
          return { scores, indices, weights, dScores, dLogits, loss: [loss] };
        });
      }),
      runs(80),
    );
  });

  it("dispatch, gather, combine and their gradients", () => {
    fc.assert(
      fc.property(size(40), positiveSize(20), positiveSize(5), size(40), seed, (T, E, K, D, s) => {
        const o = new Operands(s);
        const indices = o.ids(T * K, E);
        const [x, y, weights, dout] = [o.f32(T * D), o.f32(T * K * D), o.f32(T * K), o.f32(T * D)];
        both(native, 1e-5, (kernels) => {
          const [place, tokens, offsets] = [new Int32Array(T * K), new Int32Array(T * K), new Int32Array(E + 1)];
          kernels.dispatch({ place, tokens, offsets, indices, T, E, K });
          const [gathered, out, plain, dy, dWeights] = [
            zeros(T * K * D),
            zeros(T * D).fill(1),
            zeros(T * D),
            zeros(T * K * D).fill(1),
            zeros(T * K).fill(1),
          ];
          kernels.gatherRows({ out: gathered, x, rows: tokens, J: T * K, D });
          kernels.combine({ out, y, weights, place, T, K, D });
          kernels.combine({ out: plain, y, weights: null, place, T, K, D });
          kernels.combineBackward({ dy, dWeights, dout, y, weights, place, T, K, D });
          const set = zeros(T * K * D).fill(5);
          kernels.combineBackward({ dy: set, fresh: true, dWeights, dout, y, weights, place, T, K, D });
          expectRounded((out) => kernels.gatherRows({ out, x, rows: tokens, J: T * K, D }), T * K * D);
          const gradient = { fresh: true, dWeights, dout, y, weights, place, T, K, D };
          expectRounded((dy) => kernels.combineBackward({ ...gradient, dy }), T * K * D);
          return { place, tokens, offsets, gathered, out, plain, dy, dWeights, set };
        });
      }),
      runs(60),
    );
  });

  it("gatherRows from bf16 and scatterRows with repeated rows", () => {
    fc.assert(
      fc.property(size(60), positiveSize(30), size(40), seed, (J, X, D, s) => {
        const o = new Operands(s);
        const [table, rows, dy] = [o.bf16(X * D), o.ids(J, X), o.f32(J * D)];
        both(native, 1e-5, (kernels) => {
          const [out, dx] = [zeros(J * D), zeros(X * D).fill(1)];
          kernels.gatherRows({ out, x: table, rows, J, D });
          kernels.scatterRows({ dx, dy, rows, J, D, X });
          expectRounded((out) => kernels.gatherRows({ out, x: table, rows, J, D }), J * D);
          return { out, dx };
        });
      }),
      runs(60),
    );
  });

  it("crossEntropy with ignored targets, with and without gradient", () => {
    fc.assert(
      fc.property(size(20), positiveSize(300), fc.constantFrom(1, 30), seed, (T, V, scale, s) => {
        const o = new Operands(s);
        const [start, targets] = [o.f32(T * V, scale), o.ids(T, V + 1).map((id) => id - 1)];
        both(native, 3e-6, (kernels) => {
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

  it("adamw, add and sumSquares", () => {
    fc.assert(
      fc.property(fc.oneof(size(129), fc.constantFrom(32767, 32768, 70001)), seed, (n, s) => {
        const o = new Operands(s);
        const [w0, g, m0, v0, b] = [o.f32(n), o.f32(n), o.f32(n), o.f32(n).map(Math.abs), o.f32(n)];
        const expected = reference.sumSquares({ x: g, n });
        expect(Math.abs(native.sumSquares({ x: g, n }) - expected)).toBeLessThanOrEqual(1e-12 * expected);
        both(native, 3e-6, (kernels) => {
          const [w, m, v, sum] = [w0.slice(), m0.slice(), v0.slice(), zeros(n)];
          kernels.adamw({
            w,
            g,
            m,
            v,
            n,
            lr: 0.01,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            decay: 0.1,
            step: 3,
            gradScale: 0.5,
          });
          kernels.add({ out: sum, a: w0, b, n });
          const weighted = g.slice();
          kernels.add({ out: weighted, a: weighted, b, n, scaleA: -0.75, scaleB: 2.5 });
          const cleared = g.slice();
          kernels.zero({ x: cleared, n: n >> 1 });
          return { w, m, v, sum, weighted, cleared };
        });
      }),
      runs(25),
    );
  });

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

  it("has every kernel of the contract", () => {
    for (const name of Object.keys(reference) as (keyof Kernels)[])
      expect(typeof native[name], name).toBe(typeof reference[name]);
  });
});
