/** Contracts of the loss (part of `kernels.ts`). */
import type { F32, I32 } from "./dtype.ts";
import type { Precision } from "./kernels.ts";

/**
 * Cross entropy of logits[T,V] against targets[T] (−1: ignored). losses[t] = −log softmax(logits[t])[target] (0 where ignored).
 * With gradScale ≠ null the logits are overwritten, in place, by gradScale · (softmax − onehot) (0 where ignored).
 */
export interface CrossEntropy {
  logits: F32;
  losses: F32;
  targets: I32;
  T: number;
  V: number;
  gradScale: number | null;
}

/**
 * The head and its cross entropy in one: losses[t] = −log softmax(x·wᵀ)[target] (0 where the target is −1), and of Σ gradScale · losses what is to be
 * added to dx and dw. Operands of products are rounded to bf16, the gradients of logits among them.
 */
export interface HeadLoss {
  /** [T] */
  losses: F32;
  /** [T,D] */
  dx: F32;
  /** [V,D] */
  dw: F32;
  /** [T,D] */
  x: F32;
  /** [V,D] */
  w: F32;
  targets: I32;
  T: number;
  D: number;
  V: number;
  gradScale: number;
}

export interface LossKernels {
  crossEntropy(p: CrossEntropy): void;
  /** Whether `headLoss` is faster here than the kernels that it is made of. */
  fusesHeadLoss(p: { D: number; V: number; precision: Precision }): boolean;
  headLoss(p: HeadLoss): void;
}
