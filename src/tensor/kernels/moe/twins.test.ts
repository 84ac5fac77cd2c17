import fc from "fast-check";
import { it } from "vitest";
import {
  compareTwins,
  describeTwins,
  expectRounded,
  Operands,
  positiveSize,
  runs,
  size,
  zeros,
} from "../../testing/twins.ts";

const seed = fc.nat(1000);

describeTwins("the mixture of experts", (native) => {
  it("swiglu and its gradient, large arguments too", () => {
    fc.assert(
      fc.property(size(20), size(70), fc.constantFrom(1, 40), seed, (T, F, scale, s) => {
        const o = new Operands(s);
        const [x, dy] = [o.f32(T * 2 * F, scale), o.f32(T * F)];
        compareTwins(native, 2e-6, (kernels) => {
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
    normalize: fc.boolean(),
    scoring: fc.constantFrom("sigmoid" as const, "softmax" as const),
    groupScore: fc.constantFrom("topTwo" as const, "max" as const),
    biased: fc.boolean(),
    spread: fc.constantFrom(0.05, 30),
    seed,
  });

  it("route, its gradient and the balance loss", () => {
    fc.assert(
      fc.property(routing, fc.nat(), fc.nat(), ({ T, perGroup, groups, biased, spread, seed: s, ...how }, a, b) => {
        const o = new Operands(s);
        const E = perGroup * groups;
        const topkGroups = 1 + (a % groups);
        const K = 1 + (b % (perGroup * topkGroups));
        // Few distinct values, so that ties happen; a large spread leaves whole groups far below zero.
        const logits = o.f32(T * E).map((x) => Math.round(x * 4) / 4);
        const bias = biased ? o.f32(E, spread).map((x) => Math.round(x * 8) / 8) : null;
        const [dWeights, half] = [o.f32(T * K), Math.floor(T / 2)];
        const segments = Int32Array.of(0, half, 0, half, half, T - half, half, T - half);
        compareTwins(native, 2e-6, (kernels) => {
          const [scores, weights, dLogits, dScores] = [
            zeros(T * E),
            zeros(T * K),
            zeros(T * E).fill(1),
            zeros(T * E).fill(9),
          ];
          const indices = new Int32Array(T * K);
          const sizes = { T, E, K, ...how, scale: 2.5 };
          kernels.route({ ...sizes, scores, indices, weights, logits, bias, groups, topkGroups });
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
          kernels.routeBackward({ ...sizes, dLogits, dWeights, dScores, scores, indices });
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
        compareTwins(native, 1e-5, (kernels) => {
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
        compareTwins(native, 1e-5, (kernels) => {
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
});
