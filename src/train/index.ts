/** Training: recipes, stages, the loop and its ledger. */

export { type StepOptions, type StepResult, Trainer } from "./optimize/trainer.ts";
export { type ResolvedStage, resolveStages, type Vocabulary } from "./recipe/model.ts";
export { loadRecipe, parseRecipe, runFolderOf } from "./recipe/recipe.ts";
export { biasUpdateSpeed, learningRate, mtpWeight, stageTokens } from "./recipe/schedule.ts";
export type { Recipe, Stage } from "./recipe/schema.ts";
export { SIZES, type Size, vocabularyOfSize } from "./recipe/sizes.ts";
export { type Source as RecipeSource, suggestRecipe } from "./recipe/suggest.ts";
export { loadValidation, type Validation, type ValidationText, type Validator, validate } from "./run/evaluate.ts";
export {
  heldShare,
  type InputOptions,
  resolveData,
  resolveModel,
  type SourceSummary,
  sourceOf,
  tokeniseOptions,
  tokenizerOf,
} from "./run/inputs.ts";
export { type Learnable, learnableOf } from "./run/learnable.ts";
export type {
  EventDetails,
  EventPlace,
  EventRecord,
  ExpertsRecord,
  LedgerRecord,
  Rewards,
  SampleRecord,
  StepRecord,
  ValidationRecord,
} from "./run/ledger.ts";
export type { RunProgress } from "./run/meter.ts";
export { type RunResult, train } from "./run/run.ts";
export type { TrainOptions } from "./run/training-run.ts";
