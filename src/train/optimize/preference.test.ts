import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import type { PreferencePair } from "../../data/index.ts";
import { createTrainingWeights, parseConfig, Transformer } from "../../model/index.ts";
import { createKernels } from "../../tensor/index.ts";
import { type PreferenceSettings, Preferences } from "./preference.ts";
import { Trainer } from "./trainer.ts";

const V = 48;
/** Without experts: the choice of experts makes kinks, at which differences say nothing. */
const config = parseConfig({
  model_type: "deepseek_v3",
  n_group: 1,
  topk_group: 1,
  routed_scaling_factor: 1,
  vocab_size: V,
  hidden_size: 24,
  num_hidden_layers: 2,
  first_k_dense_replace: 2,
  intermediate_size: 32,
  moe_intermediate_size: 16,
  n_routed_experts: 4,
  num_experts_per_tok: 2,
  num_attention_heads: 2,
  q_lora_rank: null,
  kv_lora_rank: 16,
  qk_nope_head_dim: 8,
  qk_rope_head_dim: 8,
  v_head_dim: 8,
  max_position_embeddings: 64,
  initializer_range: 0.2,
});
const kernels = createKernels();
const options = { lr: 0, mtpWeight: 0, balanceAlpha: 0, biasUpdateSpeed: 0 };

function trainerOf(seed = 1): Trainer {
  const training = createTrainingWeights(config, seed);
  const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, clip: 1 };
  return new Trainer(new Transformer(config, training.weights), training, kernels, { precision: "f32", adamw });
}

/** Pairs of random prompts with replies of different lengths. */
function pairsOf(count: number, seed = 1): PreferencePair[] {
  const random = new Random(seed);
  const reply = (prompt: number[], length: number) => ({
    ids: Int32Array.from([...prompt, ...Array.from({ length }, () => random.below(V))]),
    replyStart: prompt.length,
  });
  return Array.from({ length: count }, () => {
    const prompt = Array.from({ length: 2 + random.below(4) }, () => random.below(V));
    return { chosen: reply(prompt, 1 + random.below(5)), rejected: reply(prompt, 1 + random.below(5)) };
  });
}

const settings: PreferenceSettings = { beta: 0.5, nllWeight: 0 };

describe("packing", () => {
  it("both replies of a pair stand beside each other, a segment each, and only their tokens are predicted", () => {
    const pairs = pairsOf(5);
    const preferences = new Preferences(pairs, settings, 7);
    const seen: number[] = [];
    while (seen.length < 5) {
      const { pairs: members, batch, replies } = preferences.next(40);
      seen.push(...members);
      const sequences = members.flatMap((pair) => [pairs[pair].chosen, pairs[pair].rejected]);
      expect(batch.positions.length).toBeLessThanOrEqual(40);
      expect(batch.segments.length).toBe(sequences.length * 4);
      sequences.forEach(({ ids, replyStart }, i) => {
        const [start, length] = batch.segments.subarray(4 * i);
        expect([...batch.ids[0].subarray(start, start + length)]).toEqual([...ids]);
        expect([batch.positions[start], length]).toEqual([0, ids.length]);
        const { from, to } = replies[i];
        expect([...batch.targets[0].subarray(from, to)]).toEqual([...ids.subarray(replyStart)]);
      });
    }
    // An epoch has every pair once; the next has another order.
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(preferences.save()[0]).toMatchObject({ epoch: 1, document: 0 });
  });

  it("goes on from a saved place as if it had not stopped", () => {
    const pairs = pairsOf(9);
    const one = new Preferences(pairs, settings, 3);
    for (let i = 0; i < 4; i++) one.next(30);
    const other = new Preferences(pairs, settings, 3);
    other.restore(one.save(), one.reference);
    for (let i = 0; i < 9; i++) expect(other.next(30)).toEqual(one.next(30));
    expect(() => other.restore(one.save(), new Float32Array(4))).toThrow(/not those that this run began with/);
  });
});

describe("the loss", () => {
  it("is log 2 where the weights are the reference, and every reward is 0", () => {
    const trainer = trainerOf();
    const preferences = new Preferences(pairsOf(6), settings, 1);
    preferences.measureReference(trainer, 64);
    const { loss, rewards } = preferences.step(trainer, [preferences.next(500)], options);
    expect(loss).toBeCloseTo(Math.LN2, 5);
    expect(rewards.margin).toBeCloseTo(0, 5);
  });

  it.each([0, 0.3])("has the gradient that its differences show (nllWeight %d)", (nllWeight) => {
    const trainer = trainerOf();
    const preferences = new Preferences(pairsOf(4), { beta: 0.5, nllWeight }, 1);
    // Another model's: so that no margin is 0.
    preferences.measureReference(trainerOf(2), 64);
    const parts = [preferences.next(30), preferences.next(60)];
    const lossNow = () => preferences.step(trainer, parts, options).loss;
    lossNow();
    const gradient = trainer.training.grad.slice();
    for (const { at, data, stored } of trainer.training.slots.filter(({ trained }) => trained)) {
      const own = gradient.subarray(at, at + data.length);
      const norm = Math.hypot(...own);
      if (norm < 1e-3) continue;
      const before = data.slice();
      const step = 0.02;
      const at1 = (sign: number) => {
        for (let i = 0; i < data.length; i++) data[i] = before[i] + (sign * step * own[i]) / norm;
        return lossNow();
      };
      const difference = (at1(1) - at1(-1)) / (2 * step);
      data.set(before);
      expect(Math.abs(difference / norm - 1), stored[0].name).toBeLessThan(0.02);
    }
  });

  it("of a step does not depend on how its pairs are spread over micro-batches", () => {
    const gradients = [[20, 20, 20, 20, 20, 20], [500]].map((rows) => {
      const trainer = trainerOf();
      const preferences = new Preferences(pairsOf(4), settings, 1);
      preferences.measureReference(trainerOf(2), 64);
      const parts = [];
      for (const most of rows) {
        parts.push(preferences.next(most));
        if (preferences.save()[0].epoch > 0) break;
      }
      preferences.step(trainer, parts, options);
      return trainer.training.grad;
    });
    gradients[0].forEach((x, i) => {
      expect(x).toBeCloseTo(gradients[1][i], 4);
    });
  });
});

it("training makes the chosen replies likelier, and tells them from the rejected ones", () => {
  const trainer = trainerOf();
  const pairs = pairsOf(12);
  const preferences = new Preferences(pairs, { beta: 0.2, nllWeight: 0 }, 1);
  preferences.measureReference(trainer, 200);
  const train = () => preferences.step(trainer, [preferences.next(10_000)], { ...options, lr: 0.003 });
  const first = train();
  for (let i = 0; i < 40; i++) train();
  const { loss, rewards } = train();
  expect(rewards.accuracy).toBe(1);
  expect(rewards.chosen).toBeGreaterThan(0.2);
  expect(rewards.rejected).toBeLessThan(-0.2);
  expect(rewards.margin).toBeCloseTo(rewards.chosen - rewards.rejected, 6);
  expect(loss).toBeLessThan(first.loss / 3);
});
