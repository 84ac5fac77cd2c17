/** Bad input of every kind: an exit code, one line that says what, where and what to do, and nothing half-done. */
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createKernels } from "../src/tensor/index.ts";
import { parseRecipe, train } from "../src/train/index.ts";
import { shoal } from "./shoal.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const run = join(dir, "run");
const model = join(run, "model");
await train(parseRecipe(tinyRecipe(1024)), { out: run, data, kernels: createKernels() });

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

describe("bad input", () => {
  const generate = (path: string, ...more: string[]) => ["generate", "--model", path, "--prompt", "x", ...more];
  const cases: [string, () => string[], RegExp, number?][] = [
    ["an unknown command", () => ["fly"], /unknown command 'fly'/, 2],
    ["an unknown flag", () => ["generate", "--prompt", "x", "--modle", "y"], /unknown option '--modle'/, 2],
    ["a missing flag", () => ["generate", "--model", model], /required option '--prompt <text>'/, 2],
    [
      "a flag out of range",
      () => generate(model, "--temperature", "-1"),
      /--temperature takes a number from 0 to 2/,
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
      /1601 tokens, which leaves no room in the context of 128/,
    ],
    [
      "a text that is not UTF-8",
      () => ["score", "--model", model, "--file", join(dir, "latin.txt")],
      /latin\.txt: is not UTF-8/,
    ],
    [
      "a text that is not there",
      () => ["score", "--model", model, "--file", join(dir, "nil.txt")],
      /nil\.txt: there is no such file/,
    ],
    [
      "an unwritable output",
      () => ["score", "--model", model, "--text", "a", "--logits", join(dir, "no", "x.safetensors")],
      /no\/x\.safetensors/,
    ],
    ["a recipe that is not there", () => ["train", join(dir, "nil.json")], /nil\.json: there is no such file/],
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
    ["half a flag", () => ["serve", "--data", "x"], /unknown option '--data' \(did you mean --data-dir\?\)/, 2],
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
