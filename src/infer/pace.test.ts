import { describe, expect, it } from "vitest";
import { Pace } from "./pace.ts";

/** The share of `steps` steps that guess, at these seconds a token. */
function share(pace: Pace, guessing: number, plain: number, steps: number) {
  const guesses = Array.from({ length: steps }, () => {
    const { guesses } = pace;
    // Right guesses give two tokens a step.
    if (guesses) pace.took(2 * guessing, 2);
    else pace.took(plain, 1);
    return guesses;
  });
  return guesses.filter(Boolean).length / steps;
}

describe("the pace of guessing", () => {
  it("keeps to what is quicker, and to the other only for trials", () => {
    expect(share(new Pace(), 0.9, 1, 4000)).toBeGreaterThan(0.9);
    expect(share(new Pace(), 1.1, 1, 4000)).toBeLessThan(0.1);
  });

  it("finds out when that changes", () => {
    const pace = new Pace();
    share(pace, 0.9, 1, 2000);
    expect(share(pace, 1.1, 1, 4000)).toBeLessThan(0.25);
    expect(share(pace, 0.9, 1, 4000)).toBeGreaterThan(0.75);
  });
});
