/** Between a model's weights in memory and a Hugging Face folder. */
import {
  allocateTrainingWeights,
  buildWeights,
  type ModelConfig,
  type ModelWeights,
  parseConfig,
  type Slot,
  type TrainingWeights,
} from "../model/index.ts";
import {
  Arena,
  allocate,
  type Bf16,
  dtypeBytes,
  type F32,
  type Kernels,
  type QuantisedBlocks,
  size,
  viewOf,
  type Weight,
} from "../tensor/index.ts";
import type { CheckpointFolder } from "./stored.ts";

/** The folder's configuration, with as many MTP depths as it really holds: published configs name some that files leave out. */
export function configOf(folder: CheckpointFolder): ModelConfig {
  const config = parseConfig(folder.config, folder.configPath);
  let depths = 0;
  while (
    depths < config.numNextnPredictLayers &&
    folder.has(`model.layers.${config.numHiddenLayers + depths}.eh_proj.weight`)
  )
    depths++;
  return { ...config, numNextnPredictLayers: depths };
}

/** How weights are held for inference. int8 and int4: the large matrices in blocks of 32, the rest in bf16. */
export type WeightDtype = "f32" | "bf16" | "int8" | "int4";

/**
 * Loads every weight for inference: matrices in `dtype`, norms, router and bias in f32.
 * @throws InputError naming a missing tensor, or one of a wrong shape
 */
export function loadWeights(
  folder: CheckpointFolder,
  config: ModelConfig,
  dtype: WeightDtype,
  kernels: Kernels,
): ModelWeights {
  const loading = { kernels, memory: { take: takeForGood }, scratch: new Arena() };
  return buildWeights(config, (slot) => loadWeight(folder, slot, dtype, loading));
}

const takeForGood: Memory["take"] = (dtype, length) => viewOf(dtype, allocate(length * dtypeBytes[dtype]), 0, length);

/** What gives the numbers of a weight their place. */
export type Memory = Pick<Arena, "take">;

/** What loading needs beside the folder. */
export interface Loading {
  kernels: Kernels;
  memory: Memory;
  /** Reset and used for each tensor that is quantised. */
  scratch: Arena;
}

/** Loads the weight of one slot, as loadWeights does. */
export function loadWeight(folder: CheckpointFolder, slot: Slot, dtype: WeightDtype, loading: Loading): Weight {
  const { kernels, memory } = loading;
  const { shape, keepF32, stored } = slot;
  if ((dtype === "int8" || dtype === "int4") && isQuantisable(slot)) {
    const quantised = readQuantised(folder, slot, dtype, loading);
    return { data: new Uint16Array(0), quantised, shape, grad: null };
  }
  // Weights that stand in the file as they are needed are used where they are mapped; the others are copied.
  const mapped = dtype === "bf16" && !keepF32 ? folder.view(stored) : null;
  if (mapped) return { data: mapped, shape, grad: null };
  const data = memory.take(dtype === "f32" || keepF32 ? "f32" : "bf16", size(shape));
  readSlot(folder, slot, data, kernels);
  return { data, shape, grad: null };
}

/** Matrices that one product reads whole. kv_b_proj is taken apart by the absorbed form, eh_proj by its two inputs, the embedding by rows. */
export function isQuantisable({ shape, keepF32, stored }: Slot): boolean {
  const [
    {
      name,
      shape: [rows],
    },
  ] = stored;
  return (
    !keepF32 &&
    rows % 16 === 0 &&
    shape[shape.length - 1] % 32 === 0 &&
    !/(kv_b_proj|eh_proj|embed_tokens)\.weight$/.test(name)
  );
}

/** Reads a slot part by part, so that only one stored tensor stands in memory as f32. */
function readQuantised(
  folder: CheckpointFolder,
  slot: Slot,
  dtype: "int8" | "int4",
  { kernels, memory, scratch }: Loading,
): QuantisedBlocks {
  const bits = dtype === "int8" ? 8 : 4;
  const n = size(slot.shape);
  const codes = memory.take("i8", (n * bits) / 8);
  const scales = memory.take("bf16", n / 32);
  for (const { name, shape, offset } of slot.stored) {
    scratch.reset();
    const x = scratch.take("f32", size(shape));
    folder.read(name, shape, x, kernels);
    const part = { codes: codes.subarray((offset * bits) / 8), scales: scales.subarray(offset / 32) };
    kernels.quantise({ ...part, bits, x, N: shape[0], K: shape[1] });
  }
  return { codes, scales, bits };
}

/** Loads every weight in f32, laid out for training. */
export function loadTrainingWeights(folder: CheckpointFolder, config: ModelConfig, kernels: Kernels): TrainingWeights {
  const training = allocateTrainingWeights(config);
  for (const slot of training.slots) readSlot(folder, slot, slot.data, kernels);
  return training;
}

function readSlot(folder: CheckpointFolder, slot: Slot, into: F32 | Bf16, kernels: Kernels): void {
  for (const { name, shape, offset } of slot.stored) {
    folder.read(name, shape, into.subarray(offset, offset + size(shape)) as F32 | Bf16, kernels);
  }
}

/** Every tensor of a model under its stored names, MTP's copies of embedding and head included, in a fixed order: for `writeFolder`. */
export function* storedTensors(weights: ModelWeights): Generator<{ name: string; shape: number[]; data: F32 | Bf16 }> {
  for (const { slot, weight } of weights.slots) {
    for (const { name, shape, offset, copies } of slot.stored) {
      const data = weight.data.subarray(offset, offset + size(shape)) as F32 | Bf16;
      for (const stored of [name, ...(copies ?? [])]) yield { name: stored, shape, data };
    }
  }
}
