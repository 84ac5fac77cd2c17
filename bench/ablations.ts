/**
 * Runs variants of one recipe one after the other and prints what each gave:
 *   node bench/ablations.ts bench/ablations-optimiser.json --data DIR [--seconds 1200] [--out runs/ablations] [--only NAME,NAME]
 * The file holds `base` (a recipe's path) and `variants` (name → what to put over the base: objects are merged, all else replaced; null
 * takes a field away). A variant that is finished is not run again, and one that was interrupted goes on.
 *
 * --seconds gives every variant the same time: its speed is measured in short runs of its own, and its stages' tokens become what that
 * speed buys. The schedule then knows its end, the run can be repeated, and a neighbour on the machine that slows one variant down costs it
 * minutes instead of tokens. The printed seconds say how long it really took.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadModel } from "../src/infer/index.ts";
import { loadValidation, validate } from "../src/train/index.ts";

type Json = { [key: string]: unknown };

/** Steps of the short run; the first ones, in which memory is made, are not counted. */
const SPEED_STEPS = 24;
const WARM_UP = 4;
const SPEED_ROUNDS = 2;
/** Letters of each text that all models are compared on: few enough for the context of every one. */
const SAME_LETTERS = 800;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string" },
    out: { type: "string", default: "runs/ablations" },
    only: { type: "string" },
    seconds: { type: "string" },
  },
});
if (positionals.length !== 1) {
  console.error("usage: node bench/ablations.ts FILE --data DIR [--seconds N] [--out DIR] [--only NAME,NAME]");
  process.exit(2);
}
const plan = JSON.parse(readFileSync(positionals[0], "utf8")) as { base: string; variants: Record<string, Json> };
const base = JSON.parse(readFileSync(resolve(dirname(positionals[0]), plan.base), "utf8")) as Json;
const only = values.only?.split(",");
/** Folders of runs by the tokenizer and data that they share. */
const prepared = new Map<string, string>();
/** Files of measured speeds by pace. */
const paces = new Map<string, string>();

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function merge(under: unknown, over: unknown): unknown {
  if (Array.isArray(under) && isObject(over)) return under.map((item, i) => (i in over ? merge(item, over[i]) : item));
  if (!isObject(under) || !isObject(over)) return over;
  const merged = { ...under };
  for (const key in over) {
    if (over[key] === null) delete merged[key];
    else merged[key] = merge(under[key], over[key]);
  }
  return merged;
}

/** Trains in a folder; false where that failed. */
function train(recipe: Json, out: string, more: string[] = []): boolean {
  const path = `${out}.json`;
  writeFileSync(path, JSON.stringify(recipe, null, 2));
  shareInputs(recipe, out);
  const main = join(import.meta.dirname, "../src/cli/main.ts");
  const data = values.data ? ["--data", values.data] : [];
  const { status } = spawnSync(process.execPath, [main, "train", path, ...data, "--out", out, "--resume", ...more], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (status !== 0)
    console.log(`${recipe.name}: failed (exit ${status}); run it alone: shoal train ${path} --out ${out} --resume`);
  return status === 0;
}

/** Tokenizer and tokenised corpora are taken from a run that had the same ones before. */
function shareInputs(recipe: Json, out: string): void {
  const mixtures = (recipe.stages as Json[]).map(({ mixture }) => mixture);
  const key = JSON.stringify([recipe.tokenizer, recipe.from, mixtures]);
  const other = prepared.get(key);
  if (!other) prepared.set(key, out);
  if (!other || existsSync(join(out, "tokenizer"))) return;
  for (const name of ["tokenizer", "cache"])
    cpSync(join(other, name), join(out, name), { recursive: true, preserveTimestamps: true });
}

function ledgerOf(out: string): Json[] {
  const lines = readFileSync(join(out, "ledger.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Json);
}

const median = (numbers: number[]) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const stepsOf = (out: string) => ledgerOf(out).filter(({ kind }) => kind === "step");

/** What a step's time depends on: not the rate, its course, or the first weights. Variants that share it get the same tokens. */
function paceKey(recipe: Json): string {
  const stages = (recipe.stages as Json[]).map((stage) => ({ ...stage, lr: null, schedule: null }));
  const model = { ...(recipe.model as Json), initializer_range: null };
  return JSON.stringify({ ...recipe, name: null, stages, model });
}

/**
 * Tokens a second of a variant: the best of `rounds` short runs, which all variants of its pace share; 0 where it does not run.
 * A neighbour on the machine can only slow a run down.
 */
function speedOf(recipe: Json, out: string, rounds: number): number {
  const key = paceKey(recipe);
  const kept = paces.get(key) ?? `${out}.speed`;
  paces.set(key, kept);
  const speeds = existsSync(kept) ? readFileSync(kept, "utf8").trim().split("\n").map(Number) : [];
  if (speeds.length < rounds) {
    const trial = `${out}-speed-${speeds.length + 1}`;
    rmSync(trial, { recursive: true, force: true });
    if (!train({ ...recipe, validation: undefined }, trial, ["--max-steps", String(SPEED_STEPS)])) return 0;
    const steps = stepsOf(trial).slice(WARM_UP);
    speeds.push(median(steps.map(({ tokensPerSecond }) => tokensPerSecond as number)));
    writeFileSync(kept, `${speeds.join("\n")}\n`);
    rmSync(join(trial, "checkpoints"), { recursive: true, force: true });
  }
  return Math.max(...speeds);
}

/** The recipe with as many tokens as `seconds` buy at this speed, stages in the same proportion. */
function scaled(recipe: Json, seconds: number, speed: number): Json {
  const stages = recipe.stages as (Json & { tokens: number })[];
  const total = stages.reduce((sum, { tokens }) => sum + tokens, 0);
  const factor = (seconds * speed) / total;
  return { ...recipe, stages: stages.map((stage) => ({ ...stage, tokens: Math.round(stage.tokens * factor) })) };
}

/** Bits per byte of the first letters of each validation text. The recipe's own measure goes by tokens: it depends on vocabulary and sequence length. */
async function bitsOfSameText(out: string): Promise<number> {
  const { path, documents } = base.validation as { path: string; documents: number };
  const model = loadModel(join(out, "model"));
  const file = values.data ? join(values.data, path) : path;
  const texts = await loadValidation(file, model.tokenizer, {
    documents,
    maxTokens: Infinity,
    maxLetters: SAME_LETTERS,
  });
  return validate({ ...model, model: model.transformer }, texts).bitsPerByte ?? Number.NaN;
}

/** What a variant's ledger says, in a line. */
async function summary(name: string, out: string): Promise<string> {
  const steps = stepsOf(out);
  const last = steps[steps.length - 1];
  const speed = median(steps.map(({ tokensPerSecond }) => tokensPerSecond as number));
  const bits = ledgerOf(out)
    .filter(({ kind }) => kind === "validation")
    .map((v) => `${((v.tokens as number) / 1e6).toFixed(1)}M ${(v.bitsPerByte as number).toFixed(4)}`);
  const time = `${Math.round(last.seconds as number)} s, ${((last.coreHours as number) * 60).toFixed(1)} core-minutes`;
  const same = (await bitsOfSameText(out)).toFixed(4);
  return `${name}: ${bits.join(", ")}; same text ${same}; ${time}, median ${Math.round(speed)} tokens/s`;
}

mkdirSync(values.out, { recursive: true });
const variants = Object.entries(plan.variants)
  .filter(([name]) => !only || only.includes(name))
  .map(([name, patch]) => ({ name, out: join(values.out, name), recipe: { ...(merge(base, patch) as Json), name } }));
const speeds = new Map<string, number>();
// All speeds before the first run, in rounds: close in time they compare best, and only they need an idle machine.
if (values.seconds)
  for (let round = 1; round <= SPEED_ROUNDS; round++)
    for (const { name, out, recipe } of variants) speeds.set(name, speedOf(recipe, out, round));
for (const [name, speed] of speeds) if (speed) console.log(`${name}: ${Math.round(speed)} tokens/s alone`);

for (const { name, out, recipe } of variants) {
  const speed = speeds.get(name);
  if (speed === 0) continue;
  const whole = speed ? scaled(recipe, Number(values.seconds), speed) : recipe;
  if (existsSync(join(out, "model")) || train(whole, out)) console.log(await summary(name, out));
}
