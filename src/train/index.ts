/** Training: recipes, stages, the loop and its ledger. */
export { loadValidation, type Validation, type ValidationText, validate } from "./evaluate.ts";
export type {
  EventRecord,
  ExpertsRecord,
  LedgerRecord,
  Rewards,
  SampleRecord,
  StepRecord,
  ValidationRecord,
} from "./ledger.ts";
export { loadRecipe, parseRecipe, type Recipe, type Stage } from "./recipe.ts";
export { modelConfigOf } from "./recipe-model.ts";
export { type RunResult, train } from "./run.ts";
export { biasUpdateSpeed, learningRate, mtpWeight, stageTokens } from "./schedule.ts";
export type { RunProgress, TrainOptions } from "./session.ts";
export { type StepOptions, type StepResult, Trainer } from "./trainer.ts";
