import { describe, expect, it } from "vitest";
import { parseConfig } from "../../model/index.ts";
import { countDeepseek, findHardware, planTraining } from "../../plan/index.ts";
import { parseRecipe } from "../../train/index.ts";
import { Course } from "./course.ts";
import { sharesOf } from "./data-shares.ts";
import { figuresOf } from "./figures.ts";
import type { RunFolder } from "./run-folder.ts";

const MODEL = {
  hidden_size: 64,
  num_hidden_layers: 2,
  first_k_dense_replace: 1,
  intermediate_size: 128,
  moe_intermediate_size: 32,
  n_routed_experts: 4,
  n_shared_experts: 1,
  num_experts_per_tok: 2,
  num_attention_heads: 2,
  q_lora_rank: null,
  kv_lora_rank: 32,
  qk_nope_head_dim: 16,
  qk_rope_head_dim: 8,
  v_head_dim: 16,
  max_position_embeddings: 64,
  num_nextn_predict_layers: 0,
};

/** Two stages of 8 steps of 2 × 50 tokens, and one that has not begun. */
const recipe = parseRecipe({
  name: "test",
  tokenizer: { vocabSize: 512 },
  model: MODEL,
  stages: ["first", "second", "third"].map((name) => ({
    name,
    tokens: 750,
    sequenceLength: 50,
    batchSequences: 2,
    lr: 0.01,
    mixture: [{ path: "a/big.jsonl" }, { path: "small.txt", weight: 3 }],
  })),
  price: { usdPerCoreHour: 0.5, peakTflops: 2 },
});
const plain = { n_group: 1, topk_group: 1, routed_scaling_factor: 1, first_k_dense_replace: 0, q_lora_rank: null };
const config = parseConfig({
  ...plain,
  ...MODEL,
  model_type: "deepseek_v3",
  vocab_size: 512,
  bos_token_id: 0,
  eos_token_id: 1,
});
const folder: RunFolder = {
  dir: "runs/test",
  recipe,
  config,
  counts: countDeepseek(config),
  sources: [
    { name: "big.jsonl", documents: 9, tokens: 1000, textBytes: 4000, skipped: 2 },
    { name: "small.txt", documents: 1, tokens: 200, textBytes: 800, skipped: 1 },
  ],
  finished: false,
  totalTokens: 2400,
};

/** Twelve steps, ten seconds each of which nine are the step's own, on 1.8 cores. */
function courseOfTwelve(): Course {
  const course = new Course();
  for (let step = 1; step <= 12; step++) {
    course.add({
      kind: "step",
      stage: step <= 8 ? "first" : "second",
      step,
      tokens: step * 100,
      seconds: step * 10,
      coreHours: (step * 18) / 3600,
      loss: 20 - step,
      mtpLoss: [],
      balanceLoss: 0,
      gradNorm: 1,
      lr: 0.01,
      tokensPerSecond: 100 / 9,
      tflops: 0.5,
      memoryMB: 512,
      busiest: [1.5, 2.5],
      idle: [0, 1],
      skipped: false,
      accuracy: Number.NaN,
    });
  }
  return course;
}

const at = (course: Course, more: Partial<RunFolder> = {}, silentSeconds = 5) =>
  figuresOf({ ...folder, ...more }, course, { writtenAt: 1_000_000, now: 1_000_000 + silentSeconds * 1000 });

describe("the figures of a run", () => {
  it("time, speed and what is left", () => {
    const figures = at(courseOfTwelve());
    expect(figures).toMatchObject({
      state: "running",
      step: 12,
      tokens: 1200,
      totalTokens: 2400,
      progress: 0.5,
      seconds: 120,
    });
    expect(figures.tokensPerSecond.median).toBeCloseTo(100 / 9, 12);
    expect(figures.secondsLeft).toBeCloseTo(1200 / (100 / 9), 9);
    expect(figures.coresBusy).toBeCloseTo(1.8, 12);
    expect(figures.stepShare).toBeCloseTo(0.9, 12);
    expect(figures.loss).toBeCloseTo(13.5, 12);
    expect(figures.experts).toEqual({ busiest: 2.5, idle: 1 });
  });

  it("operations and the share of the peak", () => {
    const { flops, utilisation } = at(courseOfTwelve());
    // 0.5 TFLOP/s for nine seconds of each step.
    expect(flops / (12 * 9 * 0.5e12)).toBeCloseTo(1, 12);
    // Over the whole clock, and in the fastest steps.
    expect(utilisation.mean).toBeCloseTo((0.9 * 0.5) / 2, 12);
    expect(utilisation.high).toBeCloseTo(0.25, 12);
  });

  it("the bill, at the recipe's prices or others", () => {
    const { bill, deepseek } = at(courseOfTwelve());
    expect(bill.coreHours).toBeCloseTo(0.06, 12);
    expect(bill.usd).toBeCloseTo(0.03, 12);
    expect(bill.usdPerMillionTokens).toBeCloseTo(25, 9);
    expect(bill.usdPerExaflop).toBeCloseTo(0.03 / 54e-6, 6);
    expect(bill).toMatchObject({ wattsPerCore: 9, wattsAssumed: true });
    expect(bill.kwh).toBeCloseTo(0.06 * 0.009, 12);
    expect(deepseek).toMatchObject({ usd: 5.576e6, gpuHours: 2.788e6 });
    const other = figuresOf(folder, courseOfTwelve(), {
      writtenAt: 0,
      now: 0,
      prices: { usdPerCoreHour: 1, wattsPerCore: 20, peakTflops: 1 },
    });
    expect(other.bill).toMatchObject({ wattsAssumed: false, wattsPerCore: 20 });
    expect(other.bill.usd).toBeCloseTo(0.06, 12);
    expect(other.utilisation.high).toBeCloseTo(0.5, 12);
  });

  it("stages as planned and as gone", () => {
    const [first, second, ...rest] = at(courseOfTwelve()).stages;
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ name: "first", plannedTokens: 800, seconds: 80, firstLoss: 19, tokensPerSecond: 10 });
    expect(second).toMatchObject({ fromTokens: 800, toTokens: 1200, seconds: 40, loss: 9.5 });
    expect(second.usd).toBeCloseTo(0.01, 12);
  });

  it("what the planner says of the same steps", () => {
    const { prediction } = at(courseOfTwelve());
    const hardware = { ...findHardware("CPU-AVX512"), bf16: 2e12 };
    const plan = planTraining({ counts: folder.counts!, tokens: 1200, hardware, gpus: 1, context: 50 });
    expect(prediction!.hours.mid).toBeCloseTo(plan.gpuHours.mid, 12);
    expect(prediction!.tokensPerSecond).toBeCloseTo(1200 / (plan.gpuHours.mid * 3600), 6);
    expect(prediction!.mfu).toBeCloseTo(plan.mfu.mid, 9);
  });

  it("whether it runs", () => {
    expect(at(new Course()).state).toBe("not begun");
    expect(at(courseOfTwelve(), {}, 119).state).toBe("running");
    expect(at(courseOfTwelve(), {}, 121).state).toBe("stopped");
    expect(at(courseOfTwelve(), { finished: true })).toMatchObject({ state: "finished", progress: 1, secondsLeft: 0 });
  });

  it("says nothing where nothing is known", () => {
    const bare = { recipe: null, config: null, counts: null, sources: [], totalTokens: Number.NaN };
    const figures = at(new Course(), bare);
    expect(figures).toMatchObject({ prediction: null, validation: null, skippedDocuments: 0, stages: [] });
    for (const value of [figures.progress, figures.loss, figures.bill.usd, figures.utilisation.mean])
      expect(value).toBeNaN();
  });
});

describe("what a stage learns from", () => {
  it("shares by weight and size, from the cache", () => {
    const shares = sharesOf(recipe.stages[0], { folder, course: new Course() });
    // 1 × 1000 against 3 × 200; 800 tokens in all.
    expect(shares).toMatchObject([
      { name: "a/big.jsonl", share: 0.625, passes: 0.5, skipped: 2 },
      { name: "small.txt", share: 0.375, passes: 1.5, skipped: 1 },
    ]);
    expect(at(new Course()).skippedDocuments).toBe(3);
  });

  it("the ledger's word before the cache's, each source counted once", () => {
    const course = new Course();
    const data = { kind: "event", event: "data", step: 0, tokens: 0, documents: 1, source: "small.txt" };
    for (const stage of ["first", "second"])
      course.addLine(JSON.stringify({ ...data, stage, sourceTokens: 1000, skipped: 7 }));
    expect(sharesOf(recipe.stages[1], { folder, course })[0]).toMatchObject({
      name: "small.txt",
      share: 0.75,
      skipped: 7,
    });
    expect(at(course).skippedDocuments).toBe(7);
  });

  it("no shares where a size is not known, or two could be meant", () => {
    const twice = { sources: [...folder.sources, folder.sources[0]] };
    expect(sharesOf(recipe.stages[0], { folder: twice, course: new Course() })).toMatchObject([
      { name: "a/big.jsonl", tokens: null, share: null, passes: null },
      { name: "small.txt", tokens: 200, share: null },
    ]);
  });
});
