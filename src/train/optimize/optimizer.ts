/**
 * The optimiser of a run: AdamW for everything, or, where the recipe has a `muon` section, Muon for the matrices inside the layers
 * (Jordan et al. 2024; scale and decay as in Liu et al. 2025, "Muon is Scalable for LLM Training") and AdamW for the rest:
 * embedding, head, routers and norms.
 */
import type { PlacedSlot, TrainingWeights } from "../../model/index.ts";
import { Arena, allocate, type F32, type Kernels, type Precision } from "../../tensor/index.ts";
import type { Recipe } from "../recipe/schema.ts";

export type OptimizerSettings = Pick<Recipe, "adamw" | "muon" | "lora" | "lrScale" | "precision">;

/** What moves the weights by their gradients once a step. */
export interface WeightUpdater {
  /** Updates made so far. */
  updates: number;
  /** Buffers that a checkpoint keeps. */
  readonly state: Record<string, F32>;
  /** Norm of the gradient that `step` follows; to be asked for before it. */
  gradNorm(): number;
  /** Moves the weights by their gradients times gradScale. */
  step(lr: number, gradScale: number): void;
  /** Brings the weights in line with a `state` that was just read back. */
  restored(): void;
  /** Brings the weights to what the finished model gets; the state stays as it is, and a second call changes nothing. */
  finish(): void;
}

/** Matrices of one slot that stand one after the other: of a linear layer one, of a layer's experts many. */
export interface Matrices {
  at: number;
  count: number;
  rows: number;
  columns: number;
}

export class Optimizer implements WeightUpdater {
  /** First moments (of AdamW) and momentum (of Muon), laid out as the weights. */
  readonly m: F32;
  /** Second moments of AdamW; untouched where Muon works. */
  readonly v: F32;
  updates = 0;
  private readonly training: TrainingWeights;
  private readonly kernels: Kernels;
  private readonly settings: OptimizerSettings;
  private readonly arena = new Arena();
  /** Parts [from, to) of the flat buffer that AdamW moves, each at its multiple of the learning rate, and the matrices that Muon moves. */
  private readonly ranges: { from: number; to: number; lrScale: number }[] = [];
  private readonly matrices: Matrices[];

  constructor(training: TrainingWeights, kernels: Kernels, settings: OptimizerSettings) {
    this.training = training;
    this.kernels = kernels;
    this.settings = settings;
    this.m = new Float32Array(allocate(training.flat.length * 4));
    this.v = new Float32Array(allocate(training.flat.length * 4));
    this.matrices = settings.muon ? hiddenMatrices(training) : [];
    const muon = new Set(this.matrices.map(({ at }) => at));
    const slots = training.slots.filter(({ trained }) => trained);
    for (const [i, { at, stored }] of slots.entries()) {
      if (muon.has(at)) continue;
      const to = slots[i + 1]?.at ?? training.flat.length;
      const lrScale = lrScaleOf(stored[0].name, settings);
      const last = this.ranges.at(-1);
      if (last?.to === at && last.lrScale === lrScale) last.to = to;
      else this.ranges.push({ from: at, to, lrScale });
    }
  }

  get state(): Record<string, F32> {
    return { flat: this.training.flat, m: this.m, v: this.v };
  }

  restored(): void {}

  finish(): void {}

  gradNorm(): number {
    const { grad } = this.training;
    return Math.sqrt(this.kernels.sumSquares({ x: grad, n: grad.length }));
  }

  step(lr: number, gradScale: number): void {
    this.updates++;
    const { flat, grad } = this.training;
    const { beta1, beta2, eps, weightDecay: decay } = this.settings.adamw;
    for (const { from, to, lrScale } of this.ranges) {
      this.kernels.adamw({
        w: flat.subarray(from, to),
        g: grad.subarray(from, to),
        m: this.m.subarray(from, to),
        v: this.v.subarray(from, to),
        n: to - from,
        lr: lr * lrScale,
        beta1,
        beta2,
        eps,
        decay,
        step: this.updates,
        gradScale,
      });
    }
    for (const matrices of this.matrices) this.muon(matrices, lr);
  }

  /** Muon is blind to a gradient's size, so clipping has nothing to do here. */
  private muon({ at, count, rows, columns }: Matrices, lr: number): void {
    const { kernels, arena, settings } = this;
    const { precision } = settings;
    const { momentum, iterations, updateRms } = settings.muon!;
    const n = count * rows * columns;
    const part = (buffer: F32) => buffer.subarray(at, at + n);
    const [w, g, m] = [part(this.training.flat), part(this.training.grad), part(this.m)];
    arena.reset();
    const ahead = arena.take("f32", n);
    kernels.add({ out: m, a: m, b: g, n, scaleA: momentum, scaleB: 1 - momentum });
    // Nesterov: look one step of momentum ahead.
    kernels.add({ out: ahead, a: m, b: g, n, scaleA: momentum, scaleB: 1 - momentum });
    const update = orthogonalise(kernels, arena, ahead, { count, rows, columns, iterations, precision });
    // An orthogonal matrix has numbers of RMS 1/√max(rows, columns): scaled to the RMS that AdamW's updates have, one rate serves both.
    const scale = updateRms * Math.sqrt(Math.max(rows, columns));
    kernels.add({ out: w, a: w, b: update, n, scaleA: 1 - lr * settings.adamw.weightDecay, scaleB: -lr * scale });
  }
}

function lrScaleOf(name: string, { lrScale }: OptimizerSettings): number {
  if (name.includes("embed_tokens")) return lrScale?.embedding ?? 1;
  return name.includes("lm_head") ? (lrScale?.head ?? 1) : 1;
}

/** The matrices inside layers, experts' included: not embedding and head (rows are tokens), nor the router (rows are experts). */
export function hiddenMatrices({ slots }: TrainingWeights): Matrices[] {
  const isHidden = ({ stored, trained, init, keepF32 }: PlacedSlot) =>
    trained && init === "normal" && !keepF32 && !/embed_tokens|lm_head/.test(stored[0].name);
  return slots.filter(isHidden).map(({ at, data, stored }) => {
    const [rows, columns] = stored[0].shape;
    return { at, count: data.length / (rows * columns), rows, columns };
  });
}

/** Coefficients of the quintic step (Jordan et al. 2024): singular values come near 1 fast, and need not come nearer. */
const [A, B, C] = [3.4445, -4.775, 2.0315];

export interface Orthogonalise {
  /** Matrices of this shape stand one after the other in x. */
  count: number;
  rows: number;
  columns: number;
  iterations: number;
  precision: Precision;
}

/**
 * The orthogonal factor of each matrix, roughly: with x = U S Vᵀ, U Vᵀ with singular values of 0.7 to 1.2, by Newton-Schulz steps
 * x ← A·x + B·(x xᵀ)x + C·(x xᵀ)²x over the shorter side of x. Overwrites x; the result lies in the arena. A matrix of zeros stays 0.
 */
export function orthogonalise(
  kernels: Kernels,
  arena: Arena,
  x: F32,
  { count, rows, columns, iterations, precision }: Orthogonalise,
): F32 {
  const size = rows * columns;
  for (let i = 0; i < count; i++) {
    const one = x.subarray(i * size, (i + 1) * size);
    const norm = Math.sqrt(kernels.sumSquares({ x: one, n: size }));
    kernels.add({ out: one, a: one, b: one, n: size, scaleA: 1 / (norm + 1e-12), scaleB: 0 });
  }
  const tall = rows > columns;
  const side = Math.min(rows, columns);
  const square = side * side;
  const gram = arena.take("f32", count * square);
  const polynomial = arena.take("f32", count * square);
  let from = x;
  let to = arena.take("f32", count * size);
  const inner = { M: side, N: side, precision };
  for (let iteration = 0; iteration < iterations; iteration++) {
    // gram = x xᵀ, or xᵀ x of a tall x
    kernels.matmul({
      ...inner, out: gram, a: from, b: from, K: Math.max(rows, columns), aT: tall, bT: !tall, lda: columns, ldb: columns,
      batch: { count, a: size, b: size, out: square },
    }); // biome-ignore format: operands beside their shapes
    kernels.matmul({
      ...inner, out: polynomial, a: gram, b: gram, K: side,
      batch: { count, a: square, b: square, out: square },
    }); // biome-ignore format: operands beside their shapes
    kernels.add({ out: polynomial, a: polynomial, b: gram, n: count * square, scaleA: C, scaleB: B });
    for (let i = 0; i < count; i++) for (let d = 0; d < side; d++) polynomial[i * square + d * (side + 1)] += A;
    kernels.matmul({
      out: to, a: tall ? from : polynomial, b: tall ? polynomial : from, M: rows, N: columns, K: side, precision,
      batch: { count, a: tall ? size : square, b: tall ? square : size, out: size },
    }); // biome-ignore format: operands beside their shapes
    [from, to] = [to, from];
  }
  return from;
}
