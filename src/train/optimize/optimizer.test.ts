import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { createTrainingWeights, parseConfig } from "../../model/index.ts";
import { Arena, availableIsas, createKernels, type F32 } from "../../tensor/index.ts";
import { Optimizer, orthogonalise } from "./optimizer.ts";

const tinyConfig = parseConfig({
  model_type: "deepseek_v3",
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
  n_group: 1,
  topk_group: 1,
  num_attention_heads: 2,
  q_lora_rank: null,
  kv_lora_rank: 16,
  qk_nope_head_dim: 8,
  qk_rope_head_dim: 8,
  v_head_dim: 8,
  max_position_embeddings: 64,
  num_nextn_predict_layers: 1,
});
const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, clip: 1 };
const muon = { momentum: 0.95, iterations: 5, updateRms: 0.2 };

/** xᵀ y of columns i and j, or of rows where the matrix is wide. */
function gram(x: F32, rows: number, columns: number, i: number, j: number): number {
  let sum = 0;
  if (rows > columns) for (let r = 0; r < rows; r++) sum += x[r * columns + i] * x[r * columns + j];
  else for (let c = 0; c < columns; c++) sum += x[i * columns + c] * x[j * columns + c];
  return sum;
}

describe.each(availableIsas())("orthogonalise on %s", (isa) => {
  const kernels = createKernels({ isa });

  it.each([
    [1, 8, 24],
    [1, 24, 8],
    [3, 16, 16],
    [5, 7, 9],
  ])("%d matrices of %d × %d come near the orthogonal factor", (count, rows, columns) => {
    const random = new Random(3);
    const side = Math.min(rows, columns);
    const size = rows * columns;
    const x = Float32Array.from({ length: count * size }, () => random.normal());
    const before = x.slice();
    const options = { count, rows, columns, iterations: 12, precision: "f32" as const };
    const y = orthogonalise(kernels, new Arena(), x, options);
    for (let m = 0; m < count; m++) {
      const one = y.subarray(m * size, (m + 1) * size);
      let trace = 0;
      for (let i = 0; i < side; i++) trace += gram(one, rows, columns, i, i);
      // Singular values lie in 0.7 … 1.2, so their squares' mean does.
      expect(trace / side).toBeGreaterThan(0.5);
      expect(trace / side).toBeLessThan(1.45);
      // U Vᵀ has a positive product with U S Vᵀ: the sum of the singular values, up to their spread.
      let along = 0;
      for (let i = 0; i < size; i++) along += one[i] * before[m * size + i];
      expect(along).toBeGreaterThan(0);
    }
  });

  it("keeps a matrix of zeros at 0, and does not care about size", () => {
    const options = { count: 2, rows: 4, columns: 6, iterations: 5, precision: "f32" as const };
    const zero = orthogonalise(kernels, new Arena(), new Float32Array(48), options);
    expect([...zero].every((value) => value === 0)).toBe(true);
    const random = new Random(5);
    const x = Float32Array.from({ length: 48 }, () => random.normal());
    const small = orthogonalise(
      kernels,
      new Arena(),
      x.map((value) => value * 1e-6),
      options,
    ).slice();
    const large = orthogonalise(
      kernels,
      new Arena(),
      x.map((value) => value * 1e3),
      options,
    );
    for (const [i, value] of small.entries()) expect(value).toBeCloseTo(large[i], 4);
  });
});

describe("Optimizer", () => {
  const kernels = createKernels({ isa: "reference" });

  it("moves with Muon the layers' matrices, with AdamW the rest, each exactly once", () => {
    const [one, other] = [0, 1].map(() => createTrainingWeights(tinyConfig, 7));
    const random = new Random(1);
    one.grad.forEach((_, i) => {
      one.grad[i] = other.grad[i] = random.normal() * 0.01;
    });
    new Optimizer(one, kernels, { adamw, precision: "f32" }).step(0.01, 1);
    const both = new Optimizer(other, kernels, { adamw, muon, precision: "f32" });
    both.step(0.01, 1);
    for (const [i, slot] of other.slots.entries()) {
      if (!slot.trained) continue;
      const same = slot.data.every((value, k) => value === one.slots[i].data[k]);
      const byAdamw = slot.keepF32 || /embed_tokens|lm_head/.test(slot.stored[0].name);
      expect({ name: slot.stored[0].name, same }).toEqual({ name: slot.stored[0].name, same: byAdamw });
      if (!byAdamw)
        expect(both.v.subarray(slot.at, slot.at + slot.data.length).every((value) => value === 0)).toBe(true);
    }
  });

  it("moves all weights of AdamW in one sweep, and takes the gradient's norm in another", () => {
    const training = createTrainingWeights(tinyConfig, 7);
    const calls: { kernel: string; n: number }[] = [];
    const counted = {
      ...kernels,
      adamw: (call: Parameters<typeof kernels.adamw>[0]) => calls.push({ kernel: "adamw", n: call.n }),
      sumSquares: ({ n }: { n: number }) => calls.push({ kernel: "sumSquares", n }),
    };
    const optimizer = new Optimizer(training, counted, { adamw, precision: "f32" });
    optimizer.gradNorm();
    optimizer.step(0.01, 1);
    const trained = training.slots.filter((slot) => slot.trained).reduce((sum, { data }) => sum + data.length, 0);
    expect(calls.map(({ kernel }) => kernel)).toEqual(["sumSquares", "adamw"]);
    expect(calls[1].n).toBeGreaterThanOrEqual(trained);
  });

  it("gives Muon's updates the RMS that was asked for", () => {
    const training = createTrainingWeights(tinyConfig, 7);
    const random = new Random(1);
    training.grad.forEach((_, i) => {
      training.grad[i] = random.normal();
    });
    const before = training.flat.slice();
    const still = { ...adamw, weightDecay: 0 };
    new Optimizer(training, kernels, { adamw: still, muon, precision: "f32" }).step(0.01, 1);
    const slot = training.slots.find(({ stored }) => stored[0].name.endsWith("o_proj.weight"))!;
    let sum = 0;
    for (let i = 0; i < slot.data.length; i++) sum += (slot.data[i] - before[slot.at + i]) ** 2;
    const rms = Math.sqrt(sum / slot.data.length) / 0.01;
    expect(rms).toBeGreaterThan(0.14);
    expect(rms).toBeLessThan(0.24);
  });
});
