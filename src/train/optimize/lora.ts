/**
 * Low-rank adaptation (Hu et al. 2021): the matrices inside layers become W + alpha/rank · B·A, and only A and B are trained.
 * The model always runs on the merged matrices, so nothing else knows of it: the gradients of A and B follow from that of W,
 * dB = s·dW·Aᵀ and dA = s·Bᵀ·dW, and export is a copy. Gradients and activations take the memory of full training; the optimiser's state does not.
 */

import { Random } from "../../base/index.ts";
import type { TrainingWeights } from "../../model/index.ts";
import { allocate, type F32, type Kernels } from "../../tensor/index.ts";
import { hiddenMatrices, type Matrices, type OptimizerSettings, type WeightUpdater } from "./optimizer.ts";

/** Matrices with their A [count, rank, columns] and B [count, rows, rank], which stand one after the other in the adapters. */
interface Adapted extends Matrices {
  a: number;
  b: number;
}

export class LoraOptimizer implements WeightUpdater {
  updates = 0;
  private readonly training: TrainingWeights;
  private readonly kernels: Kernels;
  private readonly settings: OptimizerSettings;
  private readonly rank: number;
  private readonly scale: number;
  private readonly adapted: Adapted[] = [];
  /** The matrices as they were before. */
  private readonly base: F32;
  private readonly adapters: F32;
  /** d loss / d adapters over `scale`, as of the last `gradNorm`. */
  readonly gradient: F32;
  private readonly m: F32;
  private readonly v: F32;

  /** Takes the weights as they are now for the base. */
  constructor(training: TrainingWeights, kernels: Kernels, settings: OptimizerSettings, seed: number) {
    const { rank, alpha } = settings.lora!;
    this.training = training;
    this.kernels = kernels;
    this.settings = settings;
    this.rank = rank;
    this.scale = alpha / rank;
    let length = 0;
    for (const matrices of hiddenMatrices(training)) {
      const { count, rows, columns } = matrices;
      this.adapted.push({ ...matrices, a: length, b: length + count * rank * columns });
      length += count * rank * (rows + columns);
    }
    this.base = training.flat.slice();
    const buffer = () => new Float32Array(allocate(length * 4));
    [this.adapters, this.gradient, this.m, this.v] = [buffer(), buffer(), buffer(), buffer()];
    const random = new Random(seed, 2 ** 30);
    for (const { a, b, columns } of this.adapted)
      for (let i = a; i < b; i++) this.adapters[i] = random.normal() / Math.sqrt(columns);
  }

  get state(): Record<string, F32> {
    return { adapters: this.adapters, m: this.m, v: this.v };
  }

  restored(): void {
    this.merge();
  }

  finish(): void {
    this.merge(this.settings.lora!.merge);
  }

  gradNorm(): number {
    const { kernels, rank, adapters, gradient } = this;
    const { precision } = this.settings;
    for (const { at, a, b, count, rows, columns } of this.adapted) {
      const dW = this.training.grad.subarray(at);
      const size = rows * columns;
      kernels.matmul({
        out: gradient.subarray(b), a: dW, b: adapters.subarray(a), M: rows, N: rank, K: columns, bT: true, precision,
        batch: { count, a: size, b: rank * columns, out: rows * rank },
      }); // biome-ignore format: operands beside their shapes
      kernels.matmul({
        out: gradient.subarray(a), a: adapters.subarray(b), b: dW, M: rank, N: columns, K: rows, aT: true, precision,
        batch: { count, a: rows * rank, b: size, out: rank * columns },
      }); // biome-ignore format: operands beside their shapes
    }
    return this.scale * Math.sqrt(kernels.sumSquares({ x: gradient, n: gradient.length }));
  }

  step(lr: number, gradScale: number): void {
    const { kernels, scale, adapters, gradient } = this;
    const { beta1, beta2, eps } = this.settings.adamw;
    this.updates++;
    const moments = { m: this.m, v: this.v, beta1, beta2, eps };
    const n = adapters.length;
    // A pull towards 0 would be one towards the model that this began with; LoRA goes without.
    kernels.adamw({
      w: adapters,
      g: gradient,
      n,
      lr,
      decay: 0,
      step: this.updates,
      gradScale: gradScale * scale,
      ...moments,
    });
    this.merge();
  }

  /** W = base + share · scale · B·A */
  private merge(share = 1): void {
    const { kernels, rank, scale, adapters, base } = this;
    for (const { at, a, b, count, rows, columns } of this.adapted) {
      const size = rows * columns;
      const out = this.training.flat.subarray(at, at + count * size);
      kernels.matmul({
        out, a: adapters.subarray(b), b: adapters.subarray(a), M: rows, N: columns, K: rank, precision: "f32",
        batch: { count, a: rows * rank, b: rank * columns, out: size },
      }); // biome-ignore format: operands beside their shapes
      kernels.add({ out, a: base.subarray(at), b: out, n: out.length, scaleB: share * scale });
    }
  }
}
