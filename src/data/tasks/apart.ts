/**
 * Test tasks that training cannot have seen. The streams of `generateTask` never meet, but what they draw can: there are only some 800 small
 * functions, and sums of small numbers are few. Two ways lead out of it. A model that is trained on tasks of `generateApart` is tested on
 * problems of which it saw none; a model that was trained on tasks of `generateTask` is tested on those that are not among its own.
 */
import { Random } from "../../base/index.ts";
import { hashShare } from "../cleaning/hash-share.ts";
import { draw, generateTask, type Split, TASK_KINDS } from "./generate.ts";
import type { Task, TaskKind } from "./task.ts";

/** The share of all problems that `generateApart` keeps for tests. */
export const HELD_OUT = 1 / 8;

/**
 * What two tasks have in common that are the same problem in other words: the worked solution. Of arithmetic these are operation and numbers,
 * of a word problem its story without what does not matter, of a function its source, of a bug the function, its line and what it became.
 */
export const problemOf = (task: Task): string => task.reply.replace(LOOK, "borrow");

/** The look at both digits before a borrow. Workings of before 25 November 2026 did without, and which problems are kept for tests must not depend on it. */
const LOOK = /-?\d+ - \d+, borrow/g;

/** Task number `index` of a kind, of a split whose problems the other split never has: they are told apart by their hash. */
export function generateApart(kind: TaskKind, split: Split, seed: number, index: number): Task {
  // Streams beyond those of generateTask.
  const random = new Random(seed, 2 ** 52 + index * TASK_KINDS.length + TASK_KINDS.indexOf(kind));
  for (;;) {
    const task = draw(kind, random);
    if (hashShare(problemOf(task)) < HELD_OUT === (split === "test")) return task;
  }
}

/** A source of training tasks, as a recipe has it. */
export interface TrainedOn {
  tasks: readonly TaskKind[];
  count: number;
  seed: number;
}

/** Calls back with every training task of a kind in these sources. */
function forEachTrained(kind: TaskKind, sources: readonly TrainedOn[], visit: (task: Task) => void): void {
  for (const { tasks, count, seed } of sources)
    for (let i = 0; i < count; i++)
      if (tasks[i % tasks.length] === kind) visit(generateTask(kind, "train", seed, Math.floor(i / tasks.length)));
}

/**
 * Test tasks, in order of their number, of which no training task has the same prompt ("prompts") or is the same problem in any words
 * ("problems"), and none twice. Ends after `mostDrawn` draws: there may be no more such tasks.
 */
export function* unseenTasks(
  kind: TaskKind,
  seed: number,
  trained: readonly TrainedOn[],
  by: "prompts" | "problems",
  mostDrawn = 100_000,
): Generator<Task> {
  const key = (task: Task) => (by === "prompts" ? task.prompt : problemOf(task));
  const seen = new Set<string>();
  forEachTrained(kind, trained, (task) => seen.add(key(task)));
  for (let i = 0; i < mostDrawn; i++) {
    const task = generateTask(kind, "test", seed, i);
    if (seen.has(key(task))) continue;
    seen.add(key(task));
    yield task;
  }
}
