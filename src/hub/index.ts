/** The Hugging Face hub: data sets by name. */
export { type DatasetName, type DownloadOptions, datasetFiles, HUB_LIMITS } from "./data-set.ts";
