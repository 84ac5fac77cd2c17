/**
 * One exercise by its number. Training sees seven eighths of all problems, of all names and of all phrases; the rest is kept for tests. A test is made
 * of problems and names that training never has, in wordings that it has ("seen") or in wordings with a phrase that it has not ("unseen").
 */
import { Random } from "../../base/index.ts";
import { hashShare } from "../cleaning/hash-share.ts";
import { bugs } from "./bugs.ts";
import { copying } from "./copying.ts";
import { EXERCISE_KINDS, type Exercise, type ExerciseKind, type Maker } from "./exercise.ts";
import { functions } from "./functions.ts";
import { stories } from "./stories.ts";
import { sums } from "./sums.ts";
import { talks } from "./talks.ts";

const MAKERS: Record<ExerciseKind, Maker> = { sums, stories, functions, bugs, copying, talks };

/** Moves when a generator's output does: tokenized exercises are then made again. */
export const EXERCISES_VERSION = 1;

/** The share of all problems that is kept for tests. */
export const HELD_OUT = 1 / 8;

/** "train", or a test in wordings that training has or has not. */
export type ExerciseSplit = "train" | "seen-forms" | "unseen-forms";
const SPLITS: readonly ExerciseSplit[] = ["train", "seen-forms", "unseen-forms"];

/** Whether a problem is kept for tests. */
export const isHeldOut = (kind: ExerciseKind, problem: string): boolean => hashShare(`${kind} ${problem}`) < HELD_OUT;

/** Exercise number `index` of a kind and split: the same for the same seed, whatever else is made. */
export function generateExercise(kind: ExerciseKind, split: ExerciseSplit, seed: number, index: number): Exercise {
  const stream = (index * EXERCISE_KINDS.length + EXERCISE_KINDS.indexOf(kind)) * SPLITS.length + SPLITS.indexOf(split);
  const random = new Random(seed, stream);
  const test = split !== "train";
  const forms = split === "unseen-forms" ? "unseen" : "seen";
  for (;;) {
    const exercise = MAKERS[kind]({ random, forms, words: test ? "test" : "train" });
    if (isHeldOut(kind, exercise.problem) === test && exercise.unseen === (forms === "unseen")) return exercise;
  }
}
