/**
 * All kernels, as their callers see them. What each one computes, and on what, stands in its family's contract (`kernels/<family>/contract.ts`); beside it
 * the readable reference, and the tests that hold the native twin to it.
 *
 * Rules that hold for every kernel
 * - Matrices are row-major. Shapes stand in the contracts with the legend of `src/model/README.md` (T tokens, D width, …).
 *   A leading dimension (`ld…`, in elements) is the distance between rows; left out, rows are contiguous.
 * - A buffer's dtype is told by its typed array's class (see `dtype.ts`).
 * - Outputs named `d…` are gradients and are ADDED TO; every other output is overwritten, unless `accumulate` says otherwise.
 * - Sums run in float32 or better.
 * - The result does not depend on the number of threads, bit for bit. Between instruction sets it may differ in rounding.
 * - Sizes of 0 are legal and do nothing (with `accumulate: false` and K = 0, the output becomes 0).
 * - Buffers do not overlap unless a kernel says "in place".
 * - A call that does not fit its contract throws before anything is written: InputError for a size, a number or an index, TypeError for a buffer
 *   that is missing or of another class.
 */
import type { AttentionStep, FeedForwardStep, KernelFunctions, Precision } from "./kernels/contracts.ts";

export type {
  AttentionStep,
  FeedForwardStep,
  HeldMatrix,
  Matmul,
  Mixture,
  Precision,
  QuantisedBlocks,
} from "./kernels/contracts.ts";

export type Isa = "reference" | "portable" | "avx2" | "avx512" | "amx";

/** A layer as `prepareLayers` takes it: the T of its halves is how many tokens their buffers have room for. */
export interface LayerStep {
  attention: AttentionStep;
  feedForward: FeedForwardStep;
}

/** Every kernel. One object per instruction set; `createKernels` makes it. */
export interface Kernels extends KernelFunctions {
  readonly isa: Isa;
  /** Whether `feedForward` and its gradient are faster here than the kernels that they are made of. */
  fusesFeedForward(p: { D: number; F: number; precision: Precision }): boolean;
  /** Whether `headLoss` is faster here than the kernels that it is made of. */
  fusesHeadLoss(p: { D: number; V: number; precision: Precision }): boolean;
  /** From more tokens on, kernels that pack weights for many rows are faster than steps, which stream them for a few rows at a time. */
  readonly maxStepTokens: number;
  /**
   * The steps of layers, one after the other, with the same buffers each time: weights and sizes are checked and handed over once, because for a
   * small model that takes as long as the step. What comes back runs them for the first T tokens of the buffers.
   */
  prepareLayers(layers: readonly LayerStep[]): (T: number) => void;
  /**
   * Whether the kernels that this JavaScript thread calls run on it alone from now on, or on all threads (the default): of a small model a step may be
   * over sooner than others have been called.
   */
  runAlone(alone: boolean): void;
}
