import { hash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { generateApart, generateTask, problemOf, TASK_KINDS, type TrainedOn, unseenTasks } from "./index.ts";

const SEEDS = [1, 2, 3, 17, 4096, 2 ** 40];

describe.each(TASK_KINDS)("%s", (kind) => {
  it("apart: over many seeds no test task has a training task's prompt, or is the same problem in other words", () => {
    const tasks = (split: "train" | "test", count: number) =>
      SEEDS.flatMap((seed) => Array.from({ length: count }, (_, i) => generateApart(kind, split, seed, i)));
    const training = tasks("train", 120);
    const tests = tasks("test", 40);
    const prompts = new Set(training.map(({ prompt }) => prompt));
    const problems = new Set(training.map(problemOf));
    expect(tests.filter(({ prompt }) => prompts.has(prompt))).toEqual([]);
    expect(tests.filter((task) => problems.has(problemOf(task)))).toEqual([]);
    expect(new Set(tests.map(problemOf)).size).toBeGreaterThan(25);
  });

  it("apart: the same seed and number give the same task", () => {
    expect(generateApart(kind, "test", 5, 3)).toEqual(generateApart(kind, "test", 5, 3));
    expect(generateApart(kind, "test", 5, 3)).not.toEqual(generateApart(kind, "test", 6, 3));
  });

  it("unseen: test tasks that are not among those of a recipe", () => {
    const trained: TrainedOn[] = [
      { tasks: [kind], count: 300, seed: 1 },
      { tasks: ["arithmetic", kind], count: 200, seed: 2 },
    ];
    const count = kind === "arithmetic" ? 200 : 100;
    const training = [
      ...Array.from({ length: 300 }, (_, i) => generateTask(kind, "train", 1, i)),
      ...Array.from({ length: count }, (_, i) => generateTask(kind, "train", 2, kind === "arithmetic" ? i >> 1 : i)),
    ];
    const prompts = new Set(training.map(({ prompt }) => prompt));
    const problems = new Set(training.map(problemOf));
    const byPrompt = [...unseenTasks(kind, 9, trained, "prompts", 300)];
    const byProblem = [...unseenTasks(kind, 9, trained, "problems", 300)];
    expect(byPrompt.filter(({ prompt }) => prompts.has(prompt))).toEqual([]);
    expect(byProblem.filter((task) => problems.has(problemOf(task)))).toEqual([]);
    expect(new Set(byProblem.map(problemOf)).size).toBe(byProblem.length);
    expect(byPrompt.length).toBeGreaterThanOrEqual(byProblem.length);
    expect(byProblem.length).toBeGreaterThan(20);
  });
});

it("which problems are kept for tests does not depend on how a subtraction is worked", () => {
  const reply = ["Ones: 2 - 5, borrow, 12 - 5 = 7.", "Tens: 0 - 1 = -1, -1 - 3, borrow, 9 - 3 = 6."].join("\n");
  const before = ["Ones: borrow, 12 - 5 = 7.", "Tens: 0 - 1 = -1, borrow, 9 - 3 = 6."].join("\n");
  const task = { ...generateTask("arithmetic", "test", 1, 0), reply };
  expect(problemOf(task)).toBe(before);
});

it("what recipes were trained on stays what it was", () => {
  const all = TASK_KINDS.flatMap((kind) =>
    (["train", "test"] as const).flatMap((split) =>
      [1, 2, 3].flatMap((seed) => Array.from({ length: 200 }, (_, i) => generateTask(kind, split, seed, i))),
    ),
  );
  expect(hash("sha256", JSON.stringify(all), "hex")).toBe(
    "1c1e96b650df05e5c9da630801053723579afb08decb3042f201b149a00cd118",
  );
});
