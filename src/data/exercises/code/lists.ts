/** Functions on lists: choose elements, change them, and gather them; hundreds of thousands of combinations, as loops and as chains of methods. */
import type { Random } from "../../../base/index.ts";
import { type Making, oneIn, pick } from "../exercise.ts";
import { localName, parameterName } from "../lexicon/identifiers.ts";
import {
  type Change,
  numberChange,
  numberLists,
  numberTest,
  type Test,
  wordChange,
  wordLists,
  wordTest,
} from "./pieces.ts";
import type { Family, Shape } from "./shape.ts";
import { whole } from "./whole-lists.ts";

interface Parts {
  random: Random;
  list: string;
  item: string;
  test: Test | null;
  change: Change | null;
  /** "number" or "word" */
  of: string;
}

/** How the chosen and changed elements become a result: in words, for a name, as a loop, and as a chain of methods (null: only as a loop). */
interface Ending {
  words: (what: string) => string[];
  name: string[];
  start: string | null;
  /** What is done with an element's value inside the loop. */
  each: (value: string, result: string) => string[];
  result: (result: string) => string;
  chain: ((list: string) => string) | null;
  local: "result" | "total";
  /** Whether the changed value matters: a count of changed elements is a count. */
  usesValue: boolean;
}

const COMMON: Ending[] = [
  {
    words: (what) => [`an array of ${what}`, `a list with ${what}`, `a new array that holds ${what}`],
    name: ["list"],
    start: "[]",
    each: (value, result) => [`${result}.push(${value});`],
    result: (result) => result,
    chain: (list) => list,
    local: "result",
    usesValue: true,
  },
  {
    words: (what) => [`how many of ${what} there are`, `the number of ${what}`, `the count of ${what}`],
    name: ["count"],
    start: "0",
    each: (_, result) => [`${result}++;`],
    result: (result) => result,
    chain: (list) => `${list}.length`,
    local: "total",
    usesValue: false,
  },
];

const OF_NUMBERS: Ending[] = [
  ...COMMON,
  {
    words: (what) => [`the sum of ${what}`, `the total of ${what}`, `what ${what} add up to`],
    name: ["sum"],
    start: "0",
    each: (value, result) => [`${result} += ${value};`],
    result: (result) => result,
    chain: (list) => `${list}.reduce((a, b) => a + b, 0)`,
    local: "total",
    usesValue: true,
  },
  {
    words: (what) => [`the product of ${what} (1 if there are none)`, `${what} multiplied together, or 1 for none`],
    name: ["product"],
    start: "1",
    each: (value, result) => [`${result} *= ${value};`],
    result: (result) => result,
    chain: (list) => `${list}.reduce((a, b) => a * b, 1)`,
    local: "total",
    usesValue: true,
  },
  {
    words: (what) => [`the largest of ${what}, or null if there are none`, `the greatest of ${what} (null for none)`],
    name: ["max"],
    start: "null",
    each: (value, result) => [`if (${result} === null || ${value} > ${result}) {`, `  ${result} = ${value};`, "}"],
    result: (result) => result,
    chain: null,
    local: "result",
    usesValue: true,
  },
  {
    words: (what) => [`the smallest of ${what}, or null if there are none`, `the least of ${what} (null for none)`],
    name: ["min"],
    start: "null",
    each: (value, result) => [`if (${result} === null || ${value} < ${result}) {`, `  ${result} = ${value};`, "}"],
    result: (result) => result,
    chain: null,
    local: "result",
    usesValue: true,
  },
];

const OF_WORDS: Ending[] = [
  ...COMMON,
  {
    words: (what) => [`${what} joined with spaces`, `a text of ${what} with a space between them`],
    name: ["join"],
    start: "[]",
    each: (value, result) => [`${result}.push(${value});`],
    result: (result) => `${result}.join(" ")`,
    chain: (list) => `${list}.join(" ")`,
    local: "result",
    usesValue: true,
  },
  {
    words: (what) => [`the total length of ${what}`, `how many letters ${what} have together`],
    name: ["total", "length"],
    start: "0",
    each: (value, result) => [`${result} += ${/^[\w.]+$/.test(value) ? value : `(${value})`}.length;`],
    result: (result) => result,
    chain: (list) => `${list}.join("").length`,
    local: "total",
    usesValue: true,
  },
  {
    words: (what) => [`the longest of ${what} (the first of several, "" if there are none)`],
    name: ["longest"],
    start: '""',
    each: (value, result) => [
      `if (${/^[\w.]+$/.test(value) ? value : `(${value})`}.length > ${result}.length) {`,
      `  ${result} = ${value};`,
      "}",
    ],
    result: (result) => result,
    chain: null,
    local: "result",
    usesValue: true,
  },
];

/** "the numbers greater than 5, each doubled" */
function whatIn({ of, test, change }: Parts): string {
  const chosen = test ? `the ${of}s ${test.words}` : `all the ${of}s`;
  return change ? `${chosen}, each ${change.words}` : chosen;
}

function asChain({ list, item, test, change }: Parts, ending: Ending): string[] {
  const short = item[0] === "i" ? "x" : item;
  let chain = list;
  if (test) chain += `.filter((${short}) => ${test.code(short)})`;
  if (change) chain += `.map((${short}) => ${change.code(short)})`;
  return [`return ${ending.chain!(chain === list ? `[...${list}]` : chain)};`];
}

function asLoop({ random, list, item, test, change }: Parts, ending: Ending): string[] {
  const byIndex = oneIn(random, 3);
  const index = localName(random, "i", [list, item]);
  const x = byIndex ? `${list}[${index}]` : item;
  const result = localName(random, ending.local, [list, item, index]);
  const value = ending.usesValue && change ? change.code(x) : x;
  const inside = ending.each(value, result);
  const guarded = test ? [`if (${test.code(x)}) {`, ...inside.map((line) => `  ${line}`), "}"] : inside;
  return [
    `${ending.start === "[]" ? "const" : "let"} ${result} = ${ending.start};`,
    byIndex ? `for (let ${index} = 0; ${index} < ${list}.length; ${index}++) {` : `for (const ${item} of ${list}) {`,
    ...guarded.map((line) => `  ${line}`),
    "}",
    `return ${ending.result(result)};`,
  ];
}

function onList(making: Making, of: "number" | "word"): Shape {
  const { random } = making;
  const list = parameterName(random, of === "number" ? "numbers" : "words");
  const ending = pick(random, of === "number" ? OF_NUMBERS : OF_WORDS);
  const test = oneIn(random, 4) ? null : of === "number" ? numberTest(random) : wordTest(random);
  const changes = ending.usesValue && (test === null || oneIn(random, 3));
  const change = changes ? (of === "number" ? numberChange(random) : wordChange(random)) : null;
  const parts: Parts = { random, list, item: localName(random, "item", [list]), test, change, of };
  const chained = ending.chain !== null && oneIn(random, 2);
  const what = whatIn(parts);
  return {
    problem: `${of}s ${ending.name.join(" ")} ${test ? test.code("x") : ""} ${change ? change.code("x") : ""}`,
    does: `returns ${pick(random, ending.words(what))}`,
    speaking: [...ending.name, ...(test?.name ?? [`${of}s`]), ...(change?.name ?? [])],
    parameters: [list],
    body: chained ? asChain(parts, ending) : asLoop(parts, ending),
    inputs: of === "number" ? numberLists : wordLists,
  };
}

/** Whether some or all elements pass a test, and which one does first. */
function onSome(making: Making, of: "number" | "word"): Shape {
  const { random } = making;
  const list = parameterName(random, of === "number" ? "numbers" : "words");
  const item = localName(random, "item", [list]);
  const test = of === "number" ? numberTest(random) : wordTest(random);
  const kind = pick(random, ["any", "all", "first", "index"] as const);
  const code = test.code(item);
  const chained = oneIn(random, 2);
  const one = `${of} ${test.words
    .replace(/^that are /, "that is ")
    .replace(/^that (start|end|contain)/, "that $1s")
    .replace("in them", "in it")}`;
  const forms = {
    any: {
      does: [`returns true if the list has a ${one}, else false`, `returns whether there is any ${one} in the list`],
      body: chained
        ? [`return ${list}.some((${item}) => ${code});`]
        : [`for (const ${item} of ${list}) {`, `  if (${code}) {`, "    return true;", "  }", "}", "return false;"],
    },
    all: {
      does: [
        `returns true if the list holds no other ${of}s than those ${test.words}, else false`,
        `returns whether all the ${of}s are ones ${test.words}`,
      ],
      body: chained
        ? [`return ${list}.every((${item}) => ${code});`]
        : [`for (const ${item} of ${list}) {`, `  if (!(${code})) {`, "    return false;", "  }", "}", "return true;"],
    },
    first: {
      does: [`returns the first ${one}, or null if there is none`],
      body: chained
        ? [`return ${list}.find((${item}) => ${code}) ?? null;`]
        : [`for (const ${item} of ${list}) {`, `  if (${code}) {`, `    return ${item};`, "  }", "}", "return null;"],
    },
    index: {
      does: [`returns the index of the first ${one}, or -1 if there is none`],
      body: chained
        ? [`return ${list}.findIndex((${item}) => ${code});`]
        : [
            `for (let i = 0; i < ${list}.length; i++) {`,
            `  if (${test.code(`${list}[i]`)}) {`,
            "    return i;",
            "  }",
            "}",
            "return -1;",
          ],
    },
  };
  const { does, body } = forms[kind];
  return {
    problem: `${of}s ${kind} ${test.code("x")}`,
    does: pick(random, does),
    speaking: [kind === "index" ? "indexOf" : kind, ...test.name],
    parameters: [list],
    body,
    inputs: of === "number" ? numberLists : wordLists,
  };
}

export const ON_LISTS: readonly Family[] = [
  (making) => onList(making, "number"),
  (making) => onList(making, "number"),
  (making) => onList(making, "word"),
  (making) => onSome(making, "number"),
  (making) => onSome(making, "word"),
  whole,
  whole,
];
