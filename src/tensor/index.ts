/** Numbers: dtypes, memory, the kernel contract and its twins, tensors and the gradient tape. */
export { Arena, type Mark } from "./arena.ts";
export { availableIsas, createKernels } from "./create-kernels.ts";
export {
  type Bf16,
  bf16ToF32,
  type Dtype,
  dtypeBytes,
  dtypeOf,
  type F8,
  type F32,
  f8ToF32,
  f32ToBf16,
  f32ToF8,
  type I8,
  type I32,
  type Storage,
  type StorageOf,
  viewOf,
} from "./dtype.ts";
export type { AttentionStep, FeedForwardStep, Isa, Kernels, Precision, QuantisedBlocks } from "./kernels.ts";
export { allocate, mapFile, releaseMapped } from "./memory.ts";
export type { RopeTable } from "./ops.ts";
export * as ops from "./ops.ts";
export { type Operand, size, Tape, type TapeOptions, type Tensor, type Weight } from "./tape.ts";
