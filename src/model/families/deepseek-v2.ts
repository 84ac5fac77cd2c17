/** DeepSeek-V2 (May 2024), V2-Lite, Coder-V2: V3's attention and experts behind an earlier router. */
import { CONFIG_LIMITS } from "../model-config.ts";
import type { Family } from "./family.ts";
import { DEEPSEEK_NAMES } from "./weight-names.ts";

export const deepseekV2: Family = {
  modelType: "deepseek_v2",
  architecture: "DeepseekV2ForCausalLM",
  title: "DeepSeek-V2",
  attention: { kind: "latent", latentNormEps: 1e-6 },
  router: { scoring: "softmax", groupScore: "max", correctionBias: false },
  names: DEEPSEEK_NAMES,
  defaults: {
    first_k_dense_replace: 0,
    q_lora_rank: 1536,
    n_shared_experts: 2,
    topk_method: "greedy",
    routed_scaling_factor: 1,
    max_position_embeddings: 2048,
  },
  only: {
    hidden_act: "silu",
    attention_bias: false,
    mlp_bias: false,
    moe_layer_freq: 1,
    scoring_func: "softmax",
    rope_interleave: true,
  },
  read: (fields) => {
    const { experts } = CONFIG_LIMITS;
    const grouped = fields.oneOf("topk_method", ["greedy", "group_limited_greedy"], "greedy") !== "greedy";
    return {
      // "greedy" looks at no groups, whatever n_group says.
      nGroup: grouped ? fields.whole("n_group", 1, experts) : 1,
      topkGroup: grouped ? fields.whole("topk_group", 1, experts) : 1,
      // As in transformers, weights are never divided by their sum, whatever norm_topk_prob says.
      normTopkProb: false,
    };
  },
  write: (config) => {
    const grouped = config.nGroup > 1;
    return {
      scoring_func: "softmax",
      topk_method: grouped ? "group_limited_greedy" : "greedy",
      n_group: grouped ? config.nGroup : null,
      topk_group: grouped ? config.topkGroup : null,
      norm_topk_prob: false,
    };
  },
};
