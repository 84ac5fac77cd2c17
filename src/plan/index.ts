/** The planner: what a model costs to train and to serve, and what a budget buys. Pure functions. */
export {
  type BudgetPlan,
  type BudgetRequest,
  computeOptimal,
  type Programme,
  type Purchase,
  planBudget,
  predictedLoss,
  SCALING_LAW,
} from "./budget.ts";
export {
  type Counts,
  countDeepseek,
  countDense,
  type DenseConfig,
  inferenceFlops,
  parseDense,
  type StoredPrecision,
  type TrainingOptions,
  trainingFlops,
  trainingMemory,
  WEIGHT_BYTES,
} from "./count.ts";
export { type DeepseekBill, deepseekBill } from "./deepseek.ts";
export { CALIBRATION, type Efficiency, efficiency } from "./efficiency.ts";
export { findHardware, HARDWARE, type Hardware, parseHardware } from "./hardware.ts";
export { planPage } from "./html.ts";
export { chooseLayout, type GivenLayout, type LaidOutTraining, type Layout } from "./layout.ts";
export { againstPublished, DEEPSEEK_V3, publishedRuns } from "./published.ts";
export { planServing, type ServePlan, type ServeRequest } from "./serve.ts";
export { planTraining, type Range, type TrainPlan, type TrainRequest } from "./train.ts";
