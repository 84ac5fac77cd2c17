/** Models of DeepSeek's kind: families, configuration, parameters, and the passes through them. */
export { NAIVE_FROM } from "./attention.ts";
export { batchOf } from "./batch.ts";
export { type CacheDtype, LatentCache, LayerCache, type SequenceSpan } from "./cache.ts";
export { configToJson, parseConfig } from "./config.ts";
export type { RouterTrace, Routing } from "./experts.ts";
export { type Family, familyOf } from "./families/index.ts";
export type { Experts, LatentAttention, Layer, Router } from "./layer.ts";
export { CONFIG_LIMITS, type ModelConfig, type YarnConfig } from "./model-config.ts";
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
