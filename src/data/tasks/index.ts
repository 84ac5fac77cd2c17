/**
 * Generators of tasks that can be checked: training data now, evaluation and rewards later. The same seed, split and number give the same
 * task; training and test tasks come from streams that never meet.
 */
import { Random } from "../../tensor/index.ts";
import { arithmetic } from "./arithmetic.ts";
import { bug } from "./bugs.ts";
import { javascript } from "./functions.ts";
import type { Generator, Task, TaskKind } from "./task.ts";
import { wordProblem } from "./word-problems.ts";

export { checkTask, type Verdict } from "./check.ts";
export { call } from "./functions.ts";
export { type Outcome, type Program, runProgram, SANDBOX_LIMITS } from "./sandbox.ts";
export type { FunctionTest, Task, TaskKind } from "./task.ts";

const GENERATORS: Record<TaskKind, Generator> = { arithmetic, "word-problem": wordProblem, javascript, bug };

export const TASK_KINDS = Object.keys(GENERATORS) as TaskKind[];

/** Moves when a generator's output does: tokenised tasks are then made again. */
export const TASKS_VERSION = 1;

export type Split = "train" | "test";

/** Task number `index` of a kind. */
export function generateTask(kind: TaskKind, split: Split, seed: number, index: number): Task {
  const streams = TASK_KINDS.length * 2;
  const stream = index * streams + TASK_KINDS.indexOf(kind) * 2 + (split === "test" ? 1 : 0);
  return GENERATORS[kind](new Random(seed, stream));
}
