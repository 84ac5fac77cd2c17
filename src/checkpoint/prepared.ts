/**
 * The quantised copy of a model, kept beside it: made once, then memory-mapped, so that a second start reads and converts nothing.
 * It is a safetensors file `DIR/.shoal/int4.safetensors` in the layout of the kernels, bound to the folder it was made from by that
 * folder's fingerprint, and to itself by a CRC-32 of every tensor. A copy that does not fit, or is damaged, is made again.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { buildWeights, type ModelConfig, type ModelWeights, type Slot } from "../model/index.ts";
import { InputError, type Kernels, size, type Weight } from "../tensor/index.ts";
import type { CheckpointFolder } from "./folder.ts";
import { isQuantisable, loadWeights } from "./model-weights.ts";
import { openSafetensors, type SafetensorsFile, type TensorToWrite, writeSafetensors } from "./safetensors.ts";

/** Moves when the layout of quantised weights does: older copies are then made again. */
const LAYOUT = "2";

/** Loads a model quantised, from its copy where there is one; makes the copy where the folder can be written. */
export function loadQuantised(
  folder: CheckpointFolder,
  config: ModelConfig,
  dtype: "int8" | "int4",
  kernels: Kernels,
): ModelWeights {
  const path = join(folder.dir, ".shoal", `${dtype}.safetensors`);
  const source = `${LAYOUT} ${folder.fingerprint()}`;
  const copy = existsSync(path) ? readCopy(path, source, config, dtype) : null;
  if (copy) return copy;
  const weights = loadWeights(folder, config, dtype, kernels);
  try {
    mkdirSync(join(folder.dir, ".shoal"), { recursive: true });
    writeCopy(path, source, weights);
  } catch {
    // A folder that cannot be written, or a full disk: the model runs without a copy.
    return weights;
  }
  // The mapped copy can be given back to the system and be shared between processes; what was just built cannot.
  return readCopy(path, source, config, dtype) ?? weights;
}

const nameOf = (slot: Slot) => slot.stored[0].name;

function writeCopy(path: string, source: string, weights: ModelWeights): void {
  const tensors: TensorToWrite[] = weights.slots.map(({ slot, weight: { quantised, data } }) =>
    quantised
      ? { name: nameOf(slot), dtype: "I8", shape: [quantised.codes.length], data: quantised.codes }
      : { name: nameOf(slot), dtype: data instanceof Float32Array ? "F32" : "BF16", shape: slot.shape, data },
  );
  for (const { slot, weight } of weights.slots) {
    if (!weight.quantised) continue;
    const { scales } = weight.quantised;
    tensors.push({ name: `${nameOf(slot)}.scales`, dtype: "BF16", shape: [scales.length], data: scales });
  }
  const metadata: Record<string, string> = { source };
  for (const { name, data } of tensors) metadata[`crc32 ${name}`] = checksum(data);
  // The largest alignment first: vectors then never straddle two cache lines.
  const alignment = (bytes: number) => (bytes % 64 === 0 ? 0 : 1);
  tensors.sort((a, b) => alignment(a.data.byteLength) - alignment(b.data.byteLength));
  writeSafetensors(path, tensors, metadata);
}

function checksum({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  return crc32(new Uint8Array(buffer, byteOffset, byteLength)).toString(16);
}

/** The copy, mapped; null where it belongs to other weights or is damaged. */
function readCopy(path: string, source: string, config: ModelConfig, dtype: "int8" | "int4"): ModelWeights | null {
  try {
    const file = openSafetensors(path);
    if (file.metadata.source !== source) return null;
    return buildWeights(config, (slot) => readWeight(file, slot, dtype));
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

function readWeight(file: SafetensorsFile, slot: Slot, dtype: "int8" | "int4"): Weight {
  const bytesOf = (name: string, expected: number) => {
    const bytes = file.bytes(name);
    if (bytes.byteLength !== expected || checksum(bytes) !== file.metadata[`crc32 ${name}`])
      throw new InputError(`${file.path}: tensor "${name}" is damaged`);
    return [bytes.buffer, bytes.byteOffset] as const;
  };
  const n = size(slot.shape);
  const name = nameOf(slot);
  if (!slot.trained || slot.keepF32) {
    return { data: new Float32Array(...bytesOf(name, n * 4), n), shape: slot.shape, grad: null };
  }
  if (!isQuantisable(slot)) return { data: new Uint16Array(...bytesOf(name, n * 2), n), shape: slot.shape, grad: null };
  const bits = dtype === "int8" ? 8 : 4;
  const codes = new Int8Array(...bytesOf(name, (n * bits) / 8), (n * bits) / 8);
  const scales = new Uint16Array(...bytesOf(`${name}.scales`, (n / 32) * 2), n / 32);
  return { data: new Uint16Array(0), quantised: { codes, scales, bits }, shape: slot.shape, grad: null };
}
