/** Measuring speed: the machine's ceilings, and each thing that Shoal does as a share of them. */
export { benchKernels, type Ceilings, type KernelRow, measureCeilings } from "./ceilings.ts";
export { benchDrafting, type DraftingBench } from "./drafting.ts";
export { benchDecode, benchPrefill, type DecodeBench, type PrefillBench } from "./inference.ts";
export { type Load, type LoadOptions, measureLoad } from "./load/clients.ts";
export { benchServer, describeServerLoad, type ServerLoad, type ServerLoadOptions } from "./load/scenario.ts";
export type { Timing } from "./measure.ts";
export { INFERENCE_SHAPES, randomWeights, TRAIN_SHAPE } from "./shapes.ts";
export { benchStartup, type StartupBench } from "./startup.ts";
export { benchTrain, type TrainBench, type TrainBenchOptions } from "./train.ts";
