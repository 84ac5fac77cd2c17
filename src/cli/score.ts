/** shoal score */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { InputError, unreadable } from "../base/index.ts";
import { writeSafetensors } from "../checkpoint/index.ts";
import { type Model, type Score, score } from "../infer/index.ts";
import { addModelOptions, type ModelOptions, openModel } from "./model-options.ts";

interface Flags extends ModelOptions {
  text?: string;
  file?: string;
  ids?: string;
  logits?: string;
  json: boolean;
}

export const scoreCommand = addModelOptions(new Command("score"))
  .option("--text <text>", "the text")
  .option("--file <path>", "a file that holds the text, in UTF-8")
  .option("--ids <list>", "token ids, as 1,2,3 (nothing is added to them; needs no tokenizer)")
  .option("--logits <path>", "also write all logits, as safetensors: logits [T, V] in f32")
  .option("--json", "print {ids, tokens, logprobs, bitsPerByte}", false)
  .addHelpText(
    "after",
    `
Text gets the beginning-of-sentence token in front. logprobs[i] = log p(ids[i] given ids[<i]); the first is null.

Examples:
  shoal score --text "The cat sat on the mat."
  shoal score --file story.txt --json
  shoal score --ids 0,17,204 --logits logits.safetensors --json`,
  )
  .action((flags: Flags, command: Command) => {
    const given = [flags.text, flags.file, flags.ids].filter((value) => value !== undefined);
    if (given.length !== 1) command.error("error: give exactly one of --text, --file and --ids", { exitCode: 2 });
    const idsGiven = flags.ids === undefined ? null : parseIds(flags.ids);
    const text = flags.file === undefined ? flags.text : readText(flags.file);
    const withoutTokens = (reason: string) => console.error(`shoal: without the tokens' texts: ${reason}`);
    const model = openModel(flags, idsGiven ? withoutTokens : undefined);
    const ids = idsGiven ?? model.tokenizer.encode(text!, { addBos: true });
    const result = scoreInto(model, ids, flags.logits);
    if (flags.json) console.log(JSON.stringify(result));
    else print(result);
  });

function parseIds(list: string): Int32Array {
  const parts = list.split(",").map((part) => part.trim());
  for (const part of parts)
    if (!/^\d{1,9}$/.test(part))
      throw new InputError(`--ids: ${JSON.stringify(part)} is not a token id; write them as 1,2,3`);
  return Int32Array.from(parts, Number);
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${path}: is not UTF-8 text`);
  }
}

function scoreInto(model: Model, ids: ArrayLike<number>, logitsPath?: string): Score {
  if (logitsPath === undefined) return score(model, ids);
  const V = model.config.vocabSize;
  // Filled once the ids have passed their checks.
  let all = new Float32Array(0);
  const result = score(model, ids, (rows, from) => {
    if (all.length === 0) all = new Float32Array(ids.length * V);
    all.set(rows, from * V);
  });
  writeSafetensors(logitsPath, [{ name: "logits", dtype: "F32", shape: [ids.length, V], data: all }]);
  return result;
}

function print({ ids, tokens, logprobs, bitsPerByte }: Score): void {
  ids.forEach((id, i) => {
    const logprob = logprobs[i];
    console.log(
      `${String(id).padStart(7)} ${(logprob === null ? "–" : logprob.toFixed(4)).padStart(10)}  ${JSON.stringify(tokens[i])}`,
    );
  });
  console.log(
    bitsPerByte === null
      ? "no bits per byte: no bytes are known behind the first token"
      : `${bitsPerByte.toFixed(4)} bits per byte`,
  );
}
