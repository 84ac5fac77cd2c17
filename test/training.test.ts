/** Training end to end on a tiny world: it learns, it balances, and nothing that stops it loses or changes anything. */
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Random } from "../src/base/index.ts";
import { latestState, openFolder, openSafetensors } from "../src/checkpoint/index.ts";
import { Mixture } from "../src/data/index.ts";
import { createTrainingWeights, Transformer } from "../src/model/index.ts";
import { createKernels } from "../src/tensor/index.ts";
import { parseRecipe, resolveStages, Trainer, train } from "../src/train/index.ts";
import { course, ledgerOf, weightsOf } from "./runs.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const kernels = createKernels();

const recipe = parseRecipe(tinyRecipe());

/** One run without a break, that the others are held against. */
const whole = join(dir, "whole");
const finished = await train(recipe, { out: whole, data, kernels });

describe("a run", () => {
  it("learns: the loss falls, validation with it, and every stage is done", () => {
    const steps = ledgerOf(whole).filter((record) => record.kind === "step");
    const pretrain = steps.filter(({ stage }) => stage === "pretrain");
    expect(finished).toMatchObject({ finished: true, steps: 20, tokens: 5120, model: join(whole, "model") });
    expect(pretrain[0].loss).toBeGreaterThan(5.4);
    expect(pretrain.at(-1)!.loss).toBeLessThan(pretrain[0].loss - 1.5);
    expect(pretrain.at(-1)!.mtpLoss[0]).toBeLessThan(pretrain[0].mtpLoss[0] - 0.8);
    const validations = ledgerOf(whole).filter((record) => record.kind === "validation");
    expect(validations.length).toBeGreaterThan(1);
    expect(Object.keys(validations[0].bySlice)).toEqual(["stories"]);
    expect(finished.bitsPerByte).toBe(validations.at(-1)!.bitsPerByte);
  });

  it("keeps the bill: tokens, seconds, core-hours, price", () => {
    const steps = ledgerOf(whole).filter((record) => record.kind === "step");
    for (const [i, step] of steps.entries()) {
      expect(step.step).toBe(i + 1);
      expect(step.seconds).toBeGreaterThan(steps[i - 1]?.seconds ?? 0);
      expect(step.coreHours).toBeGreaterThanOrEqual(steps[i - 1]?.coreHours ?? 0);
      expect(step.usd).toBeCloseTo(step.coreHours * 0.02, 12);
      expect(step.idle.length).toBe(step.busiest.length);
      // 65,000 parameters' worth of products, give or take, forward and backward.
      expect((step.tflops * 1e12) / step.tokensPerSecond).toBeGreaterThan(6 * 40_000);
      expect(step.utilisation).toBeUndefined();
    }
  });

  it("ends in a folder with tokenizer, configuration and MTP weights", () => {
    const folder = openFolder(join(whole, "model"));
    expect(readdirSync(join(whole, "model")).sort()).toEqual([
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    expect(folder.tensors.get("model.layers.2.eh_proj.weight")?.dtype).toBe("BF16");
  });

  it("the same recipe gives the same bits", async () => {
    const again = join(dir, "again");
    await train(recipe, { out: again, data, kernels });
    expect(course(again)).toEqual(course(whole));
    expect(weightsOf(again).equals(weightsOf(whole))).toBe(true);
  });

  it("stopped after any step it goes on as if it had not been", async () => {
    const out = join(dir, "stopped");
    for (const maxSteps of [1, 7, 16, 19]) {
      const result = await train(recipe, { out, data, kernels, maxSteps, resume: maxSteps > 1 });
      expect(result).toMatchObject({ finished: false, steps: maxSteps });
    }
    const last = await train(recipe, { out, data, kernels, resume: true });
    expect(last).toMatchObject({ finished: true, steps: 20 });
    expect(course(out)).toEqual(course(whole));
    expect(weightsOf(out).equals(weightsOf(whole))).toBe(true);
  });

  it("resumed when all is done it only writes the model again", async () => {
    const out = join(dir, "done");
    cpSync(whole, out, { recursive: true });
    rmSync(join(out, "model"), { recursive: true });
    expect(await train(recipe, { out, data, kernels, resume: true })).toMatchObject({ finished: true, steps: 20 });
    expect(weightsOf(out).equals(weightsOf(whole))).toBe(true);
  });

  it("never writes over another run", async () => {
    await expect(train(recipe, { out: whole, data, kernels })).rejects.toThrow(
      /holds a run already; go on with --resume/,
    );
    const other = parseRecipe({ ...tinyRecipe(), seed: 4 });
    await expect(train(other, { out: whole, data, kernels, resume: true })).rejects.toThrow(/recipe is not the one/);
  });

  it("lets stages that have not begun be changed, and lengthens the context by YaRN", async () => {
    const out = join(dir, "changed");
    await train(recipe, { out, data, kernels, maxSteps: 3 });
    const longer = tinyRecipe();
    Object.assign((longer.stages as object[])[1], { contextFactor: 2, sequenceLength: 256, batchSequences: 2 });
    expect(await train(parseRecipe(longer), { out, data, kernels, resume: true })).toMatchObject({ finished: true });
    const { config } = openFolder(join(out, "model"));
    expect(config).toMatchObject({ max_position_embeddings: 256, rope_scaling: { type: "yarn", factor: 2 } });
    // A stage that was changed before it began is then the one to go on with.
    const halfway = join(dir, "changed-halfway");
    await train(recipe, { out: halfway, data, kernels, maxSteps: 3 });
    await train(parseRecipe(longer), { out: halfway, data, kernels, resume: true, maxSteps: 18 });
    expect(await train(parseRecipe(longer), { out: halfway, data, kernels, resume: true })).toMatchObject({
      finished: true,
    });
    expect(course(halfway)).toEqual(course(out));
    const begun = tinyRecipe();
    Object.assign((begun.stages as object[])[0], { lr: 0.02 });
    await expect(train(parseRecipe(begun), { out, data, kernels, resume: true })).rejects.toThrow(
      /recipe is not the one/,
    );
  });

  it("says which data is missing or empty", async () => {
    const without = tinyRecipe();
    (without.stages as { mixture: unknown }[])[0].mixture = [{ path: "nowhere.jsonl" }];
    await expect(train(parseRecipe(without), { out: join(dir, "x1"), data, kernels })).rejects.toThrow(
      /nowhere\.jsonl: there is no such/,
    );
    mkdirSync(join(dir, "empty"), { recursive: true });
    for (const name of ["stories", "chats", "validation"]) writeFileSync(join(dir, "empty", `${name}.jsonl`), "\n");
    await expect(train(recipe, { out: join(dir, "x2"), data: join(dir, "empty"), kernels })).rejects.toThrow(/no text/);
  });
});

describe("bias balancing", () => {
  it("brings a router that favours one expert from 3 × the mean to under 1.5 ×", () => {
    const small = parseRecipe({ ...tinyRecipe(), precision: "f32" });
    const model = { ...small.model, n_routed_experts: 8, num_experts_per_tok: 2 };
    const [{ config }] = resolveStages({ ...small, model }, { vocabSize: 64, bosId: 0, eosId: 1 });
    const training = createTrainingWeights(config, 1);
    const expertLayers = [...training.weights.layers, ...training.weights.mtp.map(({ layer }) => layer)].flatMap(
      ({ experts }) => experts ?? [],
    );
    // The favourite: sigmoid scores lie in (0, 1), so half a point of bias wins nearly always.
    for (const { bias } of expertLayers) bias![3] = 0.4;
    const trainer = new Trainer(new Transformer(config, training.weights), training, kernels, small);
    const random = new Random(2);
    const tokens = Int32Array.from({ length: 4000 }, () => random.below(64));
    const corpus = {
      tokens,
      mask: new Uint8Array(4000).fill(1),
      starts: Int32Array.from([0, 4000]),
      skipped: 0,
      skippedBy: {},
      textBytes: 4000,
    };
    const mixture = new Mixture([{ corpus, weight: 1 }], {
      packing: "documents",
      loss: "all",
      sequenceLength: 64,
      mtpDepths: 1,
      seed: 1,
    });
    const options = { lr: 0, mtpWeight: 0.3, balanceAlpha: 0, biasUpdateSpeed: 0.002 };
    trainer.step([mixture.next(4)], options);
    const before = trainer.loads.summary().busiest;
    for (let i = 0; i < 250; i++) trainer.step([mixture.next(4)], options);
    const after = trainer.loads.summary().busiest;
    for (const [layer, load] of before.entries()) {
      expect(load).toBeGreaterThan(3);
      expect(after[layer]).toBeLessThan(1.5);
    }
  });
});

describe("the files of a run", () => {
  it("checkpoints hold weights, moments and biases in f32", () => {
    const state = latestState(join(whole, "checkpoints"), () => {})!;
    expect(Object.keys(state.buffers).sort()).toEqual(["biases", "flat", "m", "v"]);
    expect(readdirSync(join(whole, "checkpoints")).length).toBeLessThanOrEqual(2);
    expect(openSafetensors(join(whole, "model", "model.safetensors")).tensors.size).toBeGreaterThan(30);
  });
});
