import { describe, expect, it } from "vitest";
import { configToJson, parseConfig } from "./config.ts";

const small = {
  model_type: "deepseek_v3",
  vocab_size: 199,
  hidden_size: 48,
  intermediate_size: 80,
  moe_intermediate_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  n_routed_experts: 8,
  n_shared_experts: 1,
  num_experts_per_tok: 3,
  n_group: 4,
  topk_group: 2,
  first_k_dense_replace: 1,
  q_lora_rank: 24,
  kv_lora_rank: 16,
  qk_rope_head_dim: 8,
  qk_nope_head_dim: 16,
  v_head_dim: 12,
  max_position_embeddings: 256,
  eos_token_id: 1,
};
const yarn = {
  type: "yarn",
  factor: 40,
  original_max_position_embeddings: 4096,
  beta_fast: 32,
  beta_slow: 1,
  mscale: 1,
  mscale_all_dim: 1,
};

describe("parseConfig", () => {
  it("reads both spellings of the rope settings alike", () => {
    const published = parseConfig({ ...small, rope_theta: 5000, rope_scaling: yarn });
    const nested = parseConfig({ ...small, rope_parameters: { ...yarn, rope_type: "yarn", rope_theta: 5000 } });
    expect(published).toEqual(nested);
    expect(published.ropeTheta).toBe(5000);
    expect(published.yarn?.factor).toBe(40);
  });

  it("survives a round trip through config.json", () => {
    for (const scaling of [null, yarn]) {
      const config = parseConfig({
        ...small,
        rope_scaling: scaling,
        q_lora_rank: scaling ? 24 : null,
        eos_token_id: scaling ? [1, 4] : 1,
      });
      expect(parseConfig(configToJson(config))).toEqual(config);
    }
  });

  it("writes each family's own model_type, with which the file reads the same", () => {
    const routers = [
      { model_type: "deepseek_v3" },
      { model_type: "deepseek_v2", topk_method: "greedy", n_group: null, topk_group: null },
      { model_type: "deepseek_v2", topk_method: "group_limited_greedy", n_group: 8, topk_group: 3 },
      { model_type: "deepseek_v2", topk_method: "group_limited_greedy", n_group: 1, topk_group: 1 },
    ];
    for (const router of routers) {
      const config = parseConfig({ ...small, ...router });
      const json = configToJson(config);
      const architecture = router.model_type === "deepseek_v3" ? "DeepseekV3ForCausalLM" : "DeepseekV2ForCausalLM";
      expect([json.model_type, json.architectures]).toEqual([router.model_type, [architecture]]);
      expect(parseConfig(json)).toEqual(config);
    }
  });

  it("reads DeepSeek-V2's router as transformers does: greedy sees no groups, no weights are divided by their sum", () => {
    const config = parseConfig({ ...small, model_type: "deepseek_v2", norm_topk_prob: true });
    expect([config.nGroup, config.topkGroup, config.normTopkProb]).toEqual([1, 1, false]);
  });

  it.each([
    [{ scoring_func: "sigmoid" }, /scoring_func "sigmoid" is not supported; DeepSeek-V2 has "softmax"/],
    [{ topk_method: "noaux_tc" }, /topk_method "noaux_tc" .* known are "greedy" and "group_limited_greedy"/],
    [{ topk_method: "group_limited_greedy", n_group: null }, /field n_group is missing/],
    [{ topk_method: "group_limited_greedy", topk_group: 5 }, /topk_group 5 must not be above n_group 4/],
    [{ rope_interleave: false }, /rope_interleave false is not supported; DeepSeek-V2 has true/],
    [{ mlp_bias: true }, /mlp_bias true is not supported/],
  ])("refuses %j of a DeepSeek-V2", (change, message) => {
    expect(() => parseConfig({ ...small, model_type: "deepseek_v2", ...change }, "m/config.json")).toThrow(message);
  });

  it.each([
    [
      { model_type: "llama" },
      /model_type "llama" is not supported; Shoal runs models of type "deepseek_v3" and "deepseek_v2"$/,
    ],
    [{ model_type: "kimi_k2" }, /model_type "kimi_k2" .* brings no tokenizer\.json/],
    [{ n_group: 8 }, /n_group 8 leaves one expert to a group.*at most 4 groups/],
    [{ rope_theta: 0 }, /rope_theta 0 must be above 1/],
    [{ rope_parameters: { rope_theta: -1 } }, /rope_parameters: rope_theta -1 must be above 1/],
    [{ rms_norm_eps: -1 }, /rms_norm_eps -1 must be from 0 to 1/],
    [{ rope_scaling: { ...yarn, beta_fast: -1 } }, /beta_fast -1 must be above 0/],
    [{ rope_scaling: { ...yarn, short_factor: [1] } }, /rope_scaling\.short_factor is not a field that Shoal knows/],
    [{ rope_parameters: { full_attention: {} } }, /rope_parameters\.full_attention is not a field/],
    [{ rope_scaling: { ...yarn, partial_rotary_factor: 0.5 } }, /partial_rotary_factor 0\.5 is not supported/],
    [{ rope_scaling: { ...yarn, truncate: "no" } }, /truncate must be true or false/],
    [{ hidden_size: undefined }, /field hidden_size is missing/],
    [{ hidden_size: 48.5 }, /hidden_size must be a whole number from 1 to \d+, not 48.5/],
    [{ vocab_size: 1e12 }, /vocab_size must be a whole number/],
    [{ n_group: 3 }, /n_routed_experts 8 must be a multiple of n_group 3/],
    [{ topk_group: 5 }, /topk_group 5 must not be above n_group 4/],
    [{ num_experts_per_tok: 5 }, /num_experts_per_tok 5 is more than the 4 experts/],
    [{ qk_rope_head_dim: 7 }, /qk_rope_head_dim 7 must be even/],
    [{ scoring_func: "relu" }, /scoring_func "relu" is not supported; DeepSeek-V3 has "sigmoid"/],
    [{ topk_method: "greedy" }, /topk_method "greedy" is not supported/],
    [{ rope_scaling: { type: "linear", factor: 2 } }, /rope_type "linear" is not supported/],
    [{ rope_scaling: { ...yarn, factor: "x" } }, /rope_scaling: factor must be a number/],
    [{ eos_token_id: "end" }, /eos_token_id must be a token id or a list/],
    [{ norm_topk_prob: "yes" }, /norm_topk_prob must be true or false/],
  ])("refuses %j in one line", (change, message) => {
    expect(() => parseConfig({ ...small, ...change }, "m/config.json")).toThrow(message);
    expect(() => parseConfig({ ...small, ...change }, "m/config.json")).toThrow(/^m\/config.json: [^\n]*$/);
  });

  it("refuses what is no object", () => {
    for (const value of [null, 3, "x", []]) expect(() => parseConfig(value)).toThrow("expected a JSON object");
  });
});
