/** Functions on one or two numbers: formulas, conditions, loops up to a number, digits, divisors. */
import type { Random } from "../../../base/index.ts";
import { between, type Making, oneIn, pick } from "../exercise.ts";
import { localName, parameterName } from "../lexicon/identifiers.ts";
import type { Family, Shape } from "./shape.ts";

const small = (): unknown[][] => [[0], [1], [2], [5], [8], [11]];
const whole = (random: Random): unknown[][] => [[0], [1], [7], [12], [-3], [between(random, -30, 60)]];
const positive = (random: Random): unknown[][] => [[1], [2], [7], [12], [30], [between(random, 13, 99)]];
const pairs = (random: Random): unknown[][] => [
  [3, 4],
  [4, 3],
  [5, 5],
  [-2, 7],
  [0, 6],
  [between(random, -9, 20), between(random, -9, 20)],
];

/** a·n + b and its kind. */
const formula: Family = ({ random }) => {
  const n = parameterName(random, "n");
  const [k, c] = [between(random, 2, 12), between(random, 1, 20)];
  const one = pick(random, [
    {
      words: [`${k} times n plus ${c}`, `n multiplied by ${k}, with ${c} added`],
      code: `${k} * ${n} + ${c}`,
      name: ["scale"],
    },
    {
      words: [`${k} times n minus ${c}`, `n multiplied by ${k}, less ${c}`],
      code: `${k} * ${n} - ${c}`,
      name: ["scale"],
    },
    { words: [`n plus ${c}`, `n increased by ${c}`], code: `${n} + ${c}`, name: ["add", `${c}`] },
    { words: [`n minus ${c}`, `${c} less than n`], code: `${n} - ${c}`, name: ["minus", `${c}`] },
    { words: [`${c} minus n`], code: `${c} - ${n}`, name: ["from", `${c}`] },
    { words: ["the square of n", "n times itself"], code: `${n} * ${n}`, name: ["square"] },
    { words: ["n to the power of three", "the cube of n"], code: `${n} * ${n} * ${n}`, name: ["cube"] },
    { words: [`the square of n plus ${c}`], code: `${n} * ${n} + ${c}`, name: ["square", "plus"] },
    { words: [`the sum of n and ${c}, times ${k}`], code: `(${n} + ${c}) * ${k}`, name: ["add", "times"] },
    { words: [`the remainder of n divided by ${k}`, `n modulo ${k}`], code: `${n} % ${k}`, name: ["remainder"] },
    { words: ["n without its sign", "the absolute value of n"], code: `Math.abs(${n})`, name: ["absolute"] },
  ]);
  return {
    problem: `formula ${one.code.replaceAll(n, "n")}`,
    does: `returns ${pick(random, one.words)}`.replaceAll(/\bn\b/g, n),
    speaking: one.name,
    parameters: [n],
    body: [`return ${one.code};`],
    inputs: whole,
  };
};

const condition: Family = ({ random }) => {
  const n = parameterName(random, "n");
  const [k, d] = [between(random, 2, 20), between(random, 2, 9)];
  const one = pick(random, [
    { words: [`is even`], code: `${n} % 2 === 0`, name: ["is", "even"] },
    { words: [`is odd`], code: `${n} % 2 !== 0`, name: ["is", "odd"] },
    {
      words: [`is divisible by ${d}`, `is a multiple of ${d}`],
      code: `${n} % ${d} === 0`,
      name: ["divisible", "by", `${d}`],
    },
    { words: [`is greater than ${k}`, `is above ${k}`], code: `${n} > ${k}`, name: ["above", `${k}`] },
    { words: [`is less than ${k}`, `is below ${k}`], code: `${n} < ${k}`, name: ["below", `${k}`] },
    {
      words: [`is between ${k} and ${k + d}, both included`, `lies from ${k} to ${k + d}`],
      code: `${n} >= ${k} && ${n} <= ${k + d}`,
      name: ["in", "range"],
    },
    { words: [`is negative`, "is below zero"], code: `${n} < 0`, name: ["is", "negative"] },
    { words: [`is ${k} or ${k + d}`], code: `${n} === ${k} || ${n} === ${k + d}`, name: ["is", "one", "of"] },
    { words: [`is not ${k}`], code: `${n} !== ${k}`, name: ["is", "not", `${k}`] },
  ]);
  const words = pick(random, one.words);
  return {
    problem: `condition ${one.code.replaceAll(n, "n")}`,
    does: pick(random, [
      `returns true if ${n} ${words}, else false`,
      `returns whether ${n} ${words}`,
      `checks whether ${n} ${words} and returns true or false`,
    ]),
    speaking: one.name,
    parameters: [n],
    body: oneIn(random, 3) ? [`if (${one.code}) {`, "  return true;", "}", "return false;"] : [`return ${one.code};`],
    inputs: (random) => [...whole(random), [k], [k + 1], [k - 1], [k + d]],
  };
};

/** Different words for different numbers. */
const branches: Family = ({ random }) => {
  const n = parameterName(random, "n");
  const k = between(random, 2, 30);
  const [yes, no] = pick(random, [
    ["big", "small"],
    ["yes", "no"],
    ["high", "low"],
    ["warm", "cold"],
    ["pass", "fail"],
    ["adult", "child"],
  ]);
  const [sign, words] = pick(random, [
    [">", `is greater than ${k}`],
    [">=", `is at least ${k}`],
    ["<", `is less than ${k}`],
    ["<=", `is at most ${k}`],
  ]);
  return {
    problem: `branches ${sign} ${k} ${yes}`,
    does: pick(random, [
      `returns "${yes}" if ${n} ${words}, else "${no}"`,
      `returns "${yes}" when ${n} ${words} and "${no}" otherwise`,
    ]),
    speaking: ["label"],
    parameters: [n],
    body: pick(random, [
      [`return ${n} ${sign} ${k} ? "${yes}" : "${no}";`],
      [`if (${n} ${sign} ${k}) {`, `  return "${yes}";`, "}", `return "${no}";`],
      [`if (${n} ${sign} ${k}) {`, `  return "${yes}";`, "} else {", `  return "${no}";`, "}"],
    ]),
    inputs: () => [[k], [k - 1], [k + 1], [0], [100]],
  };
};

const two: Family = ({ random }) => {
  const a = parameterName(random, "n");
  const b = parameterName(random, "m", [a]);
  const k = between(random, 2, 9);
  const one = pick(random, [
    { words: ["the sum of a and b", "a plus b"], body: ["return a + b;"], name: ["add"] },
    { words: ["the product of a and b", "a times b"], body: ["return a * b;"], name: ["multiply"] },
    { words: ["a minus b", "the difference a - b"], body: ["return a - b;"], name: ["subtract"] },
    {
      words: ["the larger of a and b", "the maximum of a and b"],
      body: pick(random, [
        ["return Math.max(a, b);"],
        ["return a > b ? a : b;"],
        ["if (a > b) {", "  return a;", "}", "return b;"],
      ]),
      name: ["max"],
    },
    {
      words: ["the smaller of a and b", "the minimum of a and b"],
      body: pick(random, [
        ["return Math.min(a, b);"],
        ["return a < b ? a : b;"],
        ["if (a < b) {", "  return a;", "}", "return b;"],
      ]),
      name: ["min"],
    },
    {
      words: ["the distance between a and b", "how far a and b are apart"],
      body: ["return Math.abs(a - b);"],
      name: ["distance"],
    },
    {
      words: ["the average of a and b", "the number halfway between a and b"],
      body: ["return (a + b) / 2;"],
      name: ["average"],
    },
    { words: ["true if a is greater than b, else false"], body: ["return a > b;"], name: ["is", "greater"] },
    { words: ["true if a and b are equal, else false"], body: ["return a === b;"], name: ["is", "equal"] },
    { words: [`${k} times the sum of a and b`], body: [`return ${k} * (a + b);`], name: ["scaled", "sum"] },
    {
      words: ["the sum of the squares of a and b", "a squared plus b squared"],
      body: ["return a * a + b * b;"],
      name: ["squares"],
    },
    { words: ["the area of a rectangle with the sides a and b"], body: ["return a * b;"], name: ["area"] },
    {
      words: ["the perimeter of a rectangle with the sides a and b"],
      body: ["return 2 * (a + b);"],
      name: ["perimeter"],
    },
  ]);
  const named = (text: string) => text.replaceAll(/\b[ab]\b/g, (letter) => (letter === "a" ? a : b));
  const words = pick(random, one.words);
  return {
    problem: `two ${one.name.join(" ")} ${one.body[0].includes(`${k}`) ? k : ""}`,
    // "a rectangle" keeps its article.
    does: `returns ${words.replaceAll(/\b(?:a(?! rectangle)|b)\b/g, (letter) => (letter === "a" ? a : b))}`,
    speaking: one.name,
    parameters: [a, b],
    body: one.body.map(named),
    inputs: pairs,
  };
};

/** Loops from 1 to n. */
function upTo({ random }: Making): Shape {
  const n = parameterName(random, "n");
  const i = localName(random, "i", [n]);
  const total = localName(random, "total", [n, i]);
  const k = between(random, 2, 7);
  const value = pick(random, [
    { words: "", code: i },
    { words: "squares of the ", code: `${i} * ${i}` },
    { words: `${k}-fold `, code: `${k} * ${i}` },
  ]);
  const test = pick(random, [
    { words: "", code: null },
    { words: "even ", code: `${i} % 2 === 0` },
    { words: "odd ", code: `${i} % 2 !== 0` },
    { words: "", code: null },
  ]);
  const kind = pick(random, ["sum", "product", "list", "count"] as const);
  const v = kind === "count" ? { words: "", code: i } : kind === "product" ? { words: "", code: i } : value;
  const of = `the ${v.words}${test.words}whole numbers from 1 to ${n}`;
  const made = {
    sum: { words: `the sum of ${of}`, start: "0", each: `${total} += ${v.code};` },
    product: { words: `the product of ${of} (1 if there are none)`, start: "1", each: `${total} *= ${v.code};` },
    list: { words: `a list of ${of}`, start: "[]", each: `${total}.push(${v.code});` },
    count: { words: `how many of ${of} are divisible by ${k}`, start: "0", each: `${total}++;` },
  }[kind];
  const condition = kind === "count" ? [test.code, `${i} % ${k} === 0`].filter(Boolean).join(" && ") : test.code;
  const inside = condition ? [`  if (${condition}) {`, `    ${made.each}`, "  }"] : [`  ${made.each}`];
  return {
    problem: `up to ${kind} ${v.words} ${test.words} ${kind === "count" || v.words.includes("fold") ? k : ""}`,
    does: `returns ${made.words}`,
    speaking: [kind, "up", "to"],
    parameters: [n],
    body: [
      `${kind === "list" ? "const" : "let"} ${total} = ${made.start};`,
      `for (let ${i} = 1; ${i} <= ${n}; ${i}++) {`,
      ...inside,
      "}",
      `return ${total};`,
    ],
    inputs: small,
  };
}

const CLASSICS: ((n: string, random: Random) => Omit<Shape, "parameters">)[] = [
  (n, random) => ({
    problem: "prime",
    does: pick(random, [`returns true if ${n} is a prime number, else false`, `returns whether ${n} is prime`]),
    speaking: ["is", "prime"],
    body: [
      `if (${n} < 2) {`,
      "  return false;",
      "}",
      `for (let i = 2; i < ${n}; i++) {`,
      `  if (${n} % i === 0) {`,
      "    return false;",
      "  }",
      "}",
      "return true;",
    ],
    inputs: () => [[1], [2], [4], [9], [13], [15], [17], [49]],
  }),
  (n, random) => ({
    problem: "digit sum",
    does: pick(random, [
      `returns the sum of the digits of ${n} (a whole number, not negative)`,
      `adds up the digits of a positive whole number and returns the sum`,
    ]),
    speaking: ["digit", "sum"],
    body: pick(random, [
      ["let total = 0;", `for (const digit of String(${n})) {`, "  total += Number(digit);", "}", "return total;"],
      [
        "let total = 0;",
        `let rest = ${n};`,
        "while (rest > 0) {",
        "  total += rest % 10;",
        "  rest = Math.floor(rest / 10);",
        "}",
        "return total;",
      ],
    ]),
    inputs: positive,
  }),
  (n, random) => ({
    problem: "divisors",
    does: pick(random, [
      `returns a list of all divisors of ${n}, from 1 to ${n}`,
      `returns the numbers that divide ${n} without remainder, in ascending order`,
    ]),
    speaking: ["divisors"],
    body: [
      "const result = [];",
      `for (let i = 1; i <= ${n}; i++) {`,
      `  if (${n} % i === 0) {`,
      "    result.push(i);",
      "  }",
      "}",
      "return result;",
    ],
    inputs: positive,
  }),
  (n, random) => ({
    problem: "digits",
    does: pick(random, [
      `returns how many digits ${n} has (a whole number, not negative)`,
      `returns the number of digits of a whole number that is not negative`,
    ]),
    speaking: ["count", "digits"],
    body: [`return String(${n}).length;`],
    inputs: (random) => [[0], [9], [10], [between(random, 100, 99999)]],
  }),
  (n, random) => ({
    problem: "fibonacci",
    does: pick(random, [
      `returns the Fibonacci number with the index ${n}: 0, 1, 1, 2, 3, 5 and so on from index 0`,
      `returns Fibonacci number ${n}, where number 0 is 0 and number 1 is 1`,
    ]),
    speaking: ["fibonacci"],
    body: [
      "let a = 0;",
      "let b = 1;",
      `for (let i = 0; i < ${n}; i++) {`,
      "  const next = a + b;",
      "  a = b;",
      "  b = next;",
      "}",
      "return a;",
    ],
    inputs: small,
  }),
  (n, random) => ({
    problem: "countdown",
    does: pick(random, [
      `returns a list that counts down from ${n} to 1 (empty for 0)`,
      `returns the numbers from ${n} down to 1`,
    ]),
    speaking: ["countdown"],
    body: ["const result = [];", `for (let i = ${n}; i > 0; i--) {`, "  result.push(i);", "}", "return result;"],
    inputs: small,
  }),
  (n, random) => {
    const [low, high] = [between(random, 0, 6), between(random, 9, 30)];
    return {
      problem: `clamp ${low} ${high}`,
      does: pick(random, [
        `returns ${n}, but never less than ${low} and never more than ${high}`,
        `keeps ${n} between ${low} and ${high} and returns it`,
      ]),
      speaking: ["clamp"],
      body: pick(random, [
        [`return Math.min(${high}, Math.max(${low}, ${n}));`],
        [
          `if (${n} < ${low}) {`,
          `  return ${low};`,
          "}",
          `if (${n} > ${high}) {`,
          `  return ${high};`,
          "}",
          `return ${n};`,
        ],
      ]),
      inputs: () => [[low - 3], [low], [high], [high + 5], [low + 1]],
    };
  },
  (n, random) => {
    const [a, b] = pick(random, [
      [3, 5],
      [2, 7],
      [3, 4],
      [2, 5],
    ]);
    const [x, y] = pick(random, [
      ["fizz", "buzz"],
      ["tick", "tock"],
      ["ping", "pong"],
    ]);
    return {
      problem: `fizz ${a} ${b} ${x}`,
      does: `returns "${x}${y}" if ${n} is divisible by ${a} and ${b}, "${x}" if only by ${a}, "${y}" if only by ${b}, else ${n} as a text`,
      speaking: [x, y],
      body: [
        `if (${n} % ${a * b} === 0) {`,
        `  return "${x}${y}";`,
        "}",
        `if (${n} % ${a} === 0) {`,
        `  return "${x}";`,
        "}",
        `if (${n} % ${b} === 0) {`,
        `  return "${y}";`,
        "}",
        `return String(${n});`,
      ],
      inputs: () => [[a], [b], [a * b], [1], [a * 2], [11]],
    };
  },
];

const classic: Family = ({ random }) => {
  const n = parameterName(random, "n");
  return { ...pick(random, CLASSICS)(n, random), parameters: [n] };
};

export const ON_NUMBERS: readonly Family[] = [formula, condition, branches, two, two, upTo, classic, classic];
