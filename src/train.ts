/** What `shoal/train` gives: recipes, the runs that they make, and what a run's ledger tells. */
export { InputError } from "./base/index.ts";
export type { Range } from "./plan/index.ts";
export {
  type Bill,
  type Course,
  type Figures,
  type ModelCardOptions,
  modelCard,
  type Prediction,
  type Prices,
  type RunFolder,
  type RunState,
  type RunView,
  readRun,
  reportPage,
  type StageCourse,
  type StageFigures,
  type Validation as ValidationFigures,
  type Watch,
  type WatchOptions,
  watchRun,
} from "./report/index.ts";
export { availableIsas, createKernels, type Isa, type Kernels } from "./tensor/index.ts";
export {
  type EncodeOptions,
  type StreamDecoder,
  saveTokenizer,
  Tokenizer,
  type TokenizerParts,
  type TrainBpeOptions,
  trainBpe,
} from "./text/index.ts";
export {
  type EventDetails,
  type EventPlace,
  type EventRecord,
  type ExpertsRecord,
  type InputOptions,
  type LedgerRecord,
  loadRecipe,
  parseRecipe,
  type Recipe,
  type Rewards,
  type RunProgress,
  type RunResult,
  type SampleRecord,
  type SourceSummary,
  type Stage,
  type StepRecord,
  type TrainOptions,
  train,
  type ValidationRecord,
} from "./train/index.ts";
