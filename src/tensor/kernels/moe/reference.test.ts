/** Gradients that the goldens do not reach, against finite differences; routing cases worked out by hand. */
import { describe, expect, it } from "vitest";
import type { F32 } from "../../dtype.ts";
import { Operands } from "../../testing/twins.ts";
import type { CallOf } from "../contract.ts";
import { referenceKernels as kernels } from "../reference.ts";
import type { moe } from "./contract.ts";

type Route = CallOf<typeof moe.route>;

describe("the balance loss", () => {
  const [T, E, K] = [7, 5, 2];
  const o = new Operands(4);
  const scores = o.f32(T * E).map((x) => 1 / (1 + Math.exp(-x)));
  const indices = o.ids(T * K, E);
  const shape = { indices, segments: Int32Array.of(0, 3, 0, 3, 3, 4, 3, 4), S: 2, T, E, K, alpha: 0.5, gradScale: 1 };

  it("has the gradient of its value", () => {
    const dScores = new Float32Array(T * E);
    kernels.balanceLoss({ ...shape, scores, dScores });
    const step = 1e-2;
    for (let i = 0; i < T * E; i++) {
      const valueAt = (change: number) => {
        const moved = scores.slice();
        moved[i] += change;
        return kernels.balanceLoss({ ...shape, scores: moved, dScores: new Float32Array(T * E) });
      };
      expect(dScores[i]).toBeCloseTo((valueAt(step) - valueAt(-step)) / (2 * step), 4);
    }
  });

  it("is α where scores and choices are even", () => {
    const even = new Float32Array(10 * E).fill(0.3);
    const choices = Int32Array.from({ length: 20 }, (_, i) => i % E);
    const loss = kernels.balanceLoss({
      ...shape,
      T: 10,
      segments: Int32Array.of(0, 10, 0, 10),
      S: 1,
      scores: even,
      indices: choices,
      dScores: new Float32Array(10 * E),
    });
    expect(loss).toBeCloseTo(0.5, 6);
  });
});

describe("the router", () => {
  const route = (
    logits: number[],
    bias: number[],
    options: { K: number; groups: number; topkGroups: number } & Partial<
      Pick<Route, "scoring" | "groupScore" | "normalize">
    >,
  ) => {
    const E = logits.length;
    const indices = new Int32Array(options.K);
    const weights = new Float32Array(options.K);
    kernels.route({
      scores: new Float32Array(E),
      indices,
      weights,
      logits: Float32Array.from(logits),
      bias: Float32Array.from(bias),
      T: 1,
      E,
      scoring: "sigmoid",
      groupScore: "topTwo",
      normalize: true,
      scale: 1,
      ...options,
    });
    return { indices: [...indices], weights: [...weights] };
  };

  it("chooses on biased scores but weighs by unbiased ones", () => {
    const { indices, weights } = route([0, 0, 0, 0], [0, 1, 0, 2], { K: 2, groups: 1, topkGroups: 1 });
    expect(indices).toEqual([3, 1]);
    expect(weights).toEqual([0.5, 0.5]);
  });

  it("gives ties to the lower index", () => {
    expect(route([1, 1, 1, 1], [0, 0, 0, 0], { K: 3, groups: 1, topkGroups: 1 }).indices).toEqual([0, 1, 2]);
  });

  it("ranks groups by their two best", () => {
    // Group 0 holds the single best expert, group 1 the best pair.
    expect(route([3, -9, 1, 1], [0, 0, 0, 0], { K: 1, groups: 2, topkGroups: 1 }).indices).toEqual([2]);
  });

  it("ranks groups by their best one where the family does", () => {
    const groups = { K: 1, groups: 2, topkGroups: 1, groupScore: "max" } as const;
    expect(route([3, -9, 1, 1], [0, 0, 0, 0], groups).indices).toEqual([0]);
  });

  it("scores a token's experts together by softmax", () => {
    const logits = [0, Math.log(3), Math.log(4), -Infinity];
    const softmax = { K: 2, groups: 1, topkGroups: 1, scoring: "softmax", normalize: false } as const;
    const { indices, weights } = route(logits, [0, 0, 0, 0], softmax);
    expect(indices).toEqual([2, 1]);
    expect(weights[0]).toBeCloseTo(4 / 8, 6);
    expect(weights[1]).toBeCloseTo(3 / 8, 6);
  });

  it.each(["sigmoid", "softmax"] as const)("has the gradient of its weights and scores, by %s", (scoring) => {
    const [T, E, K] = [3, 6, 2];
    const o = new Operands(9);
    const [logits, dWeights, dScores] = [o.f32(T * E), o.f32(T * K), o.f32(T * E)];
    for (const normalize of [true, false]) {
      const shape = { T, E, K, scoring, normalize, scale: 1.5 };
      const forward = (logits: F32) => {
        const made = {
          scores: new Float32Array(T * E),
          indices: new Int32Array(T * K),
          weights: new Float32Array(T * K),
        };
        kernels.route({ ...shape, ...made, logits, bias: null, groups: 2, topkGroups: 2, groupScore: "max" });
        return made;
      };
      const lossOf = (logits: F32) => {
        const { scores, weights } = forward(logits);
        return (
          weights.reduce((sum, x, i) => sum + x * dWeights[i], 0) +
          scores.reduce((sum, x, i) => sum + x * dScores[i], 0)
        );
      };
      const { scores, indices } = forward(logits);
      const dLogits = new Float32Array(T * E);
      kernels.routeBackward({ ...shape, dLogits, dWeights, dScores, scores, indices });
      const step = 1e-2;
      for (let i = 0; i < T * E; i++) {
        const at = (change: number) => lossOf(logits.map((x, j) => (j === i ? x + change : x)));
        expect(dLogits[i]).toBeCloseTo((at(step) - at(-step)) / (2 * step), 3);
      }
    }
  });

  it("never takes an expert of an excluded group, however low the others", () => {
    const { indices } = route([-5, -5, 9, 9], [-90, -90, -100, -100], { K: 2, groups: 2, topkGroups: 1 });
    expect(indices).toEqual([0, 1]);
  });

  it("knows groups of one member", () => {
    expect(route([1, 3, 2], [0, 0, 0], { K: 2, groups: 3, topkGroups: 2 }).indices).toEqual([1, 2]);
  });
});
