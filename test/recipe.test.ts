import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadRecipe, parseRecipe } from "../src/train/recipe.ts";
import { biasUpdateSpeed, learningRate, mtpWeight } from "../src/train/schedule.ts";
import { tinyRecipe } from "./tiny.ts";

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
    ["tokenizer", { vocabSize: 320, digits: 2 }, /tokenizer/],
    ["tokenizer", { vocabsize: 320 }, /tokenizer/],
    ["precision", "fp4", /precision: /],
    ["export", "int4", /export: /],
  ])("%s = %j is refused by name", (path, value, message) => {
    const parse = () => parseRecipe(changed(path, value), "my.json");
    expect(parse).toThrow(message);
    expect(parse).toThrow(/^my\.json: [^\n]+$/);
  });

  it.each([[null], [4], ["recipe"], [[]]])("%j is no recipe", (json) => {
    expect(() => parseRecipe(json)).toThrow(/^recipe: the recipe: [^\n]+$/);
  });

  it("a file that is missing or broken is named", () => {
    expect(() => loadRecipe(join(dir, "none.json"))).toThrow(/none\.json: the recipe cannot be read \(ENOENT\)/);
    writeFileSync(join(dir, "broken.json"), "{");
    expect(() => loadRecipe(join(dir, "broken.json"))).toThrow(/broken\.json: not valid JSON: /);
  });
});

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

  it("the MTP weight drops where the rate falls; the biases rest at the end", () => {
    expect([mtpWeight(stage, 0.5), mtpWeight(stage, 0.6)]).toEqual([0.3, 0.1]);
    expect([biasUpdateSpeed(stage, 0.96), biasUpdateSpeed(stage, 0.98)]).toEqual([0.001, 0]);
  });
});
