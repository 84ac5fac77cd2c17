/** What functions on lists are put together from: tests of an element, changes of an element, and ways to end. */
import type { Random } from "../../../base/index.ts";
import { between, pick } from "../exercise.ts";

/** A test of a number or word `x`: in words (behind "the numbers"), in JavaScript, and for a name. */
export interface Test {
  words: string;
  code: (x: string) => string;
  name: string[];
}

export interface Change {
  words: string;
  code: (x: string) => string;
  name: string[];
}

export function numberTest(random: Random): Test {
  const k = between(random, 2, 20);
  const d = between(random, 2, 9);
  return pick(random, [
    {
      words: pick(random, [`greater than ${k}`, `above ${k}`, `larger than ${k}`]),
      code: (x) => `${x} > ${k}`,
      name: ["above", `${k}`],
    },
    {
      words: pick(random, [`less than ${k}`, `below ${k}`, `smaller than ${k}`]),
      code: (x) => `${x} < ${k}`,
      name: ["below", `${k}`],
    },
    {
      words: pick(random, [`of at least ${k}`, `that are ${k} or more`]),
      code: (x) => `${x} >= ${k}`,
      name: ["from", `${k}`],
    },
    {
      words: pick(random, [`of at most ${k}`, `that are ${k} or less`]),
      code: (x) => `${x} <= ${k}`,
      name: ["up", "to", `${k}`],
    },
    { words: pick(random, ["that are even", "divisible by 2"]), code: (x) => `${x} % 2 === 0`, name: ["even"] },
    { words: "that are odd", code: (x) => `${x} % 2 !== 0`, name: ["odd"] },
    {
      words: pick(random, [`divisible by ${d}`, `that are multiples of ${d}`]),
      code: (x) => `${x} % ${d} === 0`,
      name: ["multiples", "of", `${d}`],
    },
    {
      words: pick(random, ["that are positive", "greater than 0", "above zero"]),
      code: (x) => `${x} > 0`,
      name: ["positive"],
    },
    {
      words: pick(random, ["that are negative", "less than 0", "below zero"]),
      code: (x) => `${x} < 0`,
      name: ["negative"],
    },
    { words: pick(random, ["that are not 0", "other than zero"]), code: (x) => `${x} !== 0`, name: ["nonzero"] },
    { words: `other than ${k}`, code: (x) => `${x} !== ${k}`, name: ["without", `${k}`] },
    {
      words: `between ${k} and ${k + d}`,
      code: (x) => `${x} >= ${k} && ${x} <= ${k + d}`,
      name: ["between", `${k}`, "and", `${k + d}`],
    },
  ] satisfies Test[]);
}

export function numberChange(random: Random): Change {
  const k = between(random, 2, 12);
  return pick(random, [
    { words: pick(random, [`plus ${k}`, `increased by ${k}`]), code: (x) => `${x} + ${k}`, name: ["plus", `${k}`] },
    { words: pick(random, [`minus ${k}`, `decreased by ${k}`]), code: (x) => `${x} - ${k}`, name: ["minus", `${k}`] },
    { words: pick(random, [`times ${k}`, `multiplied by ${k}`]), code: (x) => `${x} * ${k}`, name: ["times", `${k}`] },
    { words: pick(random, ["doubled", "times two"]), code: (x) => `${x} * 2`, name: ["doubled"] },
    { words: "squared", code: (x) => `${x} * ${x}`, name: ["squared"] },
    { words: pick(random, ["negated", "with the opposite sign"]), code: (x) => `-${x}`, name: ["negated"] },
    { words: `modulo ${k}`, code: (x) => `${x} % ${k}`, name: ["mod", `${k}`] },
    { words: "without its sign", code: (x) => `Math.abs(${x})`, name: ["absolute"] },
  ] satisfies Change[]);
}

export function wordTest(random: Random): Test {
  const k = between(random, 2, 7);
  const letter = pick(random, [..."abcdeiklmnoprstu"]);
  return pick(random, [
    {
      words: pick(random, [`longer than ${k} letters`, `with more than ${k} letters`]),
      code: (x) => `${x}.length > ${k}`,
      name: ["longer", "than", `${k}`],
    },
    {
      words: pick(random, [`shorter than ${k} letters`, `with fewer than ${k} letters`]),
      code: (x) => `${x}.length < ${k}`,
      name: ["shorter", "than", `${k}`],
    },
    {
      words: pick(random, [`of exactly ${k} letters`, `with ${k} letters`]),
      code: (x) => `${x}.length === ${k}`,
      name: ["of", "length", `${k}`],
    },
    {
      words: pick(random, [`that start with "${letter}"`, `beginning with "${letter}"`]),
      code: (x) => `${x}.startsWith("${letter}")`,
      name: ["starting", "with", letter],
    },
    {
      words: pick(random, [`that end with "${letter}"`, `ending in "${letter}"`]),
      code: (x) => `${x}.endsWith("${letter}")`,
      name: ["ending", "in", letter],
    },
    {
      words: pick(random, [`that contain "${letter}"`, `with the letter "${letter}" in them`]),
      code: (x) => `${x}.includes("${letter}")`,
      name: ["containing", letter],
    },
    { words: `without the letter "${letter}"`, code: (x) => `!${x}.includes("${letter}")`, name: ["without", letter] },
    { words: "that are not empty", code: (x) => `${x} !== ""`, name: ["non", "empty"] },
  ] satisfies Test[]);
}

export function wordChange(random: Random): Change {
  const k = between(random, 1, 4);
  const mark = pick(random, ["!", "?", ".", "-", "s"]);
  return pick(random, [
    {
      words: pick(random, ["in upper case", "in capital letters"]),
      code: (x) => `${x}.toUpperCase()`,
      name: ["upper"],
    },
    { words: "in lower case", code: (x) => `${x}.toLowerCase()`, name: ["lower"] },
    {
      words: pick(random, [`with "${mark}" behind it`, `followed by "${mark}"`]),
      code: (x) => `${x} + "${mark}"`,
      name: ["marked"],
    },
    {
      words: pick(random, ["written backwards", "reversed"]),
      code: (x) => `${x}.split("").reverse().join("")`,
      name: ["reversed"],
    },
    {
      words: pick(random, [`cut to its first ${k} letters`, `shortened to ${k} letters`]),
      code: (x) => `${x}.slice(0, ${k})`,
      name: ["first", `${k}`],
    },
    {
      words: `without its first ${k === 1 ? "letter" : `${k} letters`}`,
      code: (x) => `${x}.slice(${k})`,
      name: ["without", "first", `${k}`],
    },
    { words: pick(random, ["written twice", "repeated twice"]), code: (x) => `${x} + ${x}`, name: ["twice"] },
  ] satisfies Change[]);
}

export const numberLists = (random: Random): unknown[][] => [
  ...Array.from({ length: 4 }, () => [
    Array.from({ length: between(random, 2, 6) }, () =>
      random.below(3) ? between(random, -9, 12) : between(random, -40, 60),
    ),
  ]),
  [[]],
  [[between(random, 1, 9)]],
];

const WORDS =
  "river stone apple level moon banana noon tree window echo kayak sun letter a otter pea kite salmon door lamp mirror toast rain ice".split(
    " ",
  );
export const aWord = (random: Random): string => pick(random, WORDS);

export const wordLists = (random: Random): unknown[][] => [
  ...Array.from({ length: 4 }, () => [Array.from({ length: between(random, 2, 5) }, () => aWord(random))]),
  [[]],
  [[aWord(random), "", aWord(random)]],
];
