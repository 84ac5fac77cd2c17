/** The Hugging Face hub: data sets and models by name, downloaded once into the cache that other programs share. */
export { type DatasetName, type DownloadOptions, datasetFiles, HUB_LIMITS } from "./data-set.ts";
export {
  type CachedFile,
  type CachedModel,
  hubCache,
  listCachedModels,
  looksLikeModelName,
  type ModelName,
  modelFolder,
  parseModelName,
} from "./models/cache.ts";
export type { Choice } from "./models/choose.ts";
export { findCachedModel, removeModel, verifyModel } from "./models/manage.ts";
export { type PullOptions, type PullPlan, type PullProgress, planPull, pullModel } from "./models/pull.ts";
export type { RemoteModelFile } from "./models/repository.ts";
export type { RemoteFile } from "./transfer.ts";
