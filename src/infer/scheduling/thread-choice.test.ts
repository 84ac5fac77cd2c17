import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Kernels } from "../../tensor/index.ts";
import { ThreadChoice } from "./thread-choice.ts";

/** Kernels that only note whether they run alone. */
class Noted {
  alone = false;
  maxStepTokens = 64;
  runAlone = (alone: boolean) => {
    this.alone = alone;
  };
}

describe("the choice of threads", () => {
  let now = 0;
  beforeEach(() => {
    now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
  });
  afterEach(() => void vi.restoreAllMocks());

  /** The share of `steps` steps over `tokens` tokens that ran alone. */
  const share = (
    choice: ThreadChoice,
    kernels: Noted,
    tokens: number,
    together: number,
    alone: number,
    steps = 1000,
  ) => {
    let ran = 0;
    for (let i = 0; i < steps; i++) {
      choice.run(tokens, () => {
        now += kernels.alone ? alone : together;
        if (kernels.alone) ran++;
      });
      expect(kernels.alone).toBe(false);
    }
    return ran / steps;
  };
  const make = (firingBytes = 1 << 20) => {
    const kernels = new Noted();
    return { kernels, choice: new ThreadChoice(kernels as unknown as Kernels, firingBytes) };
  };

  it("is made for each number of tokens by itself", () => {
    const { kernels, choice } = make();
    expect(share(choice, kernels, 1, 2, 1)).toBeGreaterThan(0.9);
    expect(share(choice, kernels, 16, 1, 2)).toBeLessThan(0.1);
    expect(share(choice, kernels, 1, 2, 1)).toBeGreaterThan(0.9);
  });

  it("is not made for prompts and for large models", () => {
    const { kernels, choice } = make();
    expect(share(choice, kernels, 65, 2, 1)).toBe(0);
    const large = make(32 << 20);
    expect(share(large.choice, large.kernels, 1, 2, 1)).toBe(0);
  });

  it("gives the step's result, and all threads back where it fails", () => {
    const { kernels, choice } = make();
    expect(choice.run(3, () => "text")).toBe("text");
    for (let i = 0; i < 40; i++) {
      expect(() =>
        choice.run(1, () => {
          throw new Error("no");
        }),
      ).toThrow("no");
      expect(kernels.alone).toBe(false);
    }
  });
});
