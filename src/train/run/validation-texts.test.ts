import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { trainBpe } from "../../text/index.ts";
import { parseRecipe } from "../recipe/recipe.ts";
import type { Recipe } from "../recipe/schema.ts";
import { mixtureOf } from "./inputs.ts";
import { validationTexts } from "./validation-texts.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-validation-"));
afterAll(() => rmSync(dir, { recursive: true }));
const options = { out: join(dir, "run"), data: dir };
const tokenizer = trainBpe({ texts: ["fish number one and boat number two ".repeat(20)], vocabSize: 290, digits: 1 });

const texts = Array.from({ length: 400 }, (_, i) => `fish number ${i} and boat number ${i * 7}`);
const chat = { messages: [{ role: "user", content: "Hi" }, { role: "assistant", content: "Hello" }] }; // biome-ignore format: one line
writeFileSync(join(dir, "a.jsonl"), texts.slice(0, 300).map((text) => JSON.stringify({ body: text })).join("\n")); // biome-ignore format: one line
writeFileSync(join(dir, "b.jsonl"), [...texts.slice(300).map((text) => JSON.stringify({ text })), JSON.stringify(chat), "{bad"].join("\n")); // biome-ignore format: one line

const recipe = (changes: Record<string, unknown> = {}): Recipe =>
  parseRecipe({
    name: "held",
    from: "model",
    stages: [
      {
        name: "all",
        tokens: 1000,
        lr: 0.001,
        sequenceLength: 16,
        mixture: [{ path: "a.jsonl", field: "body" }, { path: "b.jsonl" }],
      },
    ],
    validation: { share: 0.1, documents: 1000 },
    ...changes,
  });

describe("a share of the recipe's own documents", () => {
  it("is validated on and not trained on, source by source", async () => {
    const given = recipe();
    const held = await validationTexts(given, given.validation!, tokenizer, 64, options);
    const heldTexts = held.map(({ ids }) => tokenizer.decode([...ids].slice(1)));
    expect(heldTexts.length / 400).toBeCloseTo(0.1, 1);
    for (const text of heldTexts) expect(texts).toContain(text);
    expect(new Set(held.map(({ slice }) => slice))).toEqual(new Set(["a.jsonl", "b.jsonl"]));
    for (const [i, { units }] of held.entries()) expect(units).toBe(heldTexts[i].length);

    const inputs = { tokenizer, mtpDepths: 0, seed: 1, held: 0.1 };
    const { mixture, sources } = await mixtureOf(given.stages[0], inputs, options);
    expect(sources.reduce((sum, { documents }) => sum + documents, 0)).toBe(401 - heldTexts.length);
    expect(sources[1]).toMatchObject({ skipped: 1, skippedBy: { "not valid JSON": 1 } });
    const seen = tokenizer.decode(Array.from({ length: 1200 }, () => [...mixture.next(1).ids[0]]).flat());
    for (const text of heldTexts) expect(seen).not.toContain(`${text}<`);
  });

  it("is always the same, cut to the context, and as many documents as are asked for", async () => {
    const given = recipe({ validation: { share: 0.1, documents: 5 } });
    const run = () => validationTexts(given, given.validation!, tokenizer, 8, options);
    const held = await run();
    expect(held.map(({ ids }) => ids.length)).toEqual([8, 8, 8, 8, 8]);
    expect(await run()).toEqual(held);
  });

  it("a share of which nothing comes is an error", async () => {
    const given = recipe({ validation: { share: 1e-9 } });
    await expect(validationTexts(given, given.validation!, tokenizer, 8, options)).rejects.toThrow(
      /validation\.share: /,
    );
  });
});

describe("sources in a recipe", () => {
  const mixture = (source: unknown) =>
    recipe({ stages: [{ name: "s", tokens: 1, lr: 1, mixture: [source] }] }).stages[0].mixture[0];

  it("data sets, fields and tasks that are apart", () => {
    expect(mixture({ dataset: "owner/name", promptField: "q", replyField: "a" })).toEqual({
      dataset: "owner/name",
      split: "train",
      promptField: "q",
      replyField: "a",
      weight: 1,
    });
    expect(mixture({ path: "x" })).toEqual({ path: "x", weight: 1 });
    expect(mixture({ tasks: ["bug"], apart: true })).toMatchObject({ apart: true });
  });

  it.each([
    [{ dataset: "owner/name", splitt: "train" }, /splitt/],
    [{ path: "x", dataset: "y" }, /mixture\.0/],
  ])("%j is refused", (source, message) => {
    expect(() => mixture(source)).toThrow(message);
  });

  it("validation is on a file or on a share", () => {
    expect(() => recipe({ validation: { share: 0.1, path: "x" } })).toThrow(/validation/);
    expect(() => recipe({ validation: { share: 0.9 } })).toThrow(/validation/);
  });
});
