import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { addSteps, divideSteps, subtractSteps, timesSteps } from "./arithmetic.ts";
import { mutate } from "./bugs.ts";
import { run } from "./functions.ts";
import { generateTask, TASK_KINDS, type Task } from "./index.ts";

const tasks = (kind: Task["kind"], count = 400, split: "train" | "test" = "train") =>
  Array.from({ length: count }, (_, i) => generateTask(kind, split, 1, i));

/** Every `a op b (+ c …) = d` of a text must be true. */
function wrongEquations(text: string): string[] {
  const wrong: string[] = [];
  for (const [all, left, right] of text.matchAll(/(-?\d+(?: [-+x/] \d+)+) = (-?\d+)/g)) {
    const value = new Function(`return ${left.replaceAll("x", "*")};`)() as number;
    const whole = left.includes("/") ? Math.floor(value) : value;
    if (whole !== Number(right)) wrong.push(all);
  }
  return wrong;
}

describe.each(TASK_KINDS)("%s tasks", (kind) => {
  it("are the same for the same seed, and others for another seed or split", () => {
    expect(tasks(kind, 20)).toEqual(tasks(kind, 20));
    const prompts = new Set(tasks(kind, 100).map(({ prompt }) => prompt));
    expect(prompts.size).toBeGreaterThan(50);
    expect(tasks(kind, 20, "test").map(({ prompt }) => prompt)).not.toEqual(
      tasks(kind, 20).map(({ prompt }) => prompt),
    );
    expect(generateTask(kind, "train", 2, 5)).not.toEqual(generateTask(kind, "train", 1, 5));
  });

  it("say what they claim", () => {
    for (const { reply, answer, prompt } of tasks(kind)) {
      expect({ prompt, wrong: wrongEquations(reply.replaceAll(/```[\s\S]*```/g, "")) }).toEqual({ prompt, wrong: [] });
      if (answer !== undefined) expect(reply.endsWith(`The answer is ${answer}.`)).toBe(true);
      expect(`${prompt}${reply}`).not.toMatch(/undefined|NaN|null,/);
    }
  });
});

it("steps end in the right digits, at the borders too", () => {
  const last = (lines: string[]) => lines[lines.length - 1];
  expect(last(addSteps(999, 1))).toBe("Hundreds: 9 + 0 + 1 = 10.");
  expect(subtractSteps(1000, 1)).toEqual([
    "Ones: 0 - 1, borrow, 10 - 1 = 9.",
    "Tens: 0 - 1 = -1, -1 - 0, borrow, 9 - 0 = 9.",
    "Hundreds: 0 - 1 = -1, -1 - 0, borrow, 9 - 0 = 9.",
    "Thousands: 1 - 1 = 0, 0 - 0 = 0.",
  ]);
  expect(last(timesSteps(386, 47))).toBe("15440 + 2702 = 18142.");
  expect(last(divideSteps(84, 7))).toBe("14 / 7 = 2, remainder 0.");
});

it("arithmetic answers are right", () => {
  for (const { prompt, answer } of tasks("arithmetic", 1000)) {
    const [, a, sign, b] = /(\d+) ([-+x*/]) (\d+)/.exec(prompt) ?? [];
    if (!sign) continue;
    const [x, y] = [Number(a), Number(b)];
    const expected = { "+": x + y, "-": x - y, x: x * y, "*": x * y, "/": Math.floor(x / y) }[sign]!;
    expect(answer).toBe(sign === "/" && x % y ? `${expected} remainder ${x % y}` : `${expected}`);
  }
});

const sourceIn = (reply: string) => /```js\n([\s\S]*?)\n```/.exec(reply)![1].split("\n");

it("functions pass their own tests, and planted bugs fail one of them on the line that is named", () => {
  for (const { reply, code } of tasks("javascript", 200)) {
    for (const { args, expected } of code!.tests)
      expect(run(sourceIn(reply), code!.entryPoint, args)).toEqual(expected);
  }
  for (const { prompt, reply, code, bug } of tasks("bug", 200)) {
    const right = sourceIn(reply);
    for (const { args, expected } of code!.tests) expect(run(right, code!.entryPoint, args)).toEqual(expected);
    const shown = [...prompt.matchAll(/^\d+ (.*)$/gm)].map(([, line]) => line);
    expect(shown.length).toBe(right.length);
    const different = shown.flatMap((line, i) => (line === right[i] ? [] : [i + 1]));
    expect(different).toEqual([bug!.line]);
    expect(right[bug!.line - 1].trim()).toBe(bug!.fixed);
  }
});

it("a mutation changes a line or says that it cannot", () => {
  const random = new Random(1);
  expect(mutate("  }", random)).toBe(null);
  for (let i = 0; i < 50; i++) expect(mutate("if (n < 3) {", random)).toMatch(/n (<=|>) 3/);
});
