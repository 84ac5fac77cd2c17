/**
 * The core equals the published architecture: what Hugging Face transformers (PyTorch, float32) computes on tiny random checkpoints,
 * stored by the script that made `test/goldens/`, against Shoal on the reference and on every instruction set of this machine.
 */
import { describe, expect, it } from "vitest";
import { availableIsas, type F32 } from "../src/tensor/index.ts";
import { MTP_WEIGHT, numbers, openCase, relativeNorm, storedOf, worst } from "./golden-case.ts";

const CASES = ["base", "mtp", "no-q-lora", "yarn", "many-experts", "no-norm-topk", "fp8"] as const;

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
