import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { run } from "../tasks/index.ts";
import { bugForms, MUTATIONS } from "./bugs.ts";
import { Form, FormSet } from "./form.ts";
import { functionForms } from "./functions.ts";
import { EXERCISE_KINDS, type Exercise, type ExerciseSplit, generateExercise, isHeldOut } from "./index.ts";
import { sumForms } from "./sums.ts";
import { numberInWords, untidy, withCommas } from "./wording.ts";

const drawn = (kind: Exercise["kind"], split: ExerciseSplit = "train", count = 300): Exercise[] =>
  Array.from({ length: count }, (_, i) => generateExercise(kind, split, 1, i));

const reply = ({ turns }: Exercise) => turns.at(-1)!.content;

/** Every `a op b (+ c …) = d` of a text must be true. */
function wrongEquations(text: string): string[] {
  const wrong: string[] = [];
  for (const [all, left, right] of text.matchAll(/(?<![\d/] )(-?\d+(?: [-+x/] \d+)+) = (-?\d+)/g)) {
    const value = new Function(`return ${left.replaceAll("x", "*")};`)() as number;
    if (Math.floor(value) !== Number(right)) wrong.push(all);
  }
  return wrong;
}

describe("a form", () => {
  it("stands for every text that its choices make", () => {
    const form = new Form("[Please |][add|sum] {a} [and|to [the ||my ]]{b}", "x");
    expect(form.count).toBe(2 * 2 * (1 + 3));
    const texts = new Set<string>();
    for (let i = 0; i < 500; i++) texts.add(form.draw(new Random(1, i), { a: "1", b: "2" }, "any")!.text);
    expect(texts.size).toBe(16);
    expect(texts).toContain("Please add 1 to my 2");
  });

  it("keeps phrases for tests that training never says", () => {
    const set = new FormSet("test", ["[one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen] {x}"]);
    const texts = (forms: "seen" | "unseen") =>
      new Set(Array.from({ length: 300 }, (_, i) => set.draw(new Random(2, i), { x: "y" }, forms).text));
    const [seen, unseen] = [texts("seen"), texts("unseen")];
    expect(seen.size + unseen.size).toBe(13);
    expect([...unseen].filter((text) => seen.has(text))).toEqual([]);
    expect(unseen.size).toBeGreaterThan(0);
  });

  it.each(["[a|b", "a]", "{a", "a}b", "[a|{b]"])("with brackets that do not fit is refused: %s", (template) => {
    expect(() => new Form(template, "x")).toThrow(SyntaxError);
  });
});

describe.each(EXERCISE_KINDS)("%s", (kind) => {
  it("are the same for the same seed, and others for another seed or split", () => {
    expect(drawn(kind, "train", 20)).toEqual(drawn(kind, "train", 20));
    expect(generateExercise(kind, "train", 2, 5)).not.toEqual(generateExercise(kind, "train", 1, 5));
    expect(new Set(drawn(kind, "train", 200).map(({ turns }) => turns[0].content)).size).toBeGreaterThan(190);
  });

  it("come in many wordings", () => {
    expect(new Set(drawn(kind, "train", 400).map(({ form }) => form)).size).toBeGreaterThan(200);
  });

  it("hold problems, and phrases, apart from training", () => {
    const trained = drawn(kind);
    expect(trained.filter(({ unseen, problem }) => unseen || isHeldOut(kind, problem))).toEqual([]);
    const seen = drawn(kind, "seen-forms", 60);
    expect(seen.filter(({ unseen, problem }) => unseen || !isHeldOut(kind, problem))).toEqual([]);
    const unseen = drawn(kind, "unseen-forms", 60);
    expect(unseen.filter((one) => !one.unseen || !isHeldOut(kind, one.problem))).toEqual([]);
  });

  it("say what they claim", () => {
    for (const exercise of drawn(kind)) {
      expect(exercise.turns.map(({ role }) => role)).toEqual(
        exercise.turns.map((_, i) => (i % 2 ? "assistant" : "user")),
      );
      const text = exercise.turns.map(({ content }) => content).join("\n");
      expect(text).not.toMatch(/\bundefined\b|\bNaN\b|\{\w+\}|\[object/);
      if (kind !== "functions" && kind !== "bugs" && kind !== "copying")
        expect({ text, wrong: wrongEquations(text) }).toEqual({ text, wrong: [] });
      if (kind === "sums" || kind === "stories")
        expect(reply(exercise).endsWith(`The answer is ${exercise.answer}.`)).toBe(true);
      if (kind === "copying" || kind === "talks") expect(reply(exercise)).toContain(exercise.answer!);
    }
  });
});

const sourceIn = (text: string) => /```(?:js|javascript)\n([\s\S]*?)\n```/.exec(text)![1].split("\n");

it("functions pass their own tests", () => {
  for (const exercise of drawn("functions", "train", 300)) {
    const { entryPoint, tests } = exercise.code!;
    for (const { args, expected } of tests) expect(run(sourceIn(reply(exercise)), entryPoint, args)).toEqual(expected);
    expect(exercise.turns[0].content).toContain(entryPoint);
  }
});

it("planted bugs fail a test on the line that is named, and nowhere else", () => {
  for (const exercise of drawn("bugs", "train", 300)) {
    const right = sourceIn(reply(exercise));
    const shown = [...exercise.turns[0].content.matchAll(/^\d+ (.*)$/gm)].map(([, line]) => line);
    const different = right.flatMap((line, i) => (shown[i] === line ? [] : [i + 1]));
    expect(different).toEqual([exercise.bug!.line]);
    expect(right[exercise.bug!.line - 1].trim()).toBe(exercise.bug!.fixed);
    expect(reply(exercise)).toMatch(new RegExp(`line ${exercise.bug!.line}\\b`, "i"));
  }
});

it("bugs are planted in at least fifteen ways", () => {
  expect(Object.keys(MUTATIONS).length).toBeGreaterThanOrEqual(15);
  const used = new Set(drawn("bugs", "train", 400).map(({ problem }) => problem.split(" | ").at(-2)));
  expect([...Object.keys(MUTATIONS)].filter((kind) => !used.has(kind))).toEqual([]);
});

it("every kind has at least 200 wordings", () => {
  for (const count of [sumForms, functionForms, bugForms]) expect(count).toBeGreaterThan(200);
});

it("arithmetic answers are right", () => {
  for (const { turns, answer, problem } of drawn("sums", "train", 1500)) {
    const { a, b } = JSON.parse(problem.slice(problem.indexOf("{"))) as { a: number; b: number };
    const wording = problem.split(" ")[0];
    const expected = {
      add: a + b,
      subtract: a - b,
      multiply: a * b,
      double: 2 * a,
      half: a / 2,
      larger: Math.max(a, b),
    }[wording];
    if (expected !== undefined) expect({ turns, answer }).toEqual({ turns, answer: `${expected}` });
  }
});

it("numbers in words and with commas", () => {
  expect(numberInWords(347)).toBe("three hundred and forty-seven");
  expect(numberInWords(20_015)).toBe("twenty thousand and fifteen");
  expect(numberInWords(-101)).toBe("minus one hundred and one");
  expect(withCommas(1_234_567)).toBe("1,234,567");
  expect(withCommas(999)).toBe("999");
});

it("untidiness leaves code, quotations and numbers alone", () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.integer({ min: 0, max: 99999 }), { minLength: 1 }), (seed, numbers) => {
      const text = `Please write \`Some Code, here.\` about "Some Words." with [${numbers.join(", ")}] and SomeName.`;
      const changed = untidy(new Random(Math.abs(seed)), text, new Set(["SomeName"]));
      expect(changed).toContain("`Some Code, here.`");
      expect(changed).toContain('"Some Words."');
      expect(changed).toContain("SomeName");
      expect(isDeepStrictEqual(changed.match(/\d+/g)!.map(Number), numbers)).toBe(true);
    }),
  );
});
