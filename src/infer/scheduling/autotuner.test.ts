import { describe, expect, it } from "vitest";
import { Autotuner } from "./autotuner.ts";

/** The share of `steps` steps that go the first way, at these seconds a token. */
function share(tuner: Autotuner, first: number, second: number, steps: number) {
  const ways = Array.from({ length: steps }, () => {
    const way = tuner.first;
    // The first way gives two tokens a step.
    if (way) tuner.took(2 * first, 2);
    else tuner.took(second, 1);
    return way;
  });
  return ways.filter(Boolean).length / steps;
}

describe("the quicker of two ways", () => {
  it("is kept to, and the other is for trials", () => {
    expect(share(new Autotuner(), 0.9, 1, 4000)).toBeGreaterThan(0.9);
    expect(share(new Autotuner(), 1.1, 1, 4000)).toBeLessThan(0.1);
  });

  it("has to be quicker by what it is worth", () => {
    expect(share(new Autotuner(1.2), 0.9, 1, 4000)).toBeLessThan(0.1);
    expect(share(new Autotuner(1.2), 0.8, 1, 4000)).toBeGreaterThan(0.9);
  });

  it("is tried against the other the more seldom the clearer it wins", () => {
    const [near, clear] = [new Autotuner(), new Autotuner()];
    expect(1 - share(near, 0.9, 1, 40_000)).toBeCloseTo(0.04, 2);
    expect(1 - share(clear, 0.5, 1, 40_000)).toBeLessThan(0.01);
  });

  it("is found out anew when that changes", () => {
    const tuner = new Autotuner();
    share(tuner, 0.9, 1, 2000);
    expect(share(tuner, 1.1, 1, 4000)).toBeLessThan(0.25);
    expect(share(tuner, 0.9, 1, 4000)).toBeGreaterThan(0.75);
    share(tuner, 0.1, 1, 40_000);
    share(tuner, 1, 0.1, 7000);
    expect(share(tuner, 1, 0.1, 4000)).toBeLessThan(0.1);
  });
});
