import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { batchOf, createTrainingWeights, parseConfig, Transformer } from "../../model/index.ts";
import { createKernels } from "../../tensor/index.ts";
import type { LoraOptimizer } from "./lora.ts";
import { Trainer } from "./trainer.ts";

const config = parseConfig({
  model_type: "deepseek_v3",
  n_group: 1,
  topk_group: 1,
  routed_scaling_factor: 1,
  vocab_size: 48,
  hidden_size: 32,
  num_hidden_layers: 2,
  first_k_dense_replace: 1,
  intermediate_size: 48,
  moe_intermediate_size: 16,
  n_routed_experts: 4,
  n_shared_experts: 1,
  num_experts_per_tok: 2,
  num_attention_heads: 2,
  q_lora_rank: 16,
  kv_lora_rank: 16,
  qk_nope_head_dim: 8,
  qk_rope_head_dim: 8,
  v_head_dim: 8,
  max_position_embeddings: 64,
  initializer_range: 0.1,
});
const kernels = createKernels();
const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, clip: 1 };
const settings = { precision: "f32" as const, adamw, lora: { rank: 4, alpha: 8, merge: 0.5 } };
const options = { lr: 0.01, mtpWeight: 0, balanceAlpha: 0, biasUpdateSpeed: 0 };
const random = new Random(4);
const batch = batchOf(Array.from({ length: 4 }, () => Array.from({ length: 24 }, () => random.below(48))));

function trainerOf(): Trainer {
  const training = createTrainingWeights(config, 1);
  return new Trainer(new Transformer(config, training.weights), training, kernels, { ...settings, seed: 5 });
}

describe("low-rank adaptation", () => {
  it("changes nothing before the first step, then only matrices inside layers, by a product of its rank", () => {
    const trainer = trainerOf();
    const { training } = trainer;
    const before = createTrainingWeights(config, 1).flat;
    expect(training.flat).toEqual(before);
    const first = trainer.step([batch], options).loss;
    for (let i = 0; i < 30; i++) trainer.step([batch], options);
    expect(trainer.step([batch], options).loss).toBeLessThan(first - 0.3);
    for (const { at, data, stored, init, keepF32 } of training.slots.filter(({ trained }) => trained)) {
      const [{ name, shape }] = stored;
      const moved = data.some((x, i) => x !== before[at + i]);
      expect(moved, name).toBe(init === "normal" && !keepF32 && !/embed_tokens|lm_head/.test(name));
      if (!moved) continue;
      const [rows, columns] = shape;
      const difference = Float64Array.from({ length: rows * columns }, (_, i) => data[i] - before[at + i]);
      expect(rankOf(difference, rows, columns), name).toBeLessThanOrEqual(4);
    }
  });

  it("the finished model gets its share of the additions", () => {
    const trainer = trainerOf();
    const { flat } = trainer.training;
    const before = flat.slice();
    trainer.step([batch], options);
    const trained = flat.slice();
    for (let i = 0; i < 2; i++) trainer.optimizer.finish();
    flat.forEach((w, i) => {
      expect(w).toBeCloseTo((before[i] + trained[i]) / 2, 6);
    });
  });

  it("follows the gradient of its factors: that of the weights through the product", () => {
    const trainer = trainerOf();
    const optimizer = trainer.optimizer as LoraOptimizer;
    const { adapters } = optimizer.state;
    // Both factors away from 0, so that both have a gradient.
    const noise = new Random(9);
    for (let i = 0; i < adapters.length; i++) adapters[i] = 0.05 * noise.normal();
    optimizer.restored();
    const lossNow = () => trainer.update({ lr: 0, biasUpdateSpeed: 0 }, () => accumulate(trainer));
    lossNow();
    const gradient = optimizer.gradient.slice();
    const norm = Math.hypot(...gradient);
    const before = adapters.slice();
    const at = (step: number) => {
      for (let i = 0; i < adapters.length; i++) adapters[i] = before[i] + (step * gradient[i]) / norm;
      optimizer.restored();
      return lossNow().loss;
    };
    const step = 1e-3;
    // The scale alpha / rank is the factors' product's: 2.
    expect((at(step) - at(-step)) / (2 * step) / (2 * norm)).toBeCloseTo(1, 1);
  });
});

function accumulate(trainer: Trainer) {
  const tape = trainer.tape({ recording: true });
  const { sums, counts } = trainer.model.loss(tape, batch, { mtpWeight: 0, balanceAlpha: 0 });
  tape.backward();
  return { loss: sums[0] / counts[0], mtpLoss: [], balanceLoss: 0, targets: 1 };
}

/** Numerical rank by Gaussian elimination with full pivoting. */
function rankOf(matrix: Float64Array, rows: number, columns: number): number {
  const a = matrix.slice();
  const largest = a.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  let rank = 0;
  const used = new Set<number>();
  for (;;) {
    let best = 0;
    let [r, c] = [0, 0];
    for (let i = 0; i < rows; i++) {
      if (used.has(i)) continue;
      for (let j = 0; j < columns; j++) {
        if (Math.abs(a[i * columns + j]) <= best) continue;
        best = Math.abs(a[i * columns + j]);
        [r, c] = [i, j];
      }
    }
    if (best < 1e-3 * largest) return rank;
    rank++;
    used.add(r);
    for (let i = 0; i < rows; i++) {
      if (used.has(i)) continue;
      const factor = a[i * columns + c] / a[r * columns + c];
      for (let j = 0; j < columns; j++) a[i * columns + j] -= factor * a[r * columns + j];
    }
  }
}
