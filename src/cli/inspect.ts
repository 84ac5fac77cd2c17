/** shoal inspect */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { configOf, openFolder, readJsonObject, type StoredInfo } from "../checkpoint/index.ts";
import { countParameters, type ModelConfig, modelSlots, parseConfig } from "../model/index.ts";
import { MINNOW } from "./common.ts";

interface Flags {
  model: string;
  config?: string;
  tensors: boolean;
  json: boolean;
}

export const inspectCommand = new Command("inspect")
  .addOption(new Option("--model <dir>", "a Hugging Face folder, or a GGUF file").default(MINNOW, "Minnow"))
  .option("--config <path>", "a config.json alone: counts without any weights")
  .option("--tensors", "list every tensor", false)
  .option("--json", "print it as JSON", false)
  .addHelpText(
    "after",
    `
Examples:
  shoal inspect
  shoal inspect --config deepseek-v3/config.json     # 671B, counted in milliseconds
  shoal inspect --model runs/mine/model --tensors`,
  )
  .action((flags: Flags) => {
    const report =
      flags.config === undefined
        ? inspectFolder(flags.model)
        : inspectConfig(parseConfig(readJsonObject(flags.config), flags.config));
    if (flags.json) console.log(JSON.stringify({ ...report, tensors: flags.tensors ? report.tensors : undefined }));
    else print(report, flags.tensors);
  });

interface Report {
  parameters: { total: number; active: number; embedding: number; mtp: number };
  /** Bytes per token of context: the latent cache, and what keys and values of all heads would take. */
  cacheBytesPerToken: Record<"f32" | "bf16", { latent: number; naive: number }>;
  /** Weights in memory, bytes, MTP included. */
  weightBytes: Record<"f32" | "bf16", number>;
  layers: number;
  experts: { routed: number; shared: number; perToken: number };
  context: number;
  vocabulary: number;
  stored?: Record<string, { tensors: number; bytes: number }>;
  tensors?: { name: string; dtype: string; shape: number[]; bytes: number }[];
}

function inspectConfig(config: ModelConfig): Report {
  const {
    numHiddenLayers: L,
    numAttentionHeads: H,
    kvLoraRank: R,
    qkNopeHeadDim: N,
    qkRopeHeadDim: P,
    vHeadDim: V,
  } = config;
  const cache = (bytes: number) => ({ latent: L * (R + P) * bytes, naive: L * H * (N + P + V) * bytes });
  let kept = 0;
  let rest = 0;
  for (const { shape, keepF32 } of modelSlots(config)) {
    const n = shape.reduce((product, extent) => product * extent, 1);
    if (keepF32) kept += n;
    else rest += n;
  }
  return {
    parameters: countParameters(config),
    cacheBytesPerToken: { f32: cache(4), bf16: cache(2) },
    weightBytes: { f32: (kept + rest) * 4, bf16: kept * 4 + rest * 2 },
    layers: L,
    experts: { routed: config.nRoutedExperts, shared: config.nSharedExperts, perToken: config.numExpertsPerTok },
    context: config.maxPositionEmbeddings,
    vocabulary: config.vocabSize,
  };
}

function inspectFolder(dir: string): Report {
  const hasWeights =
    existsSync(join(dir, "model.safetensors")) || existsSync(join(dir, "model.safetensors.index.json"));
  if (!hasWeights && existsSync(join(dir, "config.json")))
    return inspectConfig(parseConfig(readJsonObject(join(dir, "config.json")), join(dir, "config.json")));
  const folder = openFolder(dir);
  const stored: NonNullable<Report["stored"]> = {};
  const bytesOf = ({ begin, end }: StoredInfo) => end - begin;
  for (const info of folder.tensors.values()) {
    stored[info.dtype] ??= { tensors: 0, bytes: 0 };
    stored[info.dtype].tensors++;
    stored[info.dtype].bytes += bytesOf(info);
  }
  const tensors = [...folder.tensors.values()].map((info) => ({
    name: info.name,
    dtype: info.dtype,
    shape: info.shape,
    bytes: bytesOf(info),
  }));
  return { ...inspectConfig(configOf(folder)), stored, tensors };
}

function print(report: Report, withTensors: boolean): void {
  const { parameters, cacheBytesPerToken: cache, weightBytes, experts } = report;
  const n = (value: number) => value.toLocaleString("en-US");
  const size = (bytes: number) =>
    bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${n(bytes)} B`;
  const row = (name: string, value: string) => console.log(`${name.padEnd(24)}${value}`);
  row("parameters", n(parameters.total));
  row("  active per token", n(parameters.active));
  row("  embedding and head", n(parameters.embedding));
  row("  MTP, beside the total", n(parameters.mtp));
  row("layers", n(report.layers));
  row("experts", `${experts.routed} routed, ${experts.perToken} per token, ${experts.shared} shared`);
  row("context", `${n(report.context)} tokens`);
  row("vocabulary", `${n(report.vocabulary)} tokens`);
  for (const dtype of ["f32", "bf16"] as const) {
    row(
      `in ${dtype}`,
      `weights ${size(weightBytes[dtype])}; cache ${n(cache[dtype].latent)} B per token (naive: ${n(cache[dtype].naive)} B)`,
    );
  }
  for (const [dtype, { tensors, bytes }] of Object.entries(report.stored ?? {}))
    row(`stored as ${dtype}`, `${n(tensors)} tensors, ${size(bytes)}`);
  if (withTensors)
    for (const { name, dtype, shape, bytes } of report.tensors ?? [])
      console.log(`${name}  ${dtype} [${shape.join(", ")}]  ${size(bytes)}`);
}
