/**
 * The core equals the published architecture: what Hugging Face transformers (PyTorch, float32) computes on tiny random checkpoints,
 * stored by the script that made `test/goldens/`, against Shoal on the reference and on every instruction set of this machine.
 */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  configOf,
  loadTrainingWeights,
  openFolder,
  openSafetensors,
  type SafetensorsFile,
} from "../src/checkpoint/index.ts";
import { batchOf, Transformer } from "../src/model/index.ts";
import { Arena, availableIsas, createKernels, type F32, type Isa, type Precision, Tape } from "../src/tensor/index.ts";

const CASES = ["base", "mtp", "no-q-lora", "yarn", "many-experts", "no-norm-topk", "fp8"] as const;
const MTP_WEIGHT = 0.3;

function numbers(file: SafetensorsFile, name: string): Float32Array {
  const bytes = file.bytes(name);
  return new Float32Array(bytes.slice().buffer);
}

function openCase(name: string, isa: Isa, precision: Precision) {
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
  return { config, kernels, golden, batch, training, transformer, tape, lossOf };
}

/** Largest |a − b|, over the largest |b|. */
function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
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
function relativeNorm(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
}

describe.each(availableIsas())("goldens on %s", (isa) => {
  it.each(CASES)("%s: logits and loss in f32", (name) => {
    const { golden, batch, transformer, tape, lossOf, config } = openCase(name, isa, "f32");
    const run = tape(false);
    const hidden = transformer.forward(run, batch);
    const logits = transformer.logits(run, hidden);
    expect(worst(logits.data, numbers(golden, "logits"))).toBeLessThan(1e-4);
    if (name === "mtp") {
      const T = golden.tensors.get("input_ids")!.shape[1];
      const mtpLogits = transformer.logits(run, transformer.mtpForward(run, 1, hidden, batch)).data;
      const V = config.vocabSize;
      // The golden has no row for the last token of a sequence, which nothing follows.
      const rows = [0, 1].flatMap((b) => Array.from(mtpLogits.subarray(b * T * V, (b * T + T - 1) * V)));
      expect(worst(rows, numbers(golden, "mtp_logits"))).toBeLessThan(1e-4);
    }
    const [loss, mtpLoss] = lossOf(false);
    expect(Math.abs(loss - numbers(golden, "loss")[0])).toBeLessThan(1e-5);
    if (name === "mtp") {
      expect(Math.abs(mtpLoss - numbers(golden, "mtp_loss")[0])).toBeLessThan(1e-5);
      expect(Math.abs(loss + MTP_WEIGHT * mtpLoss - numbers(golden, "total_loss")[0])).toBeLessThan(1e-5);
    }
  });

  it.each(CASES.filter((name) => name !== "fp8"))("%s: gradients and three AdamW steps in f32", (name) => {
    const { golden, training, kernels, lossOf } = openCase(name, isa, "f32");
    const steps = numbers(golden, "step_losses");
    const n = training.flat.length;
    const m: F32 = new Float32Array(n);
    const v: F32 = new Float32Array(n);
    for (let step = 1; step <= 3; step++) {
      training.grad.fill(0);
      const [loss, mtpLoss] = lossOf(true);
      expect(Math.abs(loss + (mtpLoss === undefined ? 0 : MTP_WEIGHT * mtpLoss) - steps[step - 1])).toBeLessThan(1e-5);
      if (step === 1) {
        for (const tensor of storedOf(training.slots, "grad")) {
          const expected = `grad.${tensor.name}`;
          // An expert that no token chose has no gradient in either.
          if (golden.tensors.has(expected))
            expect(relativeNorm(tensor.data, numbers(golden, expected)), tensor.name).toBeLessThan(1e-3);
          else expect(relativeNorm(tensor.data, new Float32Array(tensor.data.length)), tensor.name).toBe(0);
        }
      }
      const norm = Math.sqrt(kernels.sumSquares({ x: training.grad, n }));
      const gradScale = Math.min(1, 1 / (norm + 1e-6));
      kernels.adamw({
        w: training.flat,
        g: training.grad,
        m,
        v,
        n,
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        decay: 0.1,
        step,
        gradScale,
      });
    }
    for (const tensor of storedOf(training.slots, "data")) {
      const expected = numbers(golden, `after.${tensor.name}`);
      expect(relativeNorm(tensor.data, expected), tensor.name).toBeLessThan(1e-4);
    }
  });

  it.each(CASES)("%s: loss in bf16 within 1 %%", (name) => {
    const { golden, lossOf } = openCase(name, isa, "bf16");
    const [loss] = lossOf(false);
    const expected = numbers(golden, "loss")[0];
    expect(Math.abs(loss - expected) / expected).toBeLessThan(0.01);
  });
});

function* storedOf(slots: ReturnType<typeof loadTrainingWeights>["slots"], part: "data" | "grad") {
  for (const slot of slots.filter(({ trained }) => trained)) {
    for (const { name, shape, offset } of slot.stored) {
      const length = shape.reduce((product, extent) => product * extent, 1);
      yield { name, data: slot[part]!.subarray(offset, offset + length) };
    }
  }
}
