/** The command line as a user meets it: every command, and every kind of bad input, in processes of their own. */
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openSafetensors } from "../src/checkpoint/index.ts";
import { createKernels } from "../src/tensor/index.ts";
import { parseRecipe, train } from "../src/train/index.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const run = join(dir, "run");
const model = join(run, "model");
await train(parseRecipe(tinyRecipe(8192)), { out: run, data, kernels: createKernels() });

interface Ended {
  code: number | null;
  out: string;
  errors: string;
}

function shoal(args: readonly string[], input = "", env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, NO_COLOR: "1", ...env },
      cwd: dir,
      timeout: 60_000,
    });
    const ended: Ended = { code: null, out: "", errors: "" };
    child.stdout.on("data", (chunk) => {
      ended.out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      ended.errors += chunk;
    });
    child.on("close", (code) => resolve({ ...ended, code }));
    child.stdin.end(input);
  });
}

/** Bad input: the exit code, one line on the error stream that says so, and nothing else. */
async function expectError(args: readonly string[], message: RegExp, code = 1): Promise<void> {
  const { code: actual, out, errors } = await shoal(args);
  const lines = errors
    .trimEnd()
    .split("\n")
    .filter((line) => !/reference kernels/.test(line));
  expect({ actual, out, lines: lines.length, errors }).toEqual({ actual: code, out: "", lines: 1, errors });
  expect(errors).toMatch(message);
  expect(errors).not.toMatch(/\n\s+at /);
}

/** A copy of the model with one of its files changed. */
function changedModel(name: string, file: string, change: (text: string) => string): string {
  const copy = join(dir, name);
  cpSync(model, copy, { recursive: true });
  writeFileSync(join(copy, file), change(readFileSync(join(copy, file), "utf8")));
  return copy;
}

const withConfig = (name: string, changes: Record<string, unknown>) =>
  changedModel(name, "config.json", (text) => JSON.stringify({ ...JSON.parse(text), ...changes }));

describe("help", () => {
  it.concurrent.each([[], ["chat"], ["generate"], ["score"], ["inspect"], ["train"]])(
    "shoal %s --help teaches",
    async (...command) => {
      const { code, out } = await shoal([...command, "--help"]);
      expect(code).toBe(0);
      expect(out).toMatch(/Usage: shoal/);
      if (command.length > 0) expect(out).toMatch(/shoal (chat|generate|score|inspect|train)/);
    },
  );
});

describe("generate", () => {
  it("streams text; the same seed gives the same", async () => {
    const args = ["generate", "--model", model, "--prompt", "Ada sees", "--max-tokens", "12", "--seed", "3"];
    const [first, second] = [await shoal(args), await shoal(args)];
    expect(first).toMatchObject({ code: 0, out: second.out });
    expect(first.out.trim().length).toBeGreaterThan(5);
  });

  it("--json: text, ids, why it ended, counts and speeds", async () => {
    const { out } = await shoal([
      "generate",
      "--model",
      model,
      "--prompt",
      "Ada sees",
      "--max-tokens",
      "5",
      "--temperature",
      "0",
      "--json",
    ]);
    const json = JSON.parse(out);
    expect(Object.keys(json)).toEqual([
      "text",
      "ids",
      "finishReason",
      "promptTokens",
      "completionTokens",
      "prefillTokensPerSecond",
      "decodeTokensPerSecond",
    ]);
    expect(json).toMatchObject({
      completionTokens: json.ids.length,
      finishReason: expect.stringMatching(/^(length|stop)$/),
    });
  });

  it("--chat puts the prompt into the template", async () => {
    const args = [
      "generate",
      "--model",
      model,
      "--prompt",
      "Who is number 2?",
      "--temperature",
      "0",
      "--max-tokens",
      "4",
      "--json",
    ];
    const [plain, chat] = await Promise.all([shoal(args), shoal([...args, "--chat"])]);
    expect(JSON.parse(chat.out).promptTokens).toBe(JSON.parse(plain.out).promptTokens + 2);
  });

  it("a reader that leaves is no error", async () => {
    const child = spawn(process.execPath, [
      MAIN,
      "generate",
      "--model",
      model,
      "--prompt",
      "Ada",
      "--max-tokens",
      "100",
      "--seed",
      "1",
    ]);
    child.stdout.once("data", () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect(code).toBe(0);
  });
});

describe("score", () => {
  it("--json: ids, tokens, logprobs, bits per byte; --file and --text agree; --logits writes them all", async () => {
    const text = "Bo likes the deep sea.";
    const file = join(dir, "text.txt");
    const logits = join(dir, "logits.safetensors");
    writeFileSync(file, text);
    const [a, b] = await Promise.all([
      shoal(["score", "--model", model, "--text", text, "--json"]),
      shoal(["score", "--model", model, "--file", file, "--logits", logits, "--json"]),
    ]);
    expect(JSON.parse(a.out)).toEqual(JSON.parse(b.out));
    const { ids, tokens, logprobs, bitsPerByte } = JSON.parse(a.out);
    expect([tokens.length, logprobs.length]).toEqual([ids.length, ids.length]);
    expect(tokens.slice(1).join("")).toBe(text);
    expect(bitsPerByte).toBeGreaterThan(0);
    expect(openSafetensors(logits).tensors.get("logits")).toMatchObject({ dtype: "F32", shape: [ids.length, 320] });
    const again = await shoal(["score", "--model", model, "--ids", ids.join(","), "--json"]);
    expect(JSON.parse(again.out).logprobs).toEqual(logprobs);
  });

  it("without --json a line for each token", async () => {
    const { out } = await shoal(["score", "--model", model, "--text", "Bo likes"]);
    expect(out).toMatch(/bits per byte\n$/);
  });
});

describe("inspect", () => {
  it("counts a folder and a bare config alike", async () => {
    const [folder, config] = await Promise.all([
      shoal(["inspect", "--model", model, "--json"]),
      shoal(["inspect", "--config", join(model, "config.json"), "--json"]),
    ]);
    const [a, b] = [JSON.parse(folder.out), JSON.parse(config.out)];
    expect(a.parameters).toEqual(b.parameters);
    expect(a.stored.BF16.tensors).toBeGreaterThan(10);
    const { header } = { header: openSafetensors(join(model, "model.safetensors")).tensors };
    const stored = [...header.values()].reduce((sum, { shape }) => sum + shape.reduce((x, y) => x * y, 1), 0);
    // The total leaves out MTP; the router's biases are no parameters that a gradient trains, but they are stored.
    expect(a.parameters.total).toBeLessThanOrEqual(stored);
  });

  it("--tensors lists them", async () => {
    const { out } = await shoal(["inspect", "--model", model, "--tensors"]);
    expect(out).toMatch(/model\.embed_tokens\.weight {2}BF16 \[320, 32\]/);
  });
});

describe("train", () => {
  it("trains from a recipe file and says where the model is", async () => {
    const path = join(dir, "recipe.json");
    writeFileSync(path, JSON.stringify(tinyRecipe(1024)));
    const { code, errors } = await shoal(["train", path, "--data", data, "--out", join(dir, "trained")]);
    expect(code).toBe(0);
    expect(errors).toMatch(/pretrain step 1 \([\d.]+ %\) loss [\d.]+ .* left\n/);
    expect(errors).toMatch(/finished: 5 steps, 1280 tokens, [\d.]+ bits per byte; the model is in /);
  });
});

describe("chat", () => {
  it("piped lines are turns; only replies are printed", async () => {
    const { code, out, errors } = await shoal(
      ["chat", "--model", model, "--temperature", "0", "--max-tokens", "5"],
      "Who is number 1?\nWho is number 2?\n",
    );
    expect({ code, lines: out.trimEnd().split("\n").length }).toEqual({ code: 0, lines: 2 });
    expect(errors).not.toMatch(/error|shoal:/i);
  });
});

describe("plan", () => {
  it("train --json: the contract", async () => {
    const { out } = await shoal([
      "plan",
      "train",
      "--params",
      "8.03e9",
      "--tokens",
      "15e12",
      "--gpu",
      "H100",
      "--gpus",
      "2048",
      "--precision",
      "bf16",
      "--price",
      "3",
      "--json",
    ]);
    const plan = JSON.parse(out);
    const range = { low: expect.any(Number), mid: expect.any(Number), high: expect.any(Number) };
    expect(plan).toMatchObject({
      gpuHours: range,
      usd: range,
      days: range,
      mfu: range,
      flops: 6 * 8.03e9 * 15e12,
      gpu: "H100",
      gpus: 2048,
      bound: expect.any(String),
    });
    expect(plan.assumptions.length).toBeGreaterThan(2);
    expect(plan.usd.mid / plan.gpuHours.mid).toBeCloseTo(3, 9);
  });

  it("--config counts what inspect counts", async () => {
    const [plan, inspect] = await Promise.all([
      shoal([
        "plan",
        "train",
        "--config",
        join(model, "config.json"),
        "--tokens",
        "1M",
        "--cpu",
        "--gpus",
        "2",
        "--json",
      ]),
      shoal(["inspect", "--model", model, "--json"]),
    ]);
    const { active } = JSON.parse(inspect.out).parameters;
    expect(JSON.parse(plan.out)).toMatchObject({ gpu: "CPU-AVX512", gpus: 2 });
    expect(JSON.parse(plan.out).flops).toBeGreaterThan(active * 1e6 * 4);
  });

  it("deepseek-v3, budgets, serving and hardware speak for themselves", async () => {
    const [bill, budget, serve, hardware] = await Promise.all([
      shoal(["plan", "deepseek-v3"]),
      shoal(["plan", "--budget", "5.6M", "--gpu", "H800", "--json"]),
      shoal(["plan", "serve", "--config", join(model, "config.json"), "--gpu", "RTX4090", "--json"]),
      shoal(["plan", "hardware"]),
    ]);
    expect(bill.out).toMatch(/in all +2\.788M .*\$5\.576M/);
    expect(JSON.parse(budget.out).purchases.map(({ kind }: { kind: string }) => kind)).toEqual([
      "dense",
      "mixture of experts",
    ]);
    expect(JSON.parse(serve.out)).toMatchObject({ gpu: "RTX4090", gpus: 1 });
    expect(hardware.out).toMatch(/^H800 .*160 GB\/s/m);
  });

  it("--html writes one page that asks nobody for anything", async () => {
    const path = join(dir, "plan.html");
    await shoal(["plan", "train", "--params", "70e9", "--tokens", "15e12", "--html", path]);
    const page = readFileSync(path, "utf8");
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).not.toMatch(/(src|href)=|https?:|@import/);
    expect(page.match(/<svg/g)?.length).toBe(3);
    expect(page.match(/type="range"/g)?.length).toBe(5);
  });
});

describe("bad input", () => {
  const generate = (path: string, ...more: string[]) => ["generate", "--model", path, "--prompt", "x", ...more];
  const cases: [string, () => string[], RegExp, number?][] = [
    ["an unknown command", () => ["fly"], /unknown command 'fly'/, 2],
    ["an unknown flag", () => ["generate", "--prompt", "x", "--modle", "y"], /unknown option '--modle'/, 2],
    ["a missing flag", () => ["generate", "--model", model], /required option '--prompt <text>'/, 2],
    [
      "a flag out of range",
      () => generate(model, "--temperature", "-1"),
      /--temperature takes a number from 0 to 100/,
      2,
    ],
    ["a flag that is no number", () => generate(model, "--max-tokens", "many"), /--max-tokens takes a whole number/, 2],
    ["two texts to score", () => ["score", "--text", "a", "--ids", "1"], /exactly one of --text, --file and --ids/, 2],
    ["no model there", () => generate(join(dir, "none")), /none: .*/],
    ["a folder without config", () => generate(data), /data.*config\.json/],
    ["an unknown model_type", () => generate(withConfig("llama", { model_type: "llama" })), /model_type.*llama/],
    [
      "a broken config",
      () => generate(changedModel("broken", "config.json", () => "{")),
      /config\.json: not valid JSON/,
    ],
    [
      "a config with a wrong size",
      () => generate(withConfig("sizes", { hidden_size: 64 })),
      /\[320, 64\].*\[320, 32\]|\[320, 32\].*\[320, 64\]/,
    ],
    ["a config without a field", () => generate(withConfig("field", { kv_lora_rank: undefined })), /kv_lora_rank/],
    [
      "a vocabulary smaller than the tokenizer's",
      () => generate(withConfig("vocab", { vocab_size: 300 })),
      /tokenizer has 320 ids, but the model's vocab_size is 300/,
    ],
    [
      "a broken tokenizer",
      () => generate(changedModel("tokens", "tokenizer.json", (text) => text.slice(0, 500))),
      /tokenizer\.json: /,
    ],
    [
      "weights cut short",
      () => generate(changedModel("cut", "model.safetensors", () => "short")),
      /model\.safetensors: /,
    ],
    [
      "ids out of range",
      () => ["score", "--model", model, "--ids", "0,9999"],
      /token id 9999 at place 1 is not in the model's vocabulary of 320/,
    ],
    ["ids that are none", () => ["score", "--model", model, "--ids", "1,x"], /--ids: "x" is not a token id/],
    [
      "a prompt longer than the context",
      () => ["generate", "--model", model, "--prompt", "Ada sees ".repeat(400)],
      /more than the model's context of 128/,
    ],
    [
      "a text that is not UTF-8",
      () => ["score", "--model", model, "--file", join(dir, "latin.txt")],
      /latin\.txt: is not UTF-8/,
    ],
    [
      "a text that is not there",
      () => ["score", "--model", model, "--file", join(dir, "nil.txt")],
      /nil\.txt: cannot be read \(ENOENT\)/,
    ],
    [
      "an unwritable output",
      () => ["score", "--model", model, "--text", "a", "--logits", join(dir, "no", "x.safetensors")],
      /no\/x\.safetensors/,
    ],
    ["a recipe that is not there", () => ["train", join(dir, "nil.json")], /nil\.json: the recipe cannot be read/],
    [
      "a recipe with an unknown field",
      () => ["train", join(dir, "typo.json")],
      /unknown field stagess \(did you mean stages\?\)|stages/,
    ],
    [
      "a recipe whose data is missing",
      () => ["train", join(dir, "good.json"), "--data", dir, "--out", join(dir, "o1")],
      /stories\.jsonl: there is no such file/,
    ],
    [
      "an empty corpus",
      () => ["train", join(dir, "good.json"), "--data", join(dir, "void"), "--out", join(dir, "o2")],
      /no text/,
    ],
    [
      "a plan for an unknown machine",
      () => ["plan", "train", "--params", "1e9", "--tokens", "1e9", "--gpu", "H10"],
      /--gpu "H10" is not known; the nearest is H100/,
    ],
    [
      "a plan for 0 devices",
      () => ["plan", "train", "--params", "8B", "--tokens", "1T", "--gpus", "0"],
      /--gpus 0: must be above 0/,
    ],
    [
      "a plan for less than nothing",
      () => ["plan", "train", "--params", "-3", "--tokens", "1"],
      /--params -3: must be above 0/,
    ],
    ["a plan without tokens", () => ["plan", "train", "--params", "8B"], /--tokens is missing/],
    ["a number that is none", () => ["plan", "--budget", "lots"], /"lots" is not a number; write 5\.6M/],
    ["an unknown flag of a nested command", () => ["plan", "train", "--what"], /unknown option '--what'/, 2],
    ["an unknown instruction set", () => ["inspect", "--isa", "sse"], /unknown option '--isa'/, 2],
  ];
  writeFileSync(join(dir, "latin.txt"), Buffer.from([0xe9, 0x20]));
  writeFileSync(join(dir, "good.json"), JSON.stringify(tinyRecipe()));
  writeFileSync(join(dir, "typo.json"), JSON.stringify({ ...tinyRecipe(), stagess: [] }));
  mkdirSync(join(dir, "void"));
  for (const name of ["stories", "chats", "validation"]) writeFileSync(join(dir, "void", `${name}.jsonl`), "");

  it.each(cases)("%s", async (_, args, message, code = 1) => {
    await expectError(args(), message, code);
  });

  it("SHOAL_ISA that is none is named with those that are", async () => {
    const { code, errors } = await shoal(["generate", "--model", model, "--prompt", "x"], "", { SHOAL_ISA: "sse" });
    expect(code).toBe(1);
    expect(errors).toMatch(/^shoal: instruction set "sse" is not available here; choose one of: reference[^\n]*\n$/);
  });

  it("--verbose shows where an error came from", async () => {
    const { errors } = await shoal(["generate", "--model", join(dir, "none"), "--prompt", "x", "--verbose"]);
    expect(errors).toMatch(/\n\s+at /);
  });

  it("a folder whose file is a folder", async () => {
    const odd = join(dir, "odd");
    mkdirSync(join(odd, "model.safetensors"), { recursive: true });
    for (const name of ["config.json", "tokenizer.json"]) copyFileSync(join(model, name), join(odd, name));
    await expectError(["generate", "--model", odd, "--prompt", "x"], /model\.safetensors/);
  });
});
