/** Arithmetic on whole numbers, worked digit by digit as on paper, so that every step is small enough to be learnt. */
import type { Random } from "../../base/index.ts";
import { between, pick, type Task } from "./task.ts";

const PLACES = ["Ones", "Tens", "Hundreds", "Thousands", "Ten thousands", "Hundred thousands"];

const digit = (n: number, place: number) => Math.floor(n / 10 ** place) % 10;
const digits = (n: number) => String(n).length;

/** a + b, column by column with carries. */
export function addSteps(a: number, b: number): string[] {
  const lines: string[] = [];
  let carry = 0;
  const places = Math.max(digits(a), digits(b));
  for (let i = 0; i < places; i++) {
    const sum = digit(a, i) + digit(b, i) + carry;
    const left = `${PLACES[i]}: ${digit(a, i)} + ${digit(b, i)}${carry ? ` + ${carry}` : ""} = ${sum}`;
    const last = i === places - 1;
    lines.push(last || sum < 10 ? `${left}.` : `${left}, write ${sum % 10}, carry 1.`);
    carry = sum >= 10 ? 1 : 0;
  }
  return lines;
}

/** a − b for a ≥ b, column by column. Both digits stand there before it is said whether to borrow, so that this too is only a look at what is written. */
export function subtractSteps(a: number, b: number): string[] {
  const lines: string[] = [];
  let borrow = 0;
  for (let i = 0; i < digits(a); i++) {
    const top = digit(a, i) - borrow;
    const bottom = digit(b, i);
    const before = borrow ? `${digit(a, i)} - 1 = ${top}, ` : "";
    if (top >= bottom) {
      lines.push(`${PLACES[i]}: ${before}${top} - ${bottom} = ${top - bottom}.`);
      borrow = 0;
    } else {
      lines.push(`${PLACES[i]}: ${before}${top} - ${bottom}, borrow, ${top + 10} - ${bottom} = ${top + 10 - bottom}.`);
      borrow = 1;
    }
  }
  return lines;
}

/** a times one digit, from the right with carries. */
export function timesDigitSteps(a: number, b: number): string {
  const parts: string[] = [];
  let carry = 0;
  for (let i = 0; i < digits(a); i++) {
    const product = digit(a, i) * b + carry;
    const left = `${digit(a, i)} x ${b}${carry ? ` + ${carry}` : ""} = ${product}`;
    const last = i === digits(a) - 1;
    parts.push(last || product < 10 ? left : `${left}, write ${product % 10}, carry ${Math.floor(product / 10)}`);
    carry = Math.floor(product / 10);
  }
  return `${parts.join("; ")}. So ${a} x ${b} = ${a * b}.`;
}

/** a times b: by each digit of b, then summed. */
export function timesSteps(a: number, b: number): string[] {
  if (b < 10) return [timesDigitSteps(a, b)];
  const lines: string[] = [];
  let sum = 0;
  for (let i = 0; i < digits(b); i++) {
    const d = digit(b, i);
    const part = a * d * 10 ** i;
    if (d === 0) continue;
    lines.push(timesDigitSteps(a, d));
    if (i > 0) lines.push(`${a} x ${d * 10 ** i} = ${part}.`);
    if (sum > 0) lines.push(`Add ${part} + ${sum}.`, ...addSteps(part, sum), `${part} + ${sum} = ${part + sum}.`);
    sum += part;
  }
  return lines;
}

/** a ÷ b for one digit b, from the left with remainders. */
export function divideSteps(a: number, b: number): string[] {
  const lines: string[] = [];
  let rest = 0;
  for (let i = digits(a) - 1; i >= 0; i--) {
    const here = rest * 10 + digit(a, i);
    const times = Math.floor(here / b);
    lines.push(`${here} / ${b} = ${times}, remainder ${here - times * b}.`);
    rest = here - times * b;
  }
  return lines;
}

interface Sum {
  expression: string;
  words: string[];
  steps: string[];
  answer: string;
}

/** A number of up to `most` digits, every length as likely. */
const ofDigits = (random: Random, most: number) => {
  const length = between(random, 1, most);
  return between(random, length === 1 ? 1 : 10 ** (length - 1), 10 ** length - 1);
};

const SUMS: ((random: Random) => Sum)[] = [
  (random) => {
    const [a, b] = [ofDigits(random, 4), ofDigits(random, 4)];
    const words = [`Add ${a} and ${b}.`, `What is the sum of ${a} and ${b}?`];
    return { expression: `${a} + ${b}`, words, steps: addSteps(a, b), answer: `${a + b}` };
  },
  (random) => {
    const [x, y] = [ofDigits(random, 4), ofDigits(random, 4)];
    const [a, b] = [Math.max(x, y), Math.min(x, y)];
    const words = [`Subtract ${b} from ${a}.`, `What is ${a} minus ${b}?`, `What is the difference of ${a} and ${b}?`];
    if (random.below(8) > 0 || a === b)
      return { expression: `${a} - ${b}`, words, steps: subtractSteps(a, b), answer: `${a - b}` };
    const steps = [`${b} is less than ${a}, so the result is negative.`, `${a} - ${b}:`, ...subtractSteps(a, b)];
    return { expression: `${b} - ${a}`, words: [`What is ${b} minus ${a}?`], steps, answer: `${b - a}` };
  },
  (random) => {
    const [a, b] = [ofDigits(random, 3), ofDigits(random, 2)];
    const words = [`Multiply ${a} by ${b}.`, `What is ${a} times ${b}?`, `What is the product of ${a} and ${b}?`];
    // The longer factor goes on top, whichever was named first.
    const [top, bottom] = digits(a) >= digits(b) ? [a, b] : [b, a];
    const named = random.below(2) ? `${a} x ${b}` : `${b} * ${a}`;
    return { expression: named, words, steps: timesSteps(top, bottom), answer: `${a * b}` };
  },
  (random) => {
    const b = between(random, 2, 9);
    const a = ofDigits(random, 3);
    const words = [`Divide ${a} by ${b}.`, `What is ${a} divided by ${b}?`];
    const rest = a % b;
    const answer = rest === 0 ? `${a / b}` : `${Math.floor(a / b)} remainder ${rest}`;
    return { expression: `${a} / ${b}`, words, steps: divideSteps(a, b), answer };
  },
];

/** Products and three-digit sums come more often than what is easy. */
const OFTEN = [0, 0, 1, 1, 1, 2, 2, 2, 2, 3];

export function arithmetic(random: Random): Task {
  const { expression, words, steps, answer } = SUMS[pick(random, OFTEN)](random);
  const forms = [
    `What is ${expression}?`,
    `Calculate ${expression}.`,
    `${expression} =`,
    `Work out ${expression}.`,
    ...words,
  ];
  const reply = `${steps.join("\n")}\nThe answer is ${answer}.`;
  return { kind: "arithmetic", prompt: pick(random, forms), reply, answer };
}
