/** One task: the generator of its kind, on a stream of random numbers of its own. */
import { Random } from "../../base/index.ts";
import { arithmetic } from "./arithmetic.ts";
import { bug } from "./bugs.ts";
import { javascript } from "./functions.ts";
import type { Generator, Task, TaskKind } from "./task.ts";
import { wordProblem } from "./word-problems.ts";

const GENERATORS: Record<TaskKind, Generator> = { arithmetic, "word-problem": wordProblem, javascript, bug };

export const TASK_KINDS = Object.keys(GENERATORS) as TaskKind[];

/** Moves when a generator's output does: tokenised tasks are then made again. */
export const TASKS_VERSION = 2;

export type Split = "train" | "test";

/** A task of a kind from a stream of random numbers. */
export const draw = (kind: TaskKind, random: Random): Task => GENERATORS[kind](random);

/** Task number `index` of a kind. The streams of the two splits never meet; what they draw may (see apart.ts). */
export function generateTask(kind: TaskKind, split: Split, seed: number, index: number): Task {
  const streams = TASK_KINDS.length * 2;
  const stream = index * streams + TASK_KINDS.indexOf(kind) * 2 + (split === "test" ? 1 : 0);
  return draw(kind, new Random(seed, stream));
}
