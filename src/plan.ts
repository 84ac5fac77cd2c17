/** What `shoal/plan` gives: what a model costs to train and to serve, and what a budget buys. */
export { InputError } from "./base/index.ts";
export {
  configToJson,
  countParameters,
  type ModelConfig,
  type ParameterCounts,
  parseConfig,
  type YarnConfig,
} from "./model/index.ts";
export {
  type BudgetPlan,
  type BudgetRequest,
  type Counts,
  countDeepseek,
  type Efficiency,
  findHardware,
  type GivenLayout,
  type Hardware,
  type Layout,
  type Programme,
  type Purchase,
  planBudget,
  planServing,
  planTraining,
  type Range,
  type ServePlan,
  type ServeRequest,
  type StoredPrecision,
  type TrainingOptions,
  type TrainPlan,
  type TrainRequest,
  trainingFlops,
} from "./plan/index.ts";
