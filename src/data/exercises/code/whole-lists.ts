/** Functions on lists as a whole: their order, their ends, neighbours, doubles, spread. */
import { type Making, pick } from "../exercise.ts";
import { parameterName } from "../lexicon/identifiers.ts";
import { numberLists } from "./pieces.ts";
import type { Family, Shape } from "./shape.ts";

const WHOLE: ((making: Making, list: string) => Omit<Shape, "parameters" | "inputs">)[] = [
  ({ random }, list) => ({
    problem: "reverse list",
    does: pick(random, [
      "returns the numbers in reverse order",
      "returns a new list with the order turned round",
      "returns the list from back to front",
    ]),
    speaking: ["reverse"],
    body: pick(random, [
      [`return [...${list}].reverse();`],
      [
        "const result = [];",
        `for (let i = ${list}.length - 1; i >= 0; i--) {`,
        `  result.push(${list}[i]);`,
        "}",
        "return result;",
      ],
      ["const result = [];", `for (const x of ${list}) {`, "  result.unshift(x);", "}", "return result;"],
    ]),
  }),
  ({ random }, list) => {
    const down = random.below(2) === 0;
    return {
      problem: `sort ${down}`,
      does: pick(random, [
        `returns the numbers sorted from ${down ? "largest to smallest" : "smallest to largest"}`,
        `returns a copy of the list in ${down ? "descending" : "ascending"} order`,
      ]),
      speaking: down ? ["sort", "descending"] : ["sort", "ascending"],
      body: [`return [...${list}].sort((a, b) => ${down ? "b - a" : "a - b"});`],
    };
  },
  ({ random }, list) => ({
    problem: "unique",
    does: pick(random, [
      "returns the numbers without repeats, in their first order",
      "returns the list with duplicates removed",
      "returns each number once",
    ]),
    speaking: ["unique"],
    body: pick(random, [
      [`return [...new Set(${list})];`],
      [
        "const result = [];",
        `for (const x of ${list}) {`,
        "  if (!result.includes(x)) {",
        "    result.push(x);",
        "  }",
        "}",
        "return result;",
      ],
    ]),
  }),
  ({ random }, list) => {
    const last = random.below(2) === 0;
    return {
      problem: `end ${last}`,
      does: `returns the ${last ? "last" : "first"} number of the list, or null if it is empty`,
      speaking: [last ? "last" : "first"],
      body: pick(random, [
        [`if (${list}.length === 0) {`, "  return null;", "}", `return ${list}[${last ? `${list}.length - 1` : "0"}];`],
        [`return ${last ? `${list}.at(-1)` : `${list}[0]`} ?? null;`],
      ]),
    };
  },
  ({ random }, list) => {
    const k = 2 + random.below(4);
    const end = random.below(2) === 0;
    return {
      problem: `take ${k} ${end}`,
      does: pick(random, [
        `returns the ${end ? "last" : "first"} ${k} numbers of the list`,
        `returns a list of the ${end ? "last" : "first"} ${k} elements`,
      ]),
      speaking: ["take", end ? "last" : "first", `${k}`],
      body: [`return ${list}.slice(${end ? `-${k}` : `0, ${k}`});`],
    };
  },
  ({ random }, list) => ({
    problem: "differences",
    does: pick(random, [
      "returns the differences between neighbours: each number minus the one before it",
      "returns a list of each number minus its predecessor",
    ]),
    speaking: ["differences"],
    body: [
      "const result = [];",
      `for (let i = 1; i < ${list}.length; i++) {`,
      `  result.push(${list}[i] - ${list}[i - 1]);`,
      "}",
      "return result;",
    ],
  }),
  ({ random }, list) => ({
    problem: "running sum",
    does: pick(random, [
      "returns the running totals of the numbers",
      "returns a list in which each element is the sum of all numbers so far",
    ]),
    speaking: ["running", "total"],
    body: [
      "let total = 0;",
      "const result = [];",
      `for (const x of ${list}) {`,
      "  total += x;",
      "  result.push(total);",
      "}",
      "return result;",
    ],
  }),
  ({ random }, list) => ({
    problem: "is sorted",
    does: pick(random, [
      "returns true if the numbers never go down, else false",
      "returns whether the list is in ascending order (equal neighbours are fine)",
    ]),
    speaking: ["is", "sorted"],
    body: [
      `for (let i = 1; i < ${list}.length; i++) {`,
      `  if (${list}[i] < ${list}[i - 1]) {`,
      "    return false;",
      "  }",
      "}",
      "return true;",
    ],
  }),
  ({ random }, list) => ({
    problem: "range of list",
    does: pick(random, [
      "returns the largest number minus the smallest, or 0 for an empty list",
      "returns the difference between the greatest and the least number (0 if there are none)",
    ]),
    speaking: ["spread"],
    body: [`if (${list}.length === 0) {`, "  return 0;", "}", `return Math.max(...${list}) - Math.min(...${list});`],
  }),
  ({ random }, list) => ({
    problem: "average",
    does: pick(random, [
      "returns the average of the numbers, or 0 for an empty list",
      "returns the mean of the list (0 if it is empty)",
    ]),
    speaking: ["average"],
    body: [
      `if (${list}.length === 0) {`,
      "  return 0;",
      "}",
      "let total = 0;",
      `for (const x of ${list}) {`,
      "  total += x;",
      "}",
      `return total / ${list}.length;`,
    ],
  }),
  ({ random }, list) => {
    const step = 2 + random.below(3);
    return {
      problem: `every ${step}`,
      does: pick(random, [
        `returns every ${["", "", "second", "third", "fourth"][step]} number, beginning with the first`,
        `returns the numbers at the indexes 0, ${step}, ${2 * step} and so on`,
      ]),
      speaking: ["every", ["", "", "second", "third", "fourth"][step]],
      body: pick(random, [
        [
          "const result = [];",
          `for (let i = 0; i < ${list}.length; i += ${step}) {`,
          `  result.push(${list}[i]);`,
          "}",
          "return result;",
        ],
        [`return ${list}.filter((_, i) => i % ${step} === 0);`],
      ]),
    };
  },
];

export const whole: Family = (making) => {
  const list = parameterName(making.random, "numbers");
  return { ...pick(making.random, WHOLE)(making, list), parameters: [list], inputs: numberLists };
};
