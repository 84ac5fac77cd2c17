/** The finished model as the folder that transformers, vLLM and Shoal itself load. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { storedTensors, writeFolder } from "../../checkpoint/index.ts";
import { type GenerationConfig, parseGenerationConfig, readGenerationConfig } from "../../infer/index.ts";
import { configToJson, type ModelConfig } from "../../model/index.ts";
import type { Kernels } from "../../tensor/index.ts";
import { filesAlong } from "./inputs.ts";

export interface ModelToExport {
  config: ModelConfig;
  weights: Parameters<typeof storedTensors>[0];
  /** The folder whose tokenizer files go along. */
  tokenizerDir: string;
  dtype: "f32" | "bf16" | "fp8";
  kernels: Kernels;
}

/** How the finished model wants its tokens chosen, where the folder that it began with does not say. */
const generationOf = (config: ModelConfig) => ({
  bos_token_id: config.bosTokenId,
  eos_token_id: config.eosTokenIds,
  do_sample: true,
  temperature: 0.7,
  top_p: 0.95,
});

/** What the finished model's generation_config.json will say. */
export function generationConfigOf(config: ModelConfig, tokenizerDir: string): GenerationConfig {
  const path = join(tokenizerDir, "generation_config.json");
  return existsSync(path) ? readGenerationConfig(tokenizerDir) : parseGenerationConfig(generationOf(config), path);
}

/** Writes the finished model as a Hugging Face folder. */
export function exportModel(dir: string, { config, weights, tokenizerDir, dtype, kernels }: ModelToExport): void {
  const extraFiles = {
    "generation_config.json": `${JSON.stringify(generationOf(config), null, 2)}\n`,
    // Where training started from a folder, its own generation_config.json is among them.
    ...filesAlong(tokenizerDir),
  };
  writeFolder(dir, {
    config: configToJson(config),
    tensors: storedTensors(weights),
    dtype,
    kernels,
    extraFiles,
  });
}
