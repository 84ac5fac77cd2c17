/** Generators of tasks that can be checked: training data now, evaluation and rewards later. The same seed and number give the same task. */
export { generateApart, problemOf, type TrainedOn, unseenTasks } from "./apart.ts";
export { addSteps, divideSteps, subtractSteps, timesSteps } from "./arithmetic.ts";
export { endsAndFails } from "./bugs.ts";
export { checkTask, type Verdict } from "./check.ts";
export { call, run } from "./functions.ts";
export { generateTask, type Split, TASK_KINDS, TASKS_VERSION } from "./generate.ts";
export { type Outcome, type Program, runProgram, SANDBOX_LIMITS, type SandboxLimits } from "./sandbox.ts";
export { between, type FunctionTest, pick, several, type Task, type TaskKind } from "./task.ts";
