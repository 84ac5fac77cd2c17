import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { loadRecipe, parseRecipe, runFolderOf } from "../src/train/recipe/recipe.ts";
import { batchSequences, biasUpdateSpeed, learningRate, mtpWeight, stageTokens } from "../src/train/recipe/schedule.ts";
import { recipeSchema } from "../src/train/recipe/schema.ts";
import { tinyRecipe } from "./tiny.ts";

const RECIPES = fileURLToPath(new URL("../recipes", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "shoal-recipe-"));
afterAll(() => rmSync(dir, { recursive: true }));

type Json = Record<string, unknown>;

/** The tiny recipe with a value put at a path of keys. */
function changed(path: string, value: unknown): Json {
  const recipe = tinyRecipe();
  const keys = path.split(".");
  let place: Json = recipe;
  for (const key of keys.slice(0, -1)) place = place[key] as Json;
  place[keys.at(-1)!] = value;
  return recipe;
}

describe("a recipe", () => {
  it("is read with defaults filled in", () => {
    const recipe = parseRecipe(tinyRecipe());
    expect(recipe.adamw).toEqual({ beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, clip: 1 });
    expect(recipe.stages[0].schedule).toEqual({
      warmup: 0.01,
      decayFrom: 0.68,
      decayTo: 0.97,
      final: 0.1,
      shape: "cosine",
    });
    expect(recipe.stages[1]).toMatchObject({ packing: "chats", loss: "assistant", balanceAlpha: 1e-4 });
  });

  it.each([
    ["sede", 1, /unknown field sede \(did you mean seed\?\)/],
    ["stages.0.warmpu", 1, /unknown field stages\.0\.warmpu/],
    ["stages.0.batchSequence", 4, /unknown field stages\.0\.batchSequence \(did you mean batchSequences\?\)/],
    ["model.hidden_sise", 4, /model\.hidden_sise is not a field of config\.json \(did you mean hidden_size\?\)/],
    ["model.hidden_size", -4, /hidden_size/],
    ["model.num_experts_per_tok", 9, /num_experts_per_tok/],
    ["stages", [], /stages: /],
    ["stages.0.tokens", 0, /stages\.0\.tokens: /],
    ["stages.0.tokens", "many", /stages\.0\.tokens: expected/],
    ["stages.0.lr", 0, /stages\.0\.lr: /],
    ["stages.0.mixture", [], /stages\.0\.mixture: /],
    ["stages.0.mixture", [{ path: "x", weight: -1 }], /stages\.0\.mixture\.0\.weight: /],
    ["stages.0.microBatchSequences", 3, /batchSequences 4 must be a multiple of microBatchSequences 3/],
    ["stages.0.sequenceLength", 256, /stages\.pretrain: sequenceLength 256 is above the model's 128 positions/],
    ["stages.0.schedule", { warmup: 0.5, decayFrom: 0.2 }, /warmup, decayFrom and decayTo must rise/],
    ["stages.0.schedule", { shape: "steps" }, /stages\.0\.schedule\.shape: /],
    [
      "stages.0.batchRamp",
      { from: 3, until: 0.1 },
      /stages\.0\.batchRamp\.from: 3 must be a multiple of microBatchSequences 2/,
    ],
    ["stages.0.batchRamp", { from: 8, until: 0.1 }, /batchRamp\.from: 8 must be .* up to 4/],
    ["stages.0.preference", { path: "pairs.jsonl" }, /stages\.0: has a mixture and a preference/],
    [
      "stages.0.preference",
      { path: "pairs.jsonl", bta: 1 },
      /unknown field stages\.0\.preference\.bta \(did you mean beta\?\)/,
    ],
    ["lora", { rank: 4 }, /lora adds to a model that is there/],
    ["onSpike", { windows: 9 }, /unknown field onSpike\.windows \(did you mean window\?\)/],
    ["samples", { prompts: [] }, /samples\.prompts: /],
    ["tokenizer", { vocabSize: 320, digits: 2 }, /tokenizer/],
    ["tokenizer", { vocabsize: 320 }, /tokenizer/],
    ["precision", "fp4", /precision: /],
    ["export", "int4", /export: /],
  ])("%s = %j is refused by name", (path, value, message) => {
    const parse = () => parseRecipe(changed(path, value), "my.json");
    expect(parse).toThrow(message);
    expect(parse).toThrow(/^my\.json: [^\n]+$/);
  });

  it("learns from data or from preferences", () => {
    const recipe = tinyRecipe();
    const [first] = recipe.stages as Json[];
    const { mixture: _, ...stage } = first;
    const parse = (stage: Json) => parseRecipe({ ...recipe, stages: [stage] });
    expect(() => parse(stage)).toThrow(/stages\.0\.mixture: names no data/);
    const preference = { path: "pairs.jsonl" };
    expect(() => parse({ ...stage, preference, microBatchSequences: 1 })).toThrow(
      /microBatchSequences must be at least 2/,
    );
    expect(parse({ ...stage, preference }).stages[0].preference).toEqual({ ...preference, beta: 0.1, nllWeight: 0 });
  });

  it.each(readdirSync(RECIPES).filter((name) => name.endsWith(".json")))("recipes/%s is one", (name) => {
    expect(loadRecipe(join(RECIPES, name)).name).toBe(name.replace(".json", ""));
  });

  it("has every field in its guide", () => {
    const guide = readFileSync(new URL("../docs/recipes.md", import.meta.url), "utf8");
    const missing = [...fieldNames(recipeSchema)].filter(
      (name) => !new RegExp(`[\`"]${name.replace("$", "\\$")}[\`"]`).test(guide),
    );
    expect(missing).toEqual([]);
  });

  it.each([[null], [4], ["recipe"], [[]]])("%j is no recipe", (json) => {
    expect(() => parseRecipe(json)).toThrow(/^recipe: the recipe: [^\n]+$/);
  });

  it("a file that is missing or broken is named", () => {
    expect(() => loadRecipe(join(dir, "none.json"))).toThrow(/none\.json: there is no such file/);
    writeFileSync(join(dir, "broken.json"), "{");
    expect(() => loadRecipe(join(dir, "broken.json"))).toThrow(/broken\.json: not valid JSON: /);
  });
});

/** Names of all fields in the schema. */
function fieldNames(schema: z.ZodType): Set<string> {
  const names = new Set<string>();
  const walk = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    for (const [key, inner] of Object.entries(node)) {
      if (key === "properties") for (const name of Object.keys(inner as object)) names.add(name);
      walk(inner);
    }
  };
  walk(z.toJSONSchema(schema, { io: "input" }));
  return names;
}

describe("schedule", () => {
  const stage = { ...parseRecipe(tinyRecipe()).stages[0], lr: 2, mtpWeight: [0.3, 0.1] as [number, number] };
  stage.schedule = { warmup: 0.1, decayFrom: 0.6, decayTo: 0.9, final: 0.1, shape: "cosine" };

  it("the learning rate rises, stays, falls along a cosine, stays", () => {
    const at = (done: number) => learningRate(stage, done);
    expect(at(0)).toBe(0);
    expect(at(0.05)).toBeCloseTo(1, 12);
    expect(at(0.1)).toBe(2);
    expect(at(0.59)).toBe(2);
    expect(at(0.75)).toBeCloseTo((2 + 0.2) / 2, 12);
    expect(at(0.9)).toBeCloseTo(0.2, 12);
    expect(at(1)).toBeCloseTo(0.2, 12);
  });

  it("falls along a line where that is asked for", () => {
    const linear = { ...stage, schedule: { ...stage.schedule, shape: "linear" as const, final: 0 } };
    expect(learningRate(linear, 0.675)).toBeCloseTo(1.5, 12);
    expect(learningRate(linear, 0.9)).toBe(0);
  });

  it("a step has all sequences, or with a ramp ever more of them in whole micro-batches, and the last what is left", () => {
    expect(batchSequences(stage, 0)).toBe(4);
    const ramp = { ...stage, batchSequences: 8, tokens: 20 * 512, batchRamp: { from: 2, until: 0.5 } };
    expect([0, 1000, 2600, 4000, 6000].map((done) => batchSequences(ramp, done))).toEqual([2, 2, 4, 6, 8]);
    expect(batchSequences(ramp, 20 * 512 - 128)).toBe(2);
    expect(stageTokens(ramp)).toBe(20 * 512);
  });

  it("the MTP weight drops where the rate falls; the biases rest at the end", () => {
    expect([mtpWeight(stage, 0.5), mtpWeight(stage, 0.6)]).toEqual([0.3, 0.1]);
    expect([biasUpdateSpeed(stage, 0.96), biasUpdateSpeed(stage, 0.98)]).toEqual([0.001, 0]);
  });
});

describe("a recipe's size", () => {
  const recipe = (changes: Json = {}) => ({
    name: "dial",
    size: "small",
    stages: [{ name: "s", tokens: 1, lr: 1, mixture: [{ path: "x" }] }],
    ...changes,
  });

  it.each(["tiny", "small", "medium", "large"])(
    "%s is all that a new model needs, and reads back as it was",
    (size) => {
      const whole = parseRecipe(recipe({ size }));
      expect(parseRecipe(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
      expect(whole.tokenizer).toMatchObject({ vocabSize: expect.any(Number) });
    },
  );

  it("gives way to fields that are written, and to long sequences", () => {
    const stages = [{ name: "s", tokens: 1, lr: 1, sequenceLength: 2048, mixture: [{ path: "x" }] }];
    const { model, tokenizer } = parseRecipe(
      recipe({ stages, model: { num_hidden_layers: 3 }, tokenizer: { from: "t" } }),
    );
    expect(model).toMatchObject({ num_hidden_layers: 3, hidden_size: 192, max_position_embeddings: 2048 });
    expect(tokenizer).toEqual({ from: "t" });
  });

  it("is refused by name, and beside a folder to start from", () => {
    expect(() => parseRecipe(recipe({ size: "huge" }))).toThrow(/size: .*"tiny"/);
    expect(() => parseRecipe(recipe({ from: "m" }))).toThrow(/"from" brings its own size/);
    expect(() => parseRecipe({ ...recipe(), size: undefined })).toThrow(
      /tokenizer is missing \(or give a "size": tiny, small/,
    );
  });
});

describe("the examples of the guides", () => {
  const examples = (page: string) =>
    [...readFileSync(new URL(`../docs/${page}`, import.meta.url), "utf8").matchAll(/```json\n([\s\S]*?)```/g)].map(
      ([, text]) => JSON.parse(text) as Json,
    );

  it.each(["recipes.md", "first-model.md"])("%s: every one can be run as it stands", (page) => {
    const all = examples(page);
    expect(all.length).toBeGreaterThan(0);
    for (const json of all) {
      // A stage is shown alone.
      if (!("stages" in json)) expect(parseRecipe({ ...recipeAround, stages: [json] }, page).stages.length).toBe(1);
      else parseRecipe(json, page);
    }
  });

  const recipeAround = { name: "around", size: "small" };
});

describe("a run's folder", () => {
  it.each(["../x", "a/b", "..", ".hidden", "~", "", " ", "a\\b", "a\nb", "-rf", "x".repeat(200), "con:1"])(
    "is not made from the name %j",
    (name) => {
      expect(() => runFolderOf({ name }, "my.json")).toThrow(/^my\.json: name [^\n]* --out$/);
    },
  );

  it.each(["tiny", "My model 2", "模型", "a.b-c_d"])("is made from the name %j", (name) => {
    expect(runFolderOf({ name })).toBe(join("runs", name));
  });
});

describe("numbers that no training survives", () => {
  it.each([
    ["model.rope_theta", 0, /model: rope_theta 0 must be above 1/],
    ["model.rope_theta", -1, /rope_theta -1/],
    ["model.rope_parameters", { rope_type: "default", rope_theta: 0 }, /rope_theta 0/],
    ["model.rms_norm_eps", 0, /rms_norm_eps 0/],
    ["model.routed_scaling_factor", 0, /routed_scaling_factor 0/],
    ["model.initializer_range", 1e30, /initializer_range 1e\+30/],
    ["model.initializer_range", -0.1, /initializer_range -0\.1/],
    ["model.n_group", 4, /n_group 4 leaves one expert to a group.*at most 2 groups of 4 experts/],
  ])("%s = %j is refused before any work", (path, value, message) => {
    const recipe = changed(path, value);
    if (path === "model.n_group") Object.assign(recipe.model as Json, { topk_group: 4 });
    expect(() => parseRecipe(recipe)).toThrow(message);
  });

  it("a byte order mark before a recipe is none of its text", () => {
    writeFileSync(join(dir, "bom.json"), `\ufeff${JSON.stringify(tinyRecipe())}`);
    expect(loadRecipe(join(dir, "bom.json")).name).toBe("tiny-test");
  });
});
