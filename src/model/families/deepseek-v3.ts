/** DeepSeek-V3 (December 2024), R1, V3.1; Moonlight, GigaChat3 and Kanana-2 are published as this family too. */
import type { Family } from "./family.ts";
import { DEEPSEEK_NAMES } from "./weight-names.ts";

export const deepseekV3: Family = {
  modelType: "deepseek_v3",
  architecture: "DeepseekV3ForCausalLM",
  title: "DeepSeek-V3",
  attention: { kind: "latent", latentNormEps: 1e-6 },
  router: { scoring: "sigmoid", groupScore: "topTwo", correctionBias: true },
  names: DEEPSEEK_NAMES,
  defaults: {
    first_k_dense_replace: 3,
    q_lora_rank: 1536,
    n_shared_experts: 1,
    n_group: 8,
    topk_group: 4,
    num_experts_per_tok: 8,
    norm_topk_prob: true,
    routed_scaling_factor: 2.5,
    max_position_embeddings: 4096,
  },
  only: {
    hidden_act: "silu",
    attention_bias: false,
    moe_layer_freq: 1,
    scoring_func: "sigmoid",
    topk_method: "noaux_tc",
  },
  write: (config) => ({
    scoring_func: "sigmoid",
    topk_method: "noaux_tc",
    n_group: config.nGroup,
    topk_group: config.topkGroup,
    norm_topk_prob: config.normTopkProb,
    rope_interleave: config.ropeInterleave,
  }),
};
