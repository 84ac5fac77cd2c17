/** What an exercise is: a conversation to learn from, and what a reply to its last question is checked against. */
import type { Random } from "../../base/index.ts";
import type { FunctionTest } from "../tasks/index.ts";
import type { Forms } from "./form.ts";

export { between, pick, several } from "../tasks/index.ts";

export const EXERCISE_KINDS = ["sums", "stories", "functions", "bugs", "copying", "talks"] as const;
export type ExerciseKind = (typeof EXERCISE_KINDS)[number];

export interface Turn {
  role: "user" | "assistant";
  content: string;
}

export interface Exercise {
  kind: ExerciseKind;
  /** Ends with a right reply of the assistant. */
  turns: Turn[];
  /** What stays the same when only words change: numbers and operations, the function, the text to copy. Exercises of equal problems are the same. */
  problem: string;
  /** The wording that was drawn: equal for texts that differ in numbers and names alone. */
  form: string;
  /** Whether a phrase of the wording is one that training never sees. */
  unseen: boolean;
  /** The final answer of a mathematical exercise, or the text that must stand in the reply. */
  answer?: string;
  /** A programming exercise: the function that is asked for, and calls with what they must return. */
  code?: { entryPoint: string; tests: FunctionTest[] };
  /** A planted bug: the line (from 1) that is wrong, and the line as it should be. */
  bug?: { line: number; fixed: string };
}

/** What an exercise may be made of. */
export interface Making {
  random: Random;
  forms: Forms;
  /** Which names, things and identifiers: those of training, or those kept for tests. */
  words: "train" | "test";
}

export type Maker = (making: Making) => Exercise;

/** True once in `times`. */
export const oneIn = (random: Random, times: number): boolean => random.below(times) === 0;
