/**
 * The gradient tape: one pass through a model. Operations (`ops.ts`) cut their results from the tape's arena and, when it records,
 * leave a step that adds to the gradients of their inputs; `backward()` runs the steps in reverse.
 */
import type { Arena } from "./arena.ts";
import type { Bf16, F32 } from "./dtype.ts";
import type { Kernels, Precision, QuantisedBlocks } from "./kernels.ts";

/** A dense row-major array of numbers, and what is known of d loss / d data. */
export interface Tensor<Data extends F32 | Bf16 = F32> {
  readonly data: Data;
  readonly shape: readonly number[];
  /** Null until something adds to it; a tape gives it memory from its arena. */
  grad: F32 | Bf16 | null;
}

/** A tensor that nothing but products reads: in bf16 where they would round it to that. */
export type Operand = Tensor<F32 | Bf16>;

/** A weight. Trained ones are f32 with a gradient that outlives the tape; for inference they may be bf16, without one. */
export interface Weight {
  /** Empty where the weight is quantised. */
  readonly data: F32 | Bf16;
  /** For inference: the numbers in blocks of 32 along the last dimension. */
  readonly quantised?: QuantisedBlocks;
  readonly shape: readonly number[];
  readonly grad: F32 | null;
}

export interface TapeOptions {
  kernels: Kernels;
  arena: Arena;
  /** How operands of matrix products are rounded. */
  precision: Precision;
  /** Record steps for `backward` (default false: inference). */
  recording?: boolean;
  /** Where `segment` is asked to, keep only its input and compute the rest again in the backward pass (default false). */
  recompute?: boolean;
}

export class Tape {
  readonly kernels: Kernels;
  readonly arena: Arena;
  readonly precision: Precision;
  readonly recording: boolean;
  private readonly recompute: boolean;
  private steps: (() => void)[] = [];

  constructor(options: TapeOptions) {
    this.kernels = options.kernels;
    this.arena = options.arena;
    this.precision = options.precision;
    this.recording = options.recording ?? false;
    this.recompute = options.recompute ?? false;
  }

  /** A new tensor from the arena, its numbers not set. */
  tensor(...shape: number[]): Tensor {
    return { data: this.arena.take("f32", size(shape)), shape, grad: null };
  }

  /** A new tensor that only a product with `reader` reads, its numbers not set. */
  operandOf(reader: Weight, ...shape: number[]): Operand {
    const inBf16 = this.precision === "bf16" && !reader.quantised;
    return { data: this.arena.take(inBf16 ? "bf16" : "f32", size(shape)), shape, grad: null };
  }

  /** The tensor's gradient, zeros at first. */
  gradOf(tensor: Operand): F32 {
    const { grad, fresh } = this.gradToSet(tensor);
    if (fresh) this.kernels.zero({ x: grad, n: grad.length });
    return grad;
  }

  /** The tensor's gradient for a kernel that can overwrite it: whether it is fresh, its numbers not set. */
  gradToSet(tensor: Operand): { grad: F32; fresh: boolean } {
    const fresh = tensor.grad === null;
    tensor.grad ??= this.arena.take("f32", tensor.data.length);
    if (tensor.grad instanceof Uint16Array)
      throw new Error("a gradient that only products read was asked for by another");
    return { grad: tensor.grad, fresh };
  }

  /** As gradToSet, of the result of a product, whose gradient only products read: in bf16 where they would round it to that. */
  operandGradToSet(product: Tensor): { grad: F32 | Bf16; fresh: boolean } {
    if (product.grad !== null || this.precision !== "bf16") return this.gradToSet(product);
    product.grad = this.arena.take("bf16", product.data.length);
    return { grad: product.grad, fresh: true };
  }

  /** The gradient of the result of a product, for the products that read it; zeros at first. */
  operandGradOf(product: Tensor): F32 | Bf16 {
    return product.grad ?? this.gradOf(product);
  }

  record(step: () => void): void {
    if (this.recording) this.steps.push(step);
  }

  /**
   * f(x), for an f whose result has x's shape. When the tape recomputes, what f makes on the way is forgotten, and f runs again before its
   * gradients are asked for: memory for activations falls to one segment's, for a third more work. f must use the tape that it is given.
   * When nothing is recorded and f leaves its result in x's place, the next segment gets the same memory, which is then in a cache.
   */
  segment(x: Tensor, f: (tape: Tape, x: Tensor) => Tensor): Tensor {
    const { arena, kernels, precision } = this;
    if (!this.recording) {
      const mark = arena.mark();
      const y = f(this, x);
      if (y === x) arena.release(mark);
      return y;
    }
    if (!this.recompute) return f(this, x);
    const run = (use: (inner: Tape, input: Tensor, y: Tensor) => void) => {
      const mark = arena.mark();
      const inner = new Tape({ kernels, arena, precision, recording: true });
      const input: Tensor = { data: x.data, shape: x.shape, grad: null };
      use(inner, input, f(inner, input));
      arena.release(mark);
    };
    const out = this.tensor(...x.shape);
    run((_, __, y) => out.data.set(y.data));
    this.record(() => {
      const [dx, dout] = [this.gradOf(x), this.gradOf(out)];
      run((inner, input, y) => {
        y.grad = dout;
        inner.backward();
        kernels.add({ out: dx, a: dx, b: inner.gradOf(input), n: dx.length });
      });
    });
    return out;
  }

  /** Runs the recorded steps from the last to the first, once; gradients end in the `grad` of every tensor and weight. */
  backward(): void {
    for (let i = this.steps.length - 1; i >= 0; i--) this.steps[i]();
    this.steps = [];
  }
}

/** The number of elements of a shape. */
export function size(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** A weight's gradient, which must be there when a tape records. */
export function gradOfWeight(weight: Weight): F32 {
  if (!weight.grad) throw new Error("a weight without a gradient buffer took part in a recorded pass");
  return weight.grad;
}
