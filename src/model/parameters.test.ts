import { describe, expect, it } from "vitest";
import { parseConfig } from "./config.ts";
import type { ModelConfig } from "./model-config.ts";
import { countParameters, modelSlots } from "./parameters.ts";
import { createTrainingWeights } from "./training-weights.ts";

const common = {
  kv_lora_rank: 512,
  qk_nope_head_dim: 128,
  qk_rope_head_dim: 64,
  v_head_dim: 128,
  max_position_embeddings: 163840,
};
/** The published shapes (report, section 4.2; official configurations). */
const shapes: Record<string, ModelConfig> = {
  "16B": parseConfig({
    ...common,
    model_type: "deepseek_v2",
    vocab_size: 102400,
    hidden_size: 2048,
    intermediate_size: 10944,
    moe_intermediate_size: 1408,
    num_hidden_layers: 27,
    first_k_dense_replace: 1,
    num_attention_heads: 16,
    n_routed_experts: 64,
    n_shared_experts: 2,
    num_experts_per_tok: 6,
    q_lora_rank: null,
  }),
  "236B": parseConfig({
    ...common,
    model_type: "deepseek_v2",
    vocab_size: 102400,
    hidden_size: 5120,
    intermediate_size: 12288,
    moe_intermediate_size: 1536,
    num_hidden_layers: 60,
    first_k_dense_replace: 1,
    num_attention_heads: 128,
    n_routed_experts: 160,
    n_shared_experts: 2,
    num_experts_per_tok: 6,
    n_group: 8,
    topk_group: 3,
    q_lora_rank: 1536,
  }),
  "671B": parseConfig({
    ...common,
    model_type: "deepseek_v3",
    routed_scaling_factor: 1,
    vocab_size: 129280,
    hidden_size: 7168,
    intermediate_size: 18432,
    moe_intermediate_size: 2048,
    num_hidden_layers: 61,
    first_k_dense_replace: 3,
    num_attention_heads: 128,
    n_routed_experts: 256,
    n_shared_experts: 1,
    num_experts_per_tok: 8,
    n_group: 8,
    topk_group: 4,
    q_lora_rank: 1536,
    num_nextn_predict_layers: 1,
  }),
};

describe("countParameters", () => {
  it.each([
    ["16B", 15_706_484_224],
    ["236B", 235_741_434_880],
    ["671B", 671_026_419_200],
  ])("%s has %i parameters, to the digit", (name, total) => {
    expect(countParameters(shapes[name]).total).toBe(total);
  });

  it("finds the published 37B active and 11.6B of MTP in the 671B", () => {
    const { active, mtp, embedding } = countParameters(shapes["671B"]);
    // 37B counts the head but not the embedding, which is only looked up.
    expect((active - embedding / 2) / 1e9).toBeCloseTo(36.6, 1);
    expect(mtp / 1e9).toBeCloseTo(11.6, 1);
  });
});

describe("training weights", () => {
  const config = parseConfig({
    model_type: "deepseek_v3",
    n_group: 1,
    topk_group: 1,
    routed_scaling_factor: 1,
    vocab_size: 31,
    hidden_size: 12,
    intermediate_size: 10,
    moe_intermediate_size: 6,
    num_hidden_layers: 2,
    first_k_dense_replace: 1,
    num_attention_heads: 2,
    n_routed_experts: 4,
    num_experts_per_tok: 2,
    q_lora_rank: 5,
    kv_lora_rank: 4,
    qk_nope_head_dim: 3,
    qk_rope_head_dim: 2,
    v_head_dim: 3,
    max_position_embeddings: 16,
    num_nextn_predict_layers: 1,
    initializer_range: 0.1,
  });

  it("puts every slot into the flat buffer, apart from the others", () => {
    const { slots, flat, biases } = createTrainingWeights(config, 1);
    let end = 0;
    for (const slot of slots.filter(({ trained }) => trained)) {
      expect(slot.at).toBeGreaterThanOrEqual(end);
      expect(slot.at % 16).toBe(0);
      expect(slot.data.byteOffset).toBe(slot.at * 4);
      end = slot.at + slot.data.length;
    }
    expect(end).toBeLessThanOrEqual(flat.length);
    expect(biases.length).toBe(2 * 16); // one expert layer and the MTP layer, each padded
  });

  it("stores each tensor once, whole, inside its slot", () => {
    const names = new Set<string>();
    for (const { shape, stored } of modelSlots(config)) {
      const length = shape.reduce((a, b) => a * b);
      let covered = 0;
      for (const tensor of stored) {
        expect(tensor.offset).toBe(covered);
        covered += tensor.shape.reduce((a, b) => a * b);
        expect(names.has(tensor.name)).toBe(false);
        names.add(tensor.name);
      }
      expect(covered).toBe(length);
    }
    expect(names).toContain("model.layers.1.mlp.experts.3.up_proj.weight");
    expect(names).toContain("model.layers.2.eh_proj.weight");
  });

  it("initialises by seed: matrices normal, norms 1, biases 0", () => {
    const a = createTrainingWeights(config, 7);
    const b = createTrainingWeights(config, 7);
    const c = createTrainingWeights(config, 8);
    expect(a.flat).toEqual(b.flat);
    expect(a.flat).not.toEqual(c.flat);
    const embed = a.weights.embed.data;
    const deviation = Math.sqrt((embed as Float32Array).reduce((sum, x) => sum + x * x, 0) / embed.length);
    expect(deviation).toBeGreaterThan(0.085);
    expect(deviation).toBeLessThan(0.115);
    expect(a.weights.norm.data.every((x) => x === 1)).toBe(true);
    expect(a.biases.every((x) => x === 0)).toBe(true);
  });
});
