/** Arithmetic in many wordings: sums, differences, products, quotients, short chains, shares of a hundred, comparisons; worked digit by digit. */
import type { Random } from "../../base/index.ts";
import { addSteps, divideSteps, subtractSteps, timesSteps } from "../tasks/index.ts";
import { between, type Exercise, type Making, oneIn, pick } from "./exercise.ts";
import { type Drawn, FormSet } from "./form.ts";
import { framed, untidy, written } from "./wording.ts";

/** What is to be calculated: the numbers as they are said, the working, and the answer. */
interface Sum {
  /** Which set of wordings fits. */
  wording: keyof typeof WORDINGS;
  slots: Record<string, number>;
  steps: string[];
  answer: string;
}

/** Around a bare expression, as people put it. */
const ASK =
  "[What is|What's|Whats|How much is|What does {x} make? I mean|Calculate|Compute|Work out|Evaluate|Find|Solve|Tell me|Give me|Please calculate|Please work out|Can you calculate|Could you work out|Can you tell me|I need to know|I want to know|Do you know|What is the value of|What is the result of|What do I get for|What do you get for|Let's do|Do|Answer this:|Sum for you:|Now] {x}[?|.||, please.| please|?|]";
const BARE = "{x}[ =| = ?|=|=?||?| is| equals| makes| = ...]";

const WORDINGS = {
  expression: new FormSet("sums", [ASK, ASK, BARE]),
  add: new FormSet("sums", [
    "[Add|Please add|Can you add|Could you add|I want to add|Let us add|Now add] {a} [and|to|plus] {b}[.|?||, please.]",
    "[What is|What's|Calculate|Find|Work out|Tell me|Give me|Compute] the [sum|total] of {a} and {b}[?|.|]",
    "[What is|What's|How much is] {a} [plus|and|added to|together with|more than|increased by] {b}[?|]",
    "[What do|How much do] {a} and {b} [make|make together|add up to|come to|give|equal][?|]",
    "If I [add|put together|sum] {a} and {b}, what [do I get|is it|is the total|comes out|will it be][?|]",
    "I [have|had|count|got|start with] {a} and [get|add|find|then get|am given] {b} more[. How many is that|. What is that in all|, how many do I have|, what do I have now|. Total][?|]",
    "[Increase|Raise] {a} by {b}[.|, please.|]",
    "Which number is {b} [more|greater|larger|bigger|higher] than {a}[?|]",
  ]),
  subtract: new FormSet("sums", [
    "[Subtract|Take|Please subtract|Can you subtract|Could you take|Now subtract] {b} from {a}[.|?||, please.]",
    "[What is|What's|How much is] {a} [minus|less|take away|without|decreased by|reduced by|subtract] {b}[?|]",
    "[What is|What's|Calculate|Find|Work out|Tell me|Give me|Compute] the difference [between {a} and {b}|of {a} and {b}][?|.|]",
    "[What is left|What remains|How much is left|How much remains] [if I take|when I take|after taking|if you take] {b} [away from|from|off|out of] {a}[?|]",
    "[Decrease|Reduce|Lower] {a} by {b}[.|, please.|]",
    "How much [more|bigger|larger|greater] is {a} than {b}[?|]",
    "How [far|much] is it from {b} [to|up to] {a}[?|]",
    "What [must|do|should|do I need to] I add to {b} to get {a}[?|]",
    "I [have|had|start with|own] {a} and [lose|spend|give away|use|drop] {b}[. What is left|, how much is left|. How many do I have now|, what do I have now][?|]",
    "Which number is {b} [less|smaller|lower] than {a}[?|]",
  ]),
  multiply: new FormSet("sums", [
    "[Multiply|Please multiply|Can you multiply|Could you multiply|Now multiply|I want to multiply] {a} [by|with|and|times] {b}[.|?||, please.]",
    "[What is|What's|How much is|How many is] {a} [times|multiplied by|x|by] {b}[?|]",
    "[What is|What's|Calculate|Find|Work out|Tell me|Give me|Compute] the product of {a} and {b}[?|.|]",
    "[How much|How many|What] [is|are] {a} [groups|lots|sets|rows|packs] of {b}[?|]",
    "If I [take|have|count|buy] {a} {b} times, what [do I get|is it|is the total|comes out][?|]",
    "{a} [boxes|bags|rows|packs|tables|shelves] of {b} [each|apiece|in each]: how many [is that|in all|together|altogether][?|]",
  ]),
  divide: new FormSet("sums", [
    "[Divide|Please divide|Can you divide|Could you divide|Now divide|Split] {a} [by|into] {b}[.|?||, please.]",
    "[What is|What's|How much is] {a} [divided by|over|shared by|split by] {b}[?|]",
    "[What is|What's|Calculate|Find|Work out|Tell me|Give me] the quotient of {a} and {b}[?|.|]",
    "How [many times|often] does {b} [go into|fit into|fit in] {a}[?|]",
    "How many {b}s [are there|are] in {a}[?|]",
    "If {a} [is|are] [shared|split|divided] [equally |evenly |]among {b}, [how much|how many|what] does each get[?|]",
    "{a} [shared|divided|split] [equally |evenly |]between {b} [is what|makes what|gives|is][?|]",
  ]),
  double: new FormSet("sums", [
    "[What is|What's|Calculate|Find|Tell me|How much is|Work out] [twice|double|two times|the double of] {a}[?|.|]",
    "[Double|Please double|Can you double] {a}[.|?|]",
  ]),
  half: new FormSet("sums", [
    "[What is|What's|Calculate|Find|Tell me|How much is|Work out] [half|half of|one half of] {a}[?|.|]",
    "[Halve|Please halve|Can you halve|Cut in half:] {a}[.|?|]",
  ]),
  percent: new FormSet("sums", [
    "[What is|What's|Calculate|Find|Tell me|How much is|Work out|Compute] {p}[%| %| percent| per cent] of {a}[?|.|]",
    "{p}[%| %| percent] of {a}[?| =| is|]",
    "How much [do I pay|is it] if I take {p}[%| percent] of {a}[?|]",
  ]),
  larger: new FormSet("sums", [
    "[Which|Which number|Which of them|What] is [larger|bigger|greater|more|higher], {a} or {b}[?|]",
    "Is {a} [larger|bigger|greater|more|higher] than {b}[?|]",
    "[Tell me|Give me|Find|Choose|Pick] the [larger|bigger|greater|higher] [number|one|] of {a} and {b}[.|]",
  ]),
  remainder: new FormSet("sums", [
    "[What is|What's|Calculate|Find|Tell me|Work out|Give me] the remainder [of|when dividing|if I divide|when you divide] {a} [by|divided by] {b}[?|.|]",
    "What [is left over|remains|is left] [when|if|after] {a} is [divided by|split into|shared by] {b}[?|]",
    "{a} mod {b}[?| =|]",
  ]),
} as const;

/** Whole numbers of up to `max` digits, every length as likely. */
function ofDigits(random: Random, max: number): number {
  const length = between(random, 1, max);
  return between(random, length === 1 ? 1 : 10 ** (length - 1), 10 ** length - 1);
}

function adding(random: Random): Sum {
  const [a, b] = [ofDigits(random, 4), ofDigits(random, 4)];
  return { wording: "add", slots: { a, b }, steps: [`${a} + ${b}:`, ...addSteps(a, b)], answer: `${a + b}` };
}

function subtracting(random: Random): Sum {
  const [x, y] = [ofDigits(random, 4), ofDigits(random, 4)];
  const [a, b] = [Math.max(x, y), Math.min(x, y)];
  if (a !== b && oneIn(random, 12)) {
    const steps = [`${b} is less than ${a}, so the result is negative.`, `${a} - ${b}:`, ...subtractSteps(a, b)];
    return { wording: "expression", slots: { a: b, b: a, minus: 1 }, steps, answer: `${b - a}` };
  }
  return { wording: "subtract", slots: { a, b }, steps: [`${a} - ${b}:`, ...subtractSteps(a, b)], answer: `${a - b}` };
}

function multiplying(random: Random): Sum {
  const pair = [ofDigits(random, 3), ofDigits(random, oneIn(random, 3) ? 1 : 3)];
  const [a, b] = random.below(2) ? pair : pair.toReversed();
  // The longer factor goes on top, whichever was named first.
  const [top, bottom] = String(a).length >= String(b).length ? [a, b] : [b, a];
  return {
    wording: "multiply",
    slots: { a, b },
    steps: [`${top} x ${bottom}:`, ...timesSteps(top, bottom)],
    answer: `${a * b}`,
  };
}

function dividing(random: Random): Sum {
  const b = between(random, 2, 12);
  const a = oneIn(random, 3) ? ofDigits(random, 3) : b * ofDigits(random, 2);
  const [whole, rest] = [Math.floor(a / b), a % b];
  const steps = [`${a} / ${b}:`];
  steps.push(...(b < 10 ? divideSteps(a, b) : [`${b} x ${whole} = ${b * whole}.`, `${a} - ${b * whole} = ${rest}.`]));
  return { wording: "divide", slots: { a, b }, steps, answer: rest === 0 ? `${whole}` : `${whole} remainder ${rest}` };
}

/** Three numbers, worked from left to right, products and quotients first. */
function chain(random: Random): Sum & { expression: string } {
  const [a, b, c] = [between(random, 2, 99), between(random, 2, 30), between(random, 2, 12)];
  const shape = random.below(5);
  if (shape === 0) {
    const steps = [`${a} + ${b} = ${a + b}.`, `${a + b} + ${c} = ${a + b + c}.`];
    return { expression: `${a} + ${b} + ${c}`, wording: "expression", slots: {}, steps, answer: `${a + b + c}` };
  }
  if (shape === 1) {
    const steps = [`${a} + ${b} = ${a + b}.`, `${a + b} - ${c} = ${a + b - c}.`];
    return { expression: `${a} + ${b} - ${c}`, wording: "expression", slots: {}, steps, answer: `${a + b - c}` };
  }
  if (shape === 2) {
    const steps = [`First the product: ${b} x ${c} = ${b * c}.`, `${a} + ${b * c} = ${a + b * c}.`];
    return { expression: `${a} + ${b} x ${c}`, wording: "expression", slots: {}, steps, answer: `${a + b * c}` };
  }
  if (shape === 3) {
    const steps = [`First the brackets: ${a} + ${b} = ${a + b}.`, `${a + b} x ${c} = ${(a + b) * c}.`];
    return { expression: `(${a} + ${b}) x ${c}`, wording: "expression", slots: {}, steps, answer: `${(a + b) * c}` };
  }
  const steps = [`First the product: ${a} x ${c} = ${a * c}.`, `${a * c} - ${b} = ${a * c - b}.`];
  return { expression: `${a} x ${c} - ${b}`, wording: "expression", slots: {}, steps, answer: `${a * c - b}` };
}

function small(random: Random): Sum {
  const a = ofDigits(random, 3);
  switch (random.below(5)) {
    case 0:
      return { wording: "double", slots: { a }, steps: [`${a} x 2:`, ...timesSteps(a, 2)], answer: `${2 * a}` };
    case 1:
      return {
        wording: "half",
        slots: { a: 2 * a },
        steps: [`${2 * a} / 2:`, ...divideSteps(2 * a, 2)],
        answer: `${a}`,
      };
    case 2: {
      const p = pick(random, [1, 5, 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90]);
      const whole = a * 100;
      const of = (whole * p) / 100 > 0 && oneIn(random, 2) ? whole : 20 * a;
      const part = (of * p) / 100;
      if (!Number.isInteger(part)) return small(random);
      return { wording: "percent", slots: { p, a: of }, steps: [`${of} / 100 x ${p} = ${part}.`], answer: `${part}` };
    }
    case 3: {
      const b = oneIn(random, 2) ? a + between(random, 1, 9) : ofDigits(random, 3);
      if (a === b) return small(random);
      const steps = [a > b ? `${a} is larger than ${b}.` : `${b} is larger than ${a}.`];
      const [x, y] = random.below(2) ? [a, b] : [b, a];
      return { wording: "larger", slots: { a: x, b: y }, steps, answer: `${Math.max(a, b)}` };
    }
    default: {
      const b = between(random, 2, 9);
      return {
        wording: "remainder",
        slots: { a, b },
        steps: [`${a} / ${b}:`, ...divideSteps(a, b)],
        answer: `${a % b}`,
      };
    }
  }
}

const SIGNS: Record<string, readonly string[]> = {
  add: ["+", "+", "+", "plus", "and"],
  subtract: ["-", "-", "-", "minus", "less", "−"],
  multiply: ["x", "*", "×", "·", "times", "X"],
  divide: ["/", "÷", ":", "divided by", "over"],
};

/** Two numbers with a sign between them, spaced as people space them. */
function expression(random: Random, sum: Sum, spelt: (n: number) => string): string {
  const sign = pick(random, SIGNS["minus" in sum.slots ? "subtract" : sum.wording] ?? ["+"]);
  const [a, b] = [spelt(sum.slots.a), spelt(sum.slots.b)];
  return /^\w/.test(sign) && sign.length > 1
    ? `${a} ${sign} ${b}`
    : pick(random, [`${a} ${sign} ${b}`, `${a} ${sign} ${b}`, `${a}${sign}${b}`, `${a} ${sign}${b}`]);
}

/** Products and sums of several digits come more often than what is easy. */
const SUMS = [
  adding,
  adding,
  adding,
  subtracting,
  subtracting,
  subtracting,
  multiplying,
  multiplying,
  multiplying,
  dividing,
  chain,
  small,
];

export function sums(making: Making): Exercise {
  const { random, forms } = making;
  const sum: Sum & { expression?: string } = pick(random, SUMS)(random);
  // All numbers of a question are spelt alike.
  const seed = random.next();
  const spelt = (n: number) =>
    seed % 12 === 0 && n < 1000 ? written(random, n) : n >= 1000 && seed % 4 === 1 ? written(random, n) : String(n);
  const withSign = sum.wording === "expression" || (sum.wording in SIGNS && random.below(2) === 0);
  const slots = Object.fromEntries(Object.entries(sum.slots).map(([name, n]) => [name, spelt(n)]));
  const x = withSign ? (sum.expression ?? expression(random, sum, spelt)) : "";
  const asked: Drawn = WORDINGS[withSign ? "expression" : sum.wording].draw(random, { ...slots, x }, forms);
  const around = framed(making, asked.text, { steps: true });
  const content = untidy(random, around.text);
  return {
    kind: "sums",
    turns: [
      { role: "user", content },
      { role: "assistant", content: `${sum.steps.join("\n")}\nThe answer is ${sum.answer}.` },
    ],
    problem: `${sum.wording} ${sum.expression ?? ""}${JSON.stringify(sum.slots)}`,
    form: `${withSign ? "expression" : sum.wording} ${asked.form}${around.form}`,
    unseen: asked.unseen || around.unseen,
    answer: sum.answer,
  };
}

/** How many wordings there are, names and numbers aside. */
export const sumForms = Object.values(WORDINGS).reduce((sum, set) => sum + set.count, 0);
