/** Options of every command that runs a model. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { InputError } from "../base/index.ts";
import type { WeightDtype } from "../checkpoint/index.ts";
import { modelFolder } from "../hub/index.ts";
import { loadModel, type Model, SAMPLING_BOUNDS, type SamplingParams } from "../infer/index.ts";
import type { CacheDtype } from "../model/index.ts";
import { announceKernels, integer, MINNOW, QuantisingLine, real } from "./common.ts";

export interface ModelOptions {
  model: string;
  dtype?: WeightDtype;
  cache?: CacheDtype;
  threads?: number;
}

export function addModelOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--model <dir>", "a Hugging Face folder, a GGUF file, or the name of a model that was pulled").default(
        MINNOW,
        "Minnow",
      ),
    )
    .addOption(
      new Option("--dtype <dtype>", "how weights are held (default: as stored; fp8 as bf16)").choices([
        "f32",
        "bf16",
        "int8",
        "int4",
      ]),
    )
    .addOption(
      new Option("--cache <dtype>", "how the latent cache is held (default: bf16, or f32 with f32 weights)").choices([
        "f32",
        "bf16",
        "int8",
      ]),
    )
    .option("--threads <n>", "most threads to compute on (default: all cores)", integer("--threads", 1, 256));
}

/** @param onNoTokenizer see `LoadOptions` */
export function openModel(options: ModelOptions, onNoTokenizer?: (reason: string) => void): Model {
  if (options.model === MINNOW && !existsSync(join(MINNOW, "config.json"))) {
    throw new InputError(
      `Minnow is not in ${MINNOW}; name a model with --model DIR, or train one with: shoal train recipes/tiny.json`,
    );
  }
  const { dtype, cache, threads } = options;
  const line = new QuantisingLine();
  try {
    const model = loadModel(modelFolder(options.model), {
      dtype,
      cache,
      threads,
      onQuantising: line.onQuantising,
      onNoTokenizer,
    });
    announceKernels(model.kernels);
    return model;
  } finally {
    line.end();
  }
}

/** Flags that choose tokens, named as the parameters that they set. */
export type SamplingFlags = Pick<
  SamplingParams,
  "temperature" | "topP" | "topK" | "minP" | "repetitionPenalty" | "seed" | "maxTokens" | "draft"
>;

export function addSamplingOptions(command: Command): Command {
  const bounds = SAMPLING_BOUNDS;
  return command
    .option("--max-tokens <n>", "most tokens to generate", integer("--max-tokens", 1, bounds.maxTokens[1]))
    .option(
      "--temperature <t>",
      "0: always the likeliest token; 1: the model's own distribution",
      real("--temperature", ...bounds.temperature),
    )
    .option(
      "--top-p <p>",
      "keep the likeliest tokens whose probabilities reach this sum",
      real("--top-p", ...bounds.topP),
    )
    .option("--top-k <k>", "keep the k likeliest tokens (0: all)", integer("--top-k", ...bounds.topK))
    .option(
      "--min-p <p>",
      "keep tokens with at least this share of the likeliest one's probability",
      real("--min-p", ...bounds.minP),
    )
    .option(
      "--repetition-penalty <r>",
      "above 1: less of what was said before",
      real("--repetition-penalty", ...bounds.repetitionPenalty),
    )
    .option(
      "--draft",
      "always draft tokens with the model's MTP head and verify them: the same text, in fewer passes (default: where it pays)",
    )
    .option("--no-draft", "never draft tokens")
    .option("--seed <n>", "the same seed gives the same text", integer("--seed", 0, bounds.seed[1]));
}

/** The parameters among a command's flags; what is not named is left to the model. */
export function samplingParams(flags: SamplingFlags): SamplingFlags {
  const { temperature, topP, topK, minP, repetitionPenalty, seed, maxTokens, draft } = flags;
  return { temperature, topP, topK, minP, repetitionPenalty, seed, maxTokens, draft };
}
