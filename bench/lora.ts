/**
 * What tuning by low-rank additions costs and does: trains recipes/lora-example.json (slips for orders, 200 examples) and prints the minutes,
 * how many replies to orders that it has not seen have the format, how many are right to the letter, and what became of its validation text:
 *   node bench/lora.ts [--out runs/lora] [--validation FILE] [--prompts 100] [--recipe FILE]
 * With --write it writes the recipe's examples, recipes/data/slips.jsonl, and what it rehearses beside them, recipes/data/rehearsal.jsonl: text
 * that the model itself writes when it is asked for nothing (after Robins 1995, pseudo-rehearsal). It does nothing else.
 */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { generate, loadModel, type Model, wholeOf } from "../src/infer/index.ts";
import { createKernels } from "../src/tensor/index.ts";
import { encodeChat } from "../src/text/index.ts";
import { loadRecipe, loadValidation, train, validate } from "../src/train/index.ts";
import { SLIP, slip } from "./slips.ts";

const EXAMPLES = 200;
const REHEARSED = 300;
/** Of a rehearsed text, in tokens. */
const LEAST_LENGTH = 100;
const MOST_LENGTH = 250;
const recipes = join(import.meta.dirname, "../recipes");

const { values } = parseArgs({
  options: {
    out: { type: "string", default: "runs/lora" },
    validation: { type: "string" },
    prompts: { type: "string", default: "100" },
    recipe: { type: "string", default: join(recipes, "lora-example.json") },
    write: { type: "boolean", default: false },
  },
});

const recipe = loadRecipe(values.recipe);
const recipeDir = dirname(values.recipe);
const base = resolve(recipeDir, recipe.from!);

/** Text as the model would have read it, beginning anywhere; conversations and what ends at once are left out. */
async function rehearsal(model: Model): Promise<string[]> {
  const start = model.tokenizer.encode("", { addBos: true });
  const texts: string[] = [];
  for (let seed = 0; texts.length < REHEARSED; seed++) {
    const settings = { temperature: 1, topP: 1, seed, maxTokens: MOST_LENGTH };
    const { text, ids } = await wholeOf(generate(model, start, settings));
    const special = new Set(model.tokenizer.special.values());
    if (ids.length >= LEAST_LENGTH && !ids.some((id) => special.has(id))) texts.push(text);
  }
  return texts;
}

if (values.write) {
  const write = (name: string, records: readonly object[]) =>
    writeFileSync(join(recipes, "data", name), records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  write(
    "slips.jsonl",
    Array.from({ length: EXAMPLES }, (_, i) => slip("train", i)),
  );
  write(
    "rehearsal.jsonl",
    (await rehearsal(loadModel(base))).map((text) => ({ text })),
  );
  process.exit(0);
}

/** Shares of the held-out prompts whose greedy reply has the format, and is right. */
async function adherence(model: Model): Promise<{ format: number; right: number; first: string }> {
  const counts = { format: 0, right: 0 };
  let first = "";
  const prompts = Number(values.prompts);
  for (let i = 0; i < prompts; i++) {
    const [question, answer] = slip("held-out", i).messages;
    const { ids } = encodeChat(model.tokenizer, [question], { addGenerationPrompt: true });
    const { text } = await wholeOf(generate(model, ids, { temperature: 0, maxTokens: 60 }));
    if (i === 0) first = `${question.content} → ${JSON.stringify(text)}`;
    if (SLIP.test(text.trim())) counts.format++;
    if (text.trim() === answer.content) counts.right++;
  }
  return { format: counts.format / prompts, right: counts.right / prompts, first };
}

async function measure(dir: string): Promise<void> {
  const model = loadModel(dir);
  const { format, right, first } = await adherence(model);
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  console.log(`  format ${percent(format)}, right ${percent(right)}; ${first}`);
  if (!values.validation) return;
  const texts = await loadValidation(values.validation, model.tokenizer, {
    documents: 104,
    maxTokens: model.config.maxPositionEmbeddings,
  });
  const { bitsPerByte } = validate({ ...model, model: model.transformer }, texts);
  console.log(`  ${bitsPerByte?.toFixed(4)} bits per byte on ${values.validation}`);
}

console.log("before:");
await measure(base);
if (existsSync(values.out)) rmSync(values.out, { recursive: true });
const started = performance.now();
const { model, tokens } = await train(recipe, { out: values.out, recipeDir, kernels: createKernels() });
console.log(`trained on ${tokens} tokens in ${((performance.now() - started) / 60_000).toFixed(2)} minutes; after:`);
await measure(model!);
