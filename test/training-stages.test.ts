/** Stages beyond the first: from any folder, in full or by low-rank additions, with preferences; and what the ledger keeps of them. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  configOf,
  latestState,
  loadTrainingWeights,
  openFolder,
  openSafetensors,
  writeSafetensors,
} from "../src/checkpoint/index.ts";
import { batchOf, Transformer } from "../src/model/index.ts";
import { Arena, createKernels, Tape } from "../src/tensor/index.ts";
import { loadTokenizer } from "../src/text/index.ts";
import { parseRecipe, type StepRecord, train } from "../src/train/index.ts";
import { mixtureOf } from "../src/train/run/inputs.ts";
import { course, ledgerOf, weightsOf } from "./runs.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const kernels = createKernels();

/** A model that others start from. */
const first = join(dir, "first");
await train(parseRecipe({ ...tinyRecipe(), export: "fp8" }), { out: first, data, kernels });
const from = join(first, "model");

const stage = { tokens: 2048, sequenceLength: 64, batchSequences: 4, microBatchSequences: 2, lr: 0.003 };
const chat = { name: "chat", ...stage, mixture: [{ path: "chats.jsonl" }], packing: "chats", loss: "assistant" };
const stepsOf = (out: string) => ledgerOf(out).filter((record): record is StepRecord => record.kind === "step");
const tensorOf = (folder: string, name: string) =>
  Buffer.from(openSafetensors(join(folder, "model.safetensors")).bytes(name));

/** Runs a recipe in one go and in pieces, and expects the same. */
async function runTwice(name: string, json: Record<string, unknown>, pieces: number[]): Promise<string> {
  const recipe = parseRecipe({ name, ...json });
  const [out, broken] = [join(dir, name), join(dir, `${name}-broken`)];
  expect(await train(recipe, { out, data, kernels })).toMatchObject({ finished: true });
  for (const maxSteps of pieces) await train(recipe, { out: broken, data, kernels, resume: true, maxSteps });
  expect(await train(recipe, { out: broken, data, kernels, resume: true })).toMatchObject({ finished: true });
  expect(course(broken)).toEqual(course(out));
  expect(weightsOf(broken).equals(weightsOf(out))).toBe(true);
  return out;
}

describe("packed conversations", () => {
  const tokenizer = loadTokenizer(from);
  const folder = openFolder(from);
  const config = configOf(folder);
  const model = new Transformer(config, loadTrainingWeights(folder, config, kernels).weights);
  const tape = () => new Tape({ kernels, arena: new Arena(), precision: "f32" });

  it("see nothing of their neighbours, and only the assistant's words and the end of its turns are learnt", async () => {
    const { stages } = parseRecipe({ name: "packed", from, stages: [chat] });
    const inputs = { tokenizer, mtpDepths: 1, seed: 1 };
    const batch = (await mixtureOf(stages[0], inputs, { out: join(dir, "packed"), data })).mixture.next(2);
    const { segments, ids, targets, positions } = batch;
    const together = model.forward(tape(), batch).data;
    expect(segments.length / 4).toBeGreaterThan(5);
    const D = config.hiddenSize;
    for (let s = 0; s < segments.length / 4 - 1; s++) {
      const [start, length] = segments.subarray(4 * s);
      const own = ids[0].slice(start, start + length);
      const alone = model.forward(tape(), batchOf([own])).data;
      alone.forEach((x, i) => {
        expect(together[start * D + i]).toBeCloseTo(x, 5);
      });
      expect(positions[start]).toBe(0);
      const learnt = [...targets[0].subarray(start, start + length)].filter((id) => id >= 0);
      expect(learnt.at(-1)).toBe(tokenizer.eosId);
      expect(tokenizer.decode(learnt.slice(0, -1))).toMatch(/^(Ada|Bo|Cy|Dee|Eli|Fay)$/);
      // The MTP depth never predicts across the end of its conversation either.
      expect(targets[1][start + length - 1]).toBe(-1);
      expect(targets[1][start + length - 2]).toBe(-1);
    }
  });
});

describe("from a folder", () => {
  it("full tuning goes on from its weights (here in FP8), with its tokenizer and shape", async () => {
    const before = stepsOf(first).at(-1)!.loss;
    const out = await runTwice("full", { from, stages: [chat], export: "f32" }, [3]);
    const losses = stepsOf(out).map(({ loss }) => loss);
    expect(losses[0]).toBeLessThan(before + 0.5);
    expect(losses.at(-1)!).toBeLessThan(losses[0]);
    const { quantization_config, dtype, ...config } = openFolder(from).config;
    expect(openFolder(join(out, "model")).config).toEqual({ ...config, dtype: "float32" });
    expect(readFileSync(join(out, "model", "tokenizer.json"))).toEqual(readFileSync(join(from, "tokenizer.json")));
  });

  it("a context that YaRN has lengthened already can be lengthened again", async () => {
    const longer = (name: string, folder: string, sequenceLength: number) =>
      train(parseRecipe({ name, from: folder, stages: [{ ...chat, sequenceLength, contextFactor: 2 }] }), {
        out: join(dir, name),
        data,
        kernels,
      });
    const once = await longer("longer", from, 256);
    await longer("longest", once.model!, 512);
    expect(openFolder(join(dir, "longest", "model")).config).toMatchObject({
      max_position_embeddings: 512,
      rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 128 },
    });
  });

  it("with several chat templates, it takes them along, and goes on with them", async () => {
    const named = join(dir, "named");
    cpSync(from, named, { recursive: true });
    const template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}";
    mkdirSync(join(named, "additional_chat_templates"));
    for (const file of ["chat_template.jinja", "additional_chat_templates/tool_use.jinja"])
      writeFileSync(join(named, file), template);
    const recipe = parseRecipe({ name: "named", from: named, stages: [chat] });
    const options = { out: join(dir, "with-templates"), data, kernels };
    await train(recipe, { ...options, maxSteps: 1 });
    await train(recipe, { ...options, resume: true });
    expect(readFileSync(join(options.out, "model", "additional_chat_templates", "tool_use.jinja"), "utf8")).toBe(
      template,
    );
  });

  it("without its MTP depths, training says so and does without", async () => {
    const bare = join(dir, "bare");
    cpSync(from, bare, { recursive: true });
    const { tensors, bytes } = openSafetensors(join(from, "model.safetensors"));
    const kept = [...tensors.values()].filter(({ name }) => !name.startsWith("model.layers.2."));
    writeSafetensors(
      join(bare, "model.safetensors"),
      kept.map(({ name, dtype, shape }) => ({ name, dtype, shape, data: bytes(name) })),
    );
    const messages: string[] = [];
    const out = join(dir, "without-mtp");
    const recipe = parseRecipe({ name: "without-mtp", from: bare, stages: [chat] });
    await train(recipe, { out, data, kernels, onMessage: (message) => messages.push(message) });
    expect(messages).toContain(
      `${bare}: config.json names 1 MTP depths and the weights hold 0: training goes on with those`,
    );
    expect(stepsOf(out).every(({ mtpLoss }) => mtpLoss.length === 0)).toBe(true);
    expect(openFolder(join(out, "model")).config.num_nextn_predict_layers).toBe(0);
  });

  it("a recipe for a folder brings no model of its own, and says what is missing of it", async () => {
    const refused = (json: object, message: RegExp) =>
      expect(() => parseRecipe({ name: "x", ...json })).toThrow(message);
    refused({ from, stages: [chat], model: { hidden_size: 4 } }, /"from" brings its own model; leave out one/);
    refused({ stages: [chat] }, /tokenizer is missing \(or give a "size": .*; or name a model's folder in "from"\)/);
    refused({ ...tinyRecipe(), lora: {} }, /lora adds to a model that is there; name its folder in "from"/);
    const recipe = parseRecipe({ name: "x", from: "nowhere", stages: [chat] });
    await expect(train(recipe, { out: join(dir, "x"), data, kernels })).rejects.toThrow(
      /nowhere: there is no such folder/,
    );
  });
});

describe("low-rank additions", () => {
  const lora = { rank: 4, alpha: 8 };
  const json = { from, lora, stages: [{ ...chat, lr: 0.01 }], export: "f32" };

  it("learn, leave embedding, head and norms, and are merged on export; only they stand in checkpoints", async () => {
    const out = await runTwice("lora", json, [2, 5]);
    const losses = stepsOf(out).map(({ loss }) => loss);
    expect(losses.at(-1)!).toBeLessThan(losses[0] - 0.1);
    // Written again as it was read: FP8 widened to f32.
    const still = join(dir, "still");
    await train(parseRecipe({ name: "still", ...json, stages: [{ ...chat, tokens: 1, lr: 1e-30 }] }), {
      out: still,
      data,
      kernels,
    });
    const same = (name: string) => tensorOf(join(out, "model"), name).equals(tensorOf(join(still, "model"), name));
    for (const name of ["model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"])
      expect(same(name)).toBe(true);
    for (const part of ["self_attn.o_proj", "mlp.experts.1.down_proj"])
      expect(same(`model.layers.1.${part}.weight`)).toBe(false);
    const { buffers } = latestState(join(out, "checkpoints"), () => {})!;
    expect(Object.keys(buffers).sort()).toEqual(["adapters", "biases", "m", "v"]);
  });

  it("are not put onto other weights than those that they were trained on", async () => {
    const moving = join(dir, "moving");
    cpSync(from, moving, { recursive: true });
    const recipe = parseRecipe({ name: "moved", ...json, from: moving });
    const out = join(dir, "moved");
    await train(recipe, { out, data, kernels, maxSteps: 2 });
    cpSync(join(dir, "full", "model"), moving, { recursive: true });
    await expect(train(recipe, { out, data, kernels, resume: true })).rejects.toThrow(
      /moving: holds other weights than when the run in .*moved began/,
    );
  });
});

describe("a stage of preferences", () => {
  const NAMES = ["Ada", "Bo", "Cy", "Dee", "Eli", "Fay"];
  const pairs = Array.from({ length: 30 }, (_, i) => ({
    prompt: `Who is number ${i % 6}?`,
    chosen: NAMES[3 + (i % 3)],
    rejected: NAMES[i % 3],
  }));
  mkdirSync(data, { recursive: true });
  const lines = [...pairs.map((pair) => JSON.stringify(pair)), "{broken", '{"prompt": "only"}'];
  writeFileSync(join(data, "pairs.jsonl"), lines.join("\n"));
  const prefer = { name: "prefer", ...stage, tokens: 8192, preference: { path: "pairs.jsonl", beta: 0.5 } };

  it("follows others, tells the replies apart in the end, and goes on where it stopped", async () => {
    const out = await runTwice("preferred", { from, stages: [chat, prefer] }, [8, 9, 20]);
    const steps = stepsOf(out).filter(({ stage }) => stage === "prefer");
    expect(steps[0].rewards!.margin).toBeCloseTo(0, 1);
    expect(steps[0].loss).toBeCloseTo(Math.LN2, 1);
    expect(steps.at(-1)!.rewards!.accuracy).toBeGreaterThan(0.9);
    expect(steps.at(-1)!.rewards!.margin).toBeGreaterThan(1);
    const described = ledgerOf(out).find(
      (record) => record.kind === "event" && record.event === "data" && record.stage === "prefer",
    );
    expect(described).toMatchObject({ source: "pairs.jsonl", documents: 30, skipped: 2 });
  });

  it("can be refused its bad lines, and says when there is nothing to prefer", async () => {
    const run = (json: object, name: string) =>
      train(parseRecipe({ name, from, stages: [prefer], ...json }), { out: join(dir, name), data, kernels });
    await expect(run({ onBadData: "refuse" }, "refused")).rejects.toThrow(/pairs\.jsonl:31: not valid JSON/);
    const none = { ...prefer, preference: { path: "stories.jsonl" } };
    await expect(run({ stages: [none] }, "none")).rejects.toThrow(/stories\.jsonl: there are no pairs/);
  });
});

describe("the ledger", () => {
  it("keeps samples of the model as it learns, the same in every run of the recipe", async () => {
    const samples = { everySteps: 4, prompts: ["Ada sees", { chat: "Who is number 2?" }], maxTokens: 12 };
    const out = await runTwice("sampled", { from, stages: [chat], samples }, [5]);
    const texts = ledgerOf(out).filter((record) => record.kind === "sample");
    expect(texts.map(({ step, prompt }) => [step, prompt])).toEqual(
      [4, 8].flatMap((step) => [
        [step, "Ada sees"],
        [step, "Who is number 2?"],
      ]),
    );
    expect(texts.every(({ text }) => text.length > 0)).toBe(true);
  });

  it("names each stage and what its data hold, once", async () => {
    const events = ledgerOf(join(dir, "full")).filter(
      (record) => !(record.kind === "event" && record.event === "model") && record.kind === "event",
    );
    expect(events).toEqual([
      expect.objectContaining({ event: "stage", step: 0, stage: "chat", sequenceLength: 64, stageTokens: 2048 }),
      expect.objectContaining({ event: "data", source: "chats.jsonl", documents: 40, skipped: 0 }),
    ]);
  });
});

it("a batch ramp begins with small steps and ends with full ones, over the same tokens", async () => {
  const ramp = { ...chat, tokens: 4096, batchSequences: 8, batchRamp: { from: 2, until: 0.5 } };
  const out = await runTwice("ramp", { from, stages: [ramp] }, [4]);
  const steps = stepsOf(out);
  const sequences = steps.map(({ tokens }, i) => (tokens - (steps[i - 1]?.tokens ?? 0)) / 64);
  expect(sequences[0]).toBe(2);
  expect(sequences.slice(0, -1)).toEqual([...sequences.slice(0, -1)].sort((a, b) => a - b));
  expect(Math.max(...sequences)).toBe(8);
  expect(steps.at(-1)!.tokens).toBe(4096);
});
