/** Functions that work on a list of numbers. */
import type { Random } from "../../base/index.ts";
import { between, pick, type Shape } from "./task.ts";

const numbers = (random: Random, length = between(random, 3, 7)) =>
  Array.from({ length }, () => between(random, -9, 20));
interface Filter {
  name: string;
  words: string;
  condition: string;
}

/** Which members count: a condition on n, and its words. */
function filters(random: Random): Filter {
  const k = between(random, 2, 9);
  return pick(random, [
    { name: "Even", words: "even numbers", condition: "n % 2 === 0" },
    { name: "Odd", words: "odd numbers", condition: "n % 2 !== 0" },
    { name: "Positive", words: "positive numbers", condition: "n > 0" },
    { name: "Negative", words: "negative numbers", condition: "n < 0" },
    { name: `Above${k}`, words: `numbers greater than ${k}`, condition: `n > ${k}` },
    { name: `Below${k}`, words: `numbers less than ${k}`, condition: `n < ${k}` },
    { name: `MultiplesOf${k}`, words: `multiples of ${k}`, condition: `n % ${k} === 0` },
  ]);
}

function maps(random: Random): { name: string; words: string; value: string } {
  const k = between(random, 2, 9);
  return pick(random, [
    { name: "Doubled", words: "twice each number", value: "n * 2" },
    { name: "Squared", words: "the square of each number", value: "n * n" },
    { name: `Plus${k}`, words: `each number plus ${k}`, value: `n + ${k}` },
    { name: `Times${k}`, words: `each number times ${k}`, value: `n * ${k}` },
    { name: "Negated", words: "each number with its sign changed", value: "-n" },
  ]);
}

const arrays = (random: Random) => [numbers(random), numbers(random), numbers(random), []].map((list) => [list]);
export const ON_LISTS: ((random: Random) => Shape)[] = [
  (random) => {
    const { name, words, condition } = filters(random);
    const count = random.below(2) === 0;
    return {
      name: `${count ? "count" : "sum"}${name}`,
      parameters: ["numbers"],
      does: `returns ${count ? "how many" : "the sum of the"} ${words} ${count ? "there are " : ""}in the array`,
      body: [
        "let total = 0;",
        "for (const n of numbers) {",
        `  if (${condition}) {`,
        `    total += ${count ? 1 : "n"};`,
        "  }",
        "}",
        "return total;",
      ],
      inputs: arrays,
    };
  },
  (random) => {
    const { name, words, condition } = filters(random);
    return {
      name: `keep${name}`,
      parameters: ["numbers"],
      does: `returns a new array with only the ${words}`,
      body: [
        "const kept = [];",
        "for (const n of numbers) {",
        `  if (${condition}) {`,
        "    kept.push(n);",
        "  }",
        "}",
        "return kept;",
      ],
      inputs: arrays,
    };
  },
  (random) => {
    const { name, words, value } = maps(random);
    return {
      name: `all${name}`,
      parameters: ["numbers"],
      does: `returns a new array with ${words}`,
      body: ["const result = [];", "for (const n of numbers) {", `  result.push(${value});`, "}", "return result;"],
      inputs: arrays,
    };
  },
  (random) => {
    const { name, words, condition } = filters(random);
    const map = maps(random);
    return {
      name: `sum${map.name}${name}`,
      parameters: ["numbers"],
      does: `takes the ${words} in the array and returns the sum of ${map.words.replace("each number", "each")}`,
      body: [
        "let total = 0;",
        "for (const n of numbers) {",
        `  if (${condition}) {`,
        `    total += ${map.value};`,
        "  }",
        "}",
        "return total;",
      ],
      inputs: arrays,
    };
  },
  (random) => {
    const max = random.below(2) === 0;
    return {
      name: max ? "largest" : "smallest",
      parameters: ["numbers"],
      does: `returns the ${max ? "largest" : "smallest"} number in an array that is not empty`,
      body: [
        "let best = numbers[0];",
        "for (const n of numbers) {",
        `  if (n ${max ? ">" : "<"} best) {`,
        "    best = n;",
        "  }",
        "}",
        "return best;",
      ],
      inputs: (random) =>
        [numbers(random), numbers(random), numbers(random), [between(random, -9, 9)]].map((list) => [list]),
    };
  },
  (random) => {
    const { name, words, condition } = filters(random);
    const every = random.below(2) === 0;
    return {
      name: `${every ? "all" : "any"}${name}`,
      parameters: ["numbers"],
      does: every
        ? `returns true if the array holds only ${words}, and false otherwise`
        : `returns true if there are any ${words} in the array, and false otherwise`,
      body: [
        "for (const n of numbers) {",
        `  if (${every ? `!(${condition})` : condition}) {`,
        `    return ${!every};`,
        "  }",
        "}",
        `return ${every};`,
      ],
      inputs: (random) => [
        ...arrays(random),
        ...[
          [2, 4, 8],
          [-3, -5],
          [30, 60],
        ].map((list) => [list]),
      ],
    };
  },
  (random) => {
    const end = random.below(2) === 0;
    return {
      name: end ? "lastMember" : "firstMember",
      parameters: ["list"],
      does: `returns the ${end ? "last" : "first"} member of the list, or null if it is empty`,
      body: ["if (list.length === 0) {", "  return null;", "}", `return list[${end ? "list.length - 1" : "0"}];`],
      inputs: arrays,
    };
  },
  () => ({
    name: "average",
    parameters: ["numbers"],
    does: "returns the average of the numbers, or 0 if there are none",
    body: [
      "if (numbers.length === 0) {",
      "  return 0;",
      "}",
      "let total = 0;",
      "for (const n of numbers) {",
      "  total += n;",
      "}",
      "return total / numbers.length;",
    ],
    inputs: arrays,
  }),
  (random) => {
    const k = between(random, 2, 6);
    return {
      name: `firstUpTo${k}`,
      parameters: ["list"],
      does: `returns the first ${k} members of the list, or all of them if there are fewer`,
      body: [
        "const result = [];",
        `for (let i = 0; i < list.length && i < ${k}; i++) {`,
        "  result.push(list[i]);",
        "}",
        "return result;",
      ],
      inputs: (random) => [numbers(random), numbers(random, 8), numbers(random, 2), []].map((list) => [list]),
    };
  },
  () => ({
    name: "reversed",
    parameters: ["list"],
    does: "returns a new array with the members in the opposite order",
    body: [
      "const result = [];",
      "for (let i = list.length - 1; i >= 0; i--) {",
      "  result.push(list[i]);",
      "}",
      "return result;",
    ],
    inputs: arrays,
  }),
];
