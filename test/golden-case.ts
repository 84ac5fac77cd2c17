/** A golden: a tiny random checkpoint and what Hugging Face transformers computed on it, beside Shoal on one instruction set. */
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import {
  configOf,
  loadTrainingWeights,
  openFolder,
  openSafetensors,
  type SafetensorsFile,
} from "../src/checkpoint/index.ts";
import { batchOf, Transformer } from "../src/model/index.ts";
import { Arena, createKernels, type Isa, type Precision, Tape } from "../src/tensor/index.ts";

export const MTP_WEIGHT = 0.3;

export function numbers(file: SafetensorsFile, name: string): Float32Array {
  const bytes = file.bytes(name);
  return new Float32Array(bytes.slice().buffer);
}

export function openCase(name: string, isa: Isa, precision: Precision) {
  const dir = fileURLToPath(new URL(`goldens/${name}`, import.meta.url));
  const folder = openFolder(dir);
  const config = configOf(folder);
  const kernels = createKernels({ isa });
  const golden = openSafetensors(`${dir}/golden.safetensors`);
  const [B, T] = golden.tensors.get("input_ids")!.shape;
  const ids = Array.from(new BigInt64Array(golden.bytes("input_ids").slice().buffer), Number);
  const batch = batchOf(
    Array.from({ length: B }, (_, b) => ids.slice(b * T, (b + 1) * T)),
    config.numNextnPredictLayers,
  );
  const training = loadTrainingWeights(folder, config, kernels);
  const transformer = new Transformer(config, training.weights);
  const arena = new Arena(1 << 20);
  const tape = (recording: boolean) => {
    arena.reset();
    return new Tape({ kernels, arena, precision, recording });
  };
  const lossOf = (recording: boolean) => {
    const run = tape(recording);
    const { sums, counts } = transformer.loss(run, batch, { mtpWeight: MTP_WEIGHT, balanceAlpha: 0 });
    if (recording) run.backward();
    return sums.map((sum, depth) => sum / counts[depth]);
  };
  return { folder, config, kernels, golden, batch, training, transformer, tape, lossOf };
}

/** Largest |a − b|, over the largest |b|. */
export function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return difference / largest;
}

/** ‖a − b‖ / ‖b‖; of two zeros, 0. */
export function relativeNorm(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}

/** Every trained tensor under its stored name. */
export function* storedOf(slots: ReturnType<typeof loadTrainingWeights>["slots"], part: "data" | "grad") {
  for (const slot of slots.filter(({ trained }) => trained)) {
    for (const { name, shape, offset } of slot.stored) {
      const length = shape.reduce((product, extent) => product * extent, 1);
      yield { name, data: slot[part]!.subarray(offset, offset + length) };
    }
  }
}
