import { expect, it } from "vitest";
import { Random } from "../base/index.ts";
import { Arena, createKernels, Tape } from "../tensor/index.ts";
import { batchOf, createTrainingWeights, parseConfig, Transformer } from "./index.ts";

const config = parseConfig({
  model_type: "deepseek_v3",
  routed_scaling_factor: 1,
  vocab_size: 48,
  hidden_size: 32,
  num_hidden_layers: 6,
  first_k_dense_replace: 1,
  intermediate_size: 48,
  moe_intermediate_size: 16,
  n_routed_experts: 4,
  n_shared_experts: 1,
  num_experts_per_tok: 2,
  n_group: 1,
  topk_group: 1,
  num_attention_heads: 2,
  q_lora_rank: 16,
  kv_lora_rank: 16,
  qk_nope_head_dim: 8,
  qk_rope_head_dim: 8,
  v_head_dim: 8,
  max_position_embeddings: 256,
  num_nextn_predict_layers: 1,
});

function pass(recompute: boolean) {
  const training = createTrainingWeights(config, 3);
  const transformer = new Transformer(config, training.weights);
  const arena = new Arena(1 << 16);
  const tape = new Tape({ kernels: createKernels(), arena, precision: "bf16", recording: true, recompute });
  const random = new Random(1);
  const batch = batchOf(
    [200, 56].map((length) => Int32Array.from({ length }, () => random.below(48))),
    1,
  );
  const losses = transformer.loss(tape, batch, { mtpWeight: 0.3, balanceAlpha: 0.01 });
  tape.backward();
  return { losses, grad: training.grad, bytes: arena.bytes };
}

it("recomputing layers gives the same losses, routers and gradients, in a fraction of the memory", () => {
  const [kept, again] = [pass(false), pass(true)];
  expect(again.losses).toEqual(kept.losses);
  expect(again.losses.routers.length).toBe(6);
  // The gradient of a layer's input is added up in another order where the layer stands alone.
  const largest = kept.grad.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const worst = kept.grad.reduce((most, x, i) => Math.max(most, Math.abs(x - again.grad[i])), 0);
  expect(worst / largest).toBeLessThan(1e-5);
  expect(again.bytes).toBeLessThan(kept.bytes / 2);
});
