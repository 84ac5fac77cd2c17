/** Checkpoints: safetensors, the Hugging Face folder with FP8 blocks, and training state that can be resumed. */
export {
  FOLDER_LIMITS,
  type FolderToWrite,
  openFolder,
  readJsonObject,
  writeFolder,
} from "./folder.ts";
export type { GgufMetadata, GgufTensor, GgufValue } from "./gguf/container.ts";
export { dequantize } from "./gguf/dequantize.ts";
export { GgufFields } from "./gguf/fields.ts";
export { type GgufFile, ggufOf, openGguf } from "./gguf/gguf-file.ts";
export {
  configOf,
  isQuantisable,
  loadTrainingWeights,
  loadWeights,
  storedTensors,
  type WeightDtype,
} from "./model-weights.ts";
export { loadQuantised, type OnQuantising } from "./prepared.ts";
export {
  openSafetensors,
  SAFETENSORS_LIMITS,
  type SafetensorsDtype,
  type SafetensorsFile,
  type TensorInfo,
  type TensorToWrite,
  writeAtomically,
  writeSafetensors,
} from "./safetensors.ts";
export {
  latestState,
  loadState,
  removeUnfinishedStates,
  rotateStates,
  saveState,
  setAsideState,
  type TrainingState,
} from "./state.ts";
export type { CheckpointFolder, StoredInfo } from "./stored.ts";
