/** What a generated task is: a question, a worked reply, and what a reply is checked against. */
import type { Random } from "../../base/index.ts";

export interface Task {
  kind: TaskKind;
  prompt: string;
  /** A right reply with its steps: what a model is trained on. */
  reply: string;
  /** The final answer of a mathematical task. */
  answer?: string;
  /** A programming task: which function is asked for, and calls with what they must return. */
  code?: { entryPoint: string; tests: FunctionTest[] };
  /** A planted bug: the line (from 1) that is wrong, and the line as it should be. */
  bug?: { line: number; fixed: string };
}

export type TaskKind = "arithmetic" | "word-problem" | "javascript" | "bug";

export interface FunctionTest {
  args: unknown[];
  expected: unknown;
}

/** A function before it is written down: `body` is the source between the braces, one statement a line. */
export interface Shape {
  name: string;
  parameters: string[];
  /** "returns …" */
  does: string;
  body: string[];
  /** Arguments to try it with. */
  inputs: (random: Random) => unknown[][];
}

export type Generator = (random: Random) => Task;

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)];
}

/** A whole number from least to most. */
export function between(random: Random, least: number, most: number): number {
  return least + random.below(most - least + 1);
}

/** `count` different members of a list. */
export function several<T>(random: Random, list: readonly T[], count: number): T[] {
  const left = [...list];
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0]);
}
