/** DeepSeek-V3: configuration, parameters, and the passes through it. */
export { NAIVE_FROM } from "./attention.ts";
export { batchOf } from "./batch.ts";
export { type CacheDtype, LatentCache, LayerCache, type SequenceSpan } from "./cache.ts";
export { CONFIG_LIMITS, configToJson, type ModelConfig, parseConfig, type YarnConfig } from "./config.ts";
export type { RouterTrace } from "./experts.ts";
export {
  buildWeights,
  countParameters,
  type ModelWeights,
  modelSlots,
  type ParameterCounts,
  type Slot,
  type StoredTensor,
} from "./parameters.ts";
export {
  allocateTrainingWeights,
  createTrainingWeights,
  type PlacedSlot,
  type TrainingWeights,
} from "./training-weights.ts";
export { type Batch, type Losses, type LossOptions, Transformer } from "./transformer.ts";
