import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseConfig } from "../model/index.ts";
import type { Kernels } from "../tensor/index.ts";
import { ThreadChoice } from "./thread-choice.ts";

const config = (width: number) =>
  parseConfig(
    {
      model_type: "deepseek_v3",
      vocab_size: 256,
      hidden_size: width,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      intermediate_size: 64,
      moe_intermediate_size: 32,
      n_routed_experts: 4,
      num_experts_per_tok: 2,
      first_k_dense_replace: 2,
      kv_lora_rank: 32,
      q_lora_rank: null,
      qk_nope_head_dim: 16,
      qk_rope_head_dim: 8,
      v_head_dim: 16,
      max_position_embeddings: 128,
    },
    "config",
  );

/** Kernels that only note whether they run alone. */
class Noted {
  alone = false;
  mostStepTokens = 64;
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
  const make = (width = 64) => {
    const kernels = new Noted();
    return { kernels, choice: new ThreadChoice(kernels as unknown as Kernels, config(width), 2) };
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
    const large = make(16_384);
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
