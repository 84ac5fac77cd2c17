/**
 * The quantised copy of a model, kept beside it: made once, then memory-mapped, so that a second start reads and converts nothing.
 * It is a safetensors file `DIR/.shoal/int4.safetensors` in the layout of the kernels, bound to the folder it was made from by that
 * folder's fingerprint, and to itself by a CRC-32 of every tensor. A copy that does not fit, or is damaged, is made again.
 */
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { InputError } from "../base/index.ts";
import { buildWeights, type ModelConfig, type ModelWeights, modelSlots, type Slot } from "../model/index.ts";
import { Arena, type Kernels, size, type Weight } from "../tensor/index.ts";
import { isQuantisable, loadWeight, loadWeights } from "./model-weights.ts";
import {
  bytesIn,
  checksum,
  openSafetensors,
  type SafetensorsDtype,
  type SafetensorsFile,
  type TensorToWrite,
  writeSafetensors,
} from "./safetensors.ts";
import type { CheckpointFolder } from "./stored.ts";

/** Moves when the layout of quantised weights does: older copies are then made again. */
const LAYOUT = "4";
/** The CRC-32 of every tensor before it. */
const CHECKSUMS = "checksums";

/** What is told of a copy that is being made: which share of it is written. */
export type OnQuantising = (share: number) => void;

/** Loads a model quantised, from its copy where there is one; makes the copy where the folder can be written. */
export function loadQuantised(
  folder: CheckpointFolder,
  config: ModelConfig,
  dtype: "int8" | "int4",
  kernels: Kernels,
  onQuantising?: OnQuantising,
): ModelWeights {
  const path = folder.copyPath(`${dtype}.safetensors`);
  const source = `${LAYOUT} ${folder.fingerprint()}`;
  const read = () => (existsSync(path) ? readCopy(path, source, config, dtype) : null);
  const copy = read();
  if (copy) return copy;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeSafetensors(path, quantisedTensors(folder, config, dtype, kernels, onQuantising), { source });
  } catch {
    // A folder that cannot be written, or a full disk: the model runs without a copy.
  }
  return read() ?? loadWeights(folder, config, dtype, kernels);
}

const nameOf = (slot: Slot) => slot.stored[0].name;
const scalesOf = (slot: Slot) => `${nameOf(slot)}.scales`;

/** The tensors of a copy. Weights are quantised as they are written, one after the other in the same memory: the model itself need not fit beside them. */
function quantisedTensors(
  folder: CheckpointFolder,
  config: ModelConfig,
  dtype: "int8" | "int4",
  kernels: Kernels,
  onQuantising?: OnQuantising,
): TensorToWrite[] {
  const [memory, scratch] = [new Arena(), new Arena()];
  let held: { slot: Slot; weight: Weight } | null = null;
  const weightOf = (slot: Slot) => {
    if (held?.slot !== slot) {
      memory.reset();
      held = { slot, weight: loadWeight(folder, slot, dtype, { kernels, memory, scratch }) };
    }
    return held.weight;
  };
  const checksums: number[] = [];
  const tensor = (name: string, stored: SafetensorsDtype, shape: number[], data: () => ArrayBufferView) => ({
    name,
    dtype: stored,
    shape,
    data: () => {
      const made = data();
      checksums.push(checksum(made));
      written += made.byteLength;
      onQuantising?.(written / total);
      return made;
    },
  });
  const tensors = modelSlots(config).flatMap((slot) => {
    const n = size(slot.shape);
    if (!isQuantisable(slot))
      return [tensor(nameOf(slot), slot.keepF32 ? "F32" : "BF16", slot.shape, () => weightOf(slot).data)];
    return [
      tensor(nameOf(slot), "I8", [dtype === "int8" ? n : n / 2], () => weightOf(slot).quantised!.codes),
      tensor(scalesOf(slot), "BF16", [n / 32], () => weightOf(slot).quantised!.scales),
    ];
  });
  // The largest alignment first: vectors then never straddle two cache lines, and numbers of odd counts stand where they can be looked at.
  const alignment = ({ dtype, shape }: TensorToWrite) =>
    bytesIn(dtype, shape) % 64 === 0 ? 0 : { 4: 1, 2: 2, 1: 3 }[bytesIn(dtype, [1])]!;
  tensors.sort((a, b) => alignment(a) - alignment(b));
  const total = tensors.reduce((sum, { dtype, shape }) => sum + bytesIn(dtype, shape), 0);
  let written = 0;
  const all = {
    name: CHECKSUMS,
    dtype: "U32",
    shape: [tensors.length],
    data: () => Uint32Array.from(checksums),
  } as const;
  return [...tensors, all];
}

/** The copy, mapped; null where it belongs to other weights or is damaged. */
function readCopy(path: string, source: string, config: ModelConfig, dtype: "int8" | "int4"): ModelWeights | null {
  try {
    const file = openSafetensors(path);
    if (file.metadata.source !== source) return null;
    const stored = file.bytes(CHECKSUMS);
    const checksums = new Uint32Array(stored.slice(0, stored.byteLength & ~3).buffer);
    const expected = new Map([...file.tensors.keys()].map((name, i) => [name, checksums[i]]));
    return buildWeights(config, (slot) => readWeight(file, expected, slot, dtype));
  } catch (error) {
    if (error instanceof InputError) return null;
    throw error;
  }
}

function readWeight(file: SafetensorsFile, checksums: Map<string, number>, slot: Slot, dtype: "int8" | "int4"): Weight {
  const bytesOf = (name: string, expected: number) => {
    const bytes = file.bytes(name);
    if (bytes.byteLength !== expected || checksum(bytes) !== checksums.get(name))
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
  const scales = new Uint16Array(...bytesOf(scalesOf(slot), (n / 32) * 2), n / 32);
  return { data: new Uint16Array(0), quantised: { codes, scales, bits }, shape: slot.shape, grad: null };
}
