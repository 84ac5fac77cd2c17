/** The models that speed is measured on. Their peers in PyTorch have the same shapes (bench/README.md). */

import { Random } from "../base/index.ts";
import { isQuantisable } from "../checkpoint/index.ts";
import { buildWeights, type ModelConfig, type ModelWeights, parseConfig } from "../model/index.ts";
import { allocate, f32ToBf16, size } from "../tensor/index.ts";

const COMMON = {
  model_type: "deepseek_v3",
  routed_scaling_factor: 1,
  q_lora_rank: null,
  vocab_size: 8192,
  first_k_dense_replace: 1,
  n_shared_experts: 1,
  n_group: 4,
  topk_group: 2,
  norm_topk_prob: true,
  bos_token_id: 0,
  eos_token_id: 1,
  num_nextn_predict_layers: 0,
};

/** 25M parameters: what a training step is measured on. */
export const TRAIN_SHAPE: ModelConfig = parseConfig(
  {
    ...COMMON,
    hidden_size: 384,
    num_hidden_layers: 8,
    num_attention_heads: 6,
    n_routed_experts: 16,
    num_experts_per_tok: 2,
    moe_intermediate_size: 256,
    intermediate_size: 1024,
    q_lora_rank: 192,
    kv_lora_rank: 96,
    qk_nope_head_dim: 32,
    qk_rope_head_dim: 16,
    v_head_dim: 32,
    routed_scaling_factor: 1,
    max_position_embeddings: 1024,
  },
  "train",
);

const SMALL = {
  ...COMMON,
  hidden_size: 512,
  num_hidden_layers: 8,
  num_attention_heads: 8,
  n_routed_experts: 16,
  num_experts_per_tok: 4,
  moe_intermediate_size: 512,
  intermediate_size: 1536,
  q_lora_rank: 256,
  kv_lora_rank: 128,
  qk_nope_head_dim: 64,
  qk_rope_head_dim: 32,
  v_head_dim: 64,
  routed_scaling_factor: 2.5,
  max_position_embeddings: 4096,
};

/** 111M parameters, 41M active; and 636M, 143M active: what prefill and decoding are measured on. */
export const INFERENCE_SHAPES: Record<"small" | "big", ModelConfig> = {
  small: parseConfig(SMALL, "small"),
  big: parseConfig(
    {
      ...SMALL,
      hidden_size: 1024,
      num_hidden_layers: 12,
      num_attention_heads: 16,
      n_routed_experts: 32,
      intermediate_size: 3072,
      kv_lora_rank: 256,
      q_lora_rank: 512,
    },
    "big",
  ),
};

/** Random weights for inference, matrices in `dtype`. A table of numbers repeats: speed does not depend on them. */
export function randomWeights(config: ModelConfig, dtype: "bf16" | "int8" | "int4" = "bf16", seed = 1): ModelWeights {
  const random = new Random(seed);
  const table = Float32Array.from({ length: 65_521 }, () => random.normal() * config.initializerRange);
  const bits = Uint16Array.from(table, f32ToBf16);
  return buildWeights(config, (slot) => {
    const { shape, keepF32, init } = slot;
    const length = size(shape);
    if (dtype !== "bf16" && isQuantisable(slot)) {
      const bits = dtype === "int8" ? 8 : 4;
      const codes = new Int8Array(allocate((length * bits) / 8)).fill(37);
      const scales = new Uint16Array(allocate((length / 32) * 2)).fill(f32ToBf16(config.initializerRange / 64));
      return { data: new Uint16Array(0), quantised: { codes, scales, bits }, shape, grad: null };
    }
    const data = keepF32 ? new Float32Array(allocate(length * 4)) : new Uint16Array(allocate(length * 2));
    if (init === "ones") data.fill(1);
    else if (init === "normal") {
      const from = keepF32 ? table : bits;
      for (let at = 0; at < length; at += from.length)
        data.set(from.subarray(0, Math.min(from.length, length - at)), at);
    }
    return { data, shape, grad: null };
  });
}
