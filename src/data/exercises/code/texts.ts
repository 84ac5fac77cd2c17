/** Functions on a text: letters counted, chosen, changed; words; beginnings and ends. */
import type { Random } from "../../../base/index.ts";
import { between, type Making, oneIn, pick } from "../exercise.ts";
import { localName, parameterName } from "../lexicon/identifiers.ts";
import { aWord } from "./pieces.ts";
import type { Family, Shape } from "./shape.ts";

const oneText = (random: Random): unknown[][] => [
  ...Array.from({ length: 4 }, () => [aWord(random)]),
  [`${aWord(random)} ${aWord(random)}`],
  [pick(random, ["Level", "A", "Echo Moon", "abcABC", "noon"])],
  [""],
];

interface LetterTest {
  words: string;
  code: (letter: string) => string;
  name: string[];
}

function letterTest(random: Random): LetterTest {
  const letter = pick(random, [..."aeiorstnlmd"]);
  const set = pick(random, ["aeiou", "aeiou", "xyz", "abc", "0123456789", "aeiouAEIOU"]);
  return pick(random, [
    {
      words: pick(random, [`the letter "${letter}"`, `"${letter}"`]),
      code: (x) => `${x} === "${letter}"`,
      name: [letter],
    },
    {
      words:
        set === "aeiou" ? pick(random, ["a vowel (a, e, i, o or u)", "one of a, e, i, o and u"]) : `one of "${set}"`,
      code: (x) => `"${set}".includes(${x})`,
      name: set.startsWith("aeiou") ? ["vowel"] : set[0] === "0" ? ["digit"] : ["of", set],
    },
    { words: pick(random, ["a space", "a blank"]), code: (x) => `${x} === " "`, name: ["space"] },
  ] satisfies LetterTest[]);
}

/** Count, keep or remove letters. */
function letters(making: Making): Shape {
  const { random } = making;
  const text = parameterName(random, "text");
  const letter = localName(random, "letter", [text]);
  const test = letterTest(random);
  const kind = pick(random, ["count", "keep", "remove", "has"] as const);
  const result = localName(random, kind === "count" ? "total" : "result", [text, letter]);
  const loop = (start: string, inside: string[], end: string) => [
    `let ${result} = ${start};`,
    `for (const ${letter} of ${text}) {`,
    ...inside.map((line) => `  ${line}`),
    "}",
    `return ${end};`,
  ];
  const yes = test.code(letter);
  const no = yes.includes("===") ? yes.replace("===", "!==") : `!${yes}`;
  const chained = oneIn(random, 3);
  const made = {
    count: {
      does: [
        `returns how many letters of the text are ${test.words}`,
        `returns the number of characters that are ${test.words}`,
        `counts the characters of a text that are ${test.words} and returns the count`,
      ],
      body: chained
        ? [`return [...${text}].filter((${letter}) => ${yes}).length;`]
        : loop("0", [`if (${yes}) {`, `  ${result}++;`, "}"], result),
    },
    keep: {
      does: [
        `returns the text with only the characters that are ${test.words}`,
        `returns what is left of the text when all but ${test.words} is taken out`,
      ],
      body: chained
        ? [`return [...${text}].filter((${letter}) => ${yes}).join("");`]
        : loop('""', [`if (${yes}) {`, `  ${result} += ${letter};`, "}"], result),
    },
    remove: {
      does: [
        `returns the text without any character that is ${test.words}`,
        `removes every character that is ${test.words} and returns the rest`,
      ],
      body: chained
        ? [`return [...${text}].filter((${letter}) => ${no}).join("");`]
        : loop('""', [`if (${no}) {`, `  ${result} += ${letter};`, "}"], result),
    },
    has: {
      does: [
        `returns true if any character of the text is ${test.words}, else false`,
        `returns whether the text has a character that is ${test.words}`,
      ],
      body: chained
        ? [`return [...${text}].some((${letter}) => ${yes});`]
        : [`for (const ${letter} of ${text}) {`, `  if (${yes}) {`, "    return true;", "  }", "}", "return false;"],
    },
  }[kind];
  return {
    problem: `letters ${kind} ${test.code("x")}`,
    does: pick(random, made.does),
    speaking: [kind, ...test.name],
    parameters: [text],
    body: made.body,
    inputs: oneText,
  };
}

const SIMPLE: ((making: Making, text: string) => Omit<Shape, "parameters" | "inputs">)[] = [
  ({ random }, text) => ({
    problem: "reverse text",
    does: pick(random, [
      "returns the text backwards",
      "returns the text with its letters in reverse order",
      "turns a text round and returns it",
    ]),
    speaking: ["reverse"],
    body: pick(random, [
      ['let result = "";', `for (const c of ${text}) {`, "  result = c + result;", "}", "return result;"],
      [`return [...${text}].reverse().join("");`],
      [
        'let result = "";',
        `for (let i = ${text}.length - 1; i >= 0; i--) {`,
        `  result += ${text}[i];`,
        "}",
        "return result;",
      ],
    ]),
  }),
  ({ random }, text) => ({
    problem: "palindrome",
    does: pick(random, [
      "returns true if the text reads the same in both directions, else false",
      "returns whether the text is a palindrome",
    ]),
    speaking: ["is", "palindrome"],
    body: pick(random, [
      [`return ${text} === [...${text}].reverse().join("");`],
      [
        `for (let i = 0; i < ${text}.length / 2; i++) {`,
        `  if (${text}[i] !== ${text}[${text}.length - 1 - i]) {`,
        "    return false;",
        "  }",
        "}",
        "return true;",
      ],
    ]),
  }),
  ({ random }, text) => {
    const upper = random.below(2) === 0;
    return {
      problem: `case ${upper}`,
      does: `returns the text in ${upper ? pick(random, ["capital letters", "upper case"]) : pick(random, ["small letters", "lower case"])}`,
      speaking: [upper ? "upper" : "lower"],
      body: [`return ${text}.to${upper ? "Upper" : "Lower"}Case();`],
    };
  },
  ({ random }, text) => ({
    problem: "capitalize",
    does: pick(random, [
      "returns the text with its first letter in upper case",
      "makes the first letter a capital and returns the text",
    ]),
    speaking: ["capitalize"],
    body: [`return ${text}.slice(0, 1).toUpperCase() + ${text}.slice(1);`],
  }),
  ({ random }, text) => {
    const times = between(random, 2, 6);
    return {
      problem: `repeat ${times}`,
      does: pick(random, [
        `returns the text ${times} times, one after the other`,
        `repeats the text ${times} times and returns it`,
      ]),
      speaking: ["repeat", `${times}`],
      body: pick(random, [
        [`return ${text}.repeat(${times});`],
        ['let result = "";', `for (let i = 0; i < ${times}; i++) {`, `  result += ${text};`, "}", "return result;"],
      ]),
    };
  },
  ({ random }, text) => {
    const k = between(random, 1, 4);
    const end = random.below(2) === 0;
    return {
      problem: `ends ${k} ${end}`,
      does: `returns the ${end ? "last" : "first"} ${k === 1 ? "letter" : `${k} letters`} of the text`,
      speaking: [end ? "last" : "first", `${k}`],
      body: [`return ${text}.slice(${end ? `-${k}` : `0, ${k}`});`],
    };
  },
  ({ random }, text) => {
    const [a, b] = [pick(random, [..."aeost "]), pick(random, [..."xyz-_*"])];
    return {
      problem: `replace ${a} ${b}`,
      does: pick(random, [
        `returns the text with every "${a}" replaced by "${b}"`,
        `replaces each "${a}" of the text with "${b}" and returns it`,
      ]),
      speaking: ["replace"],
      body: pick(random, [
        [`return ${text}.replaceAll("${a}", "${b}");`],
        [`return ${text}.split("${a}").join("${b}");`],
        [
          'let result = "";',
          `for (const c of ${text}) {`,
          `  result += c === "${a}" ? "${b}" : c;`,
          "}",
          "return result;",
        ],
      ]),
    };
  },
  ({ random }, text) => ({
    problem: "word count",
    does: pick(random, [
      "returns how many words the text has (words are parted by single spaces; an empty text has none)",
      "counts the words of a text, which have one space between them; 0 for an empty text",
    ]),
    speaking: ["count", "words"],
    body: [`if (${text} === "") {`, "  return 0;", "}", `return ${text}.split(" ").length;`],
  }),
  ({ random }, text) => ({
    problem: "initials",
    does: pick(random, [
      "returns the first letters of the text's words, joined",
      "returns the initials of the words in the text",
    ]),
    speaking: ["initials"],
    body: [`return ${text}.split(" ").map((word) => word.slice(0, 1)).join("");`],
  }),
  ({ random }, text) => {
    const mark = pick(random, ["*", "-", "#", ".", "!"]);
    const both = random.below(2) === 0;
    return {
      problem: `wrap ${mark} ${both}`,
      does: both ? `returns the text with "${mark}" before and behind it` : `returns the text with "${mark}" behind it`,
      speaking: both ? ["wrap"] : ["mark"],
      body: [both ? `return "${mark}" + ${text} + "${mark}";` : `return ${text} + "${mark}";`],
    };
  },
  ({ random }, text) => {
    const k = between(random, 2, 8);
    const over = random.below(2) === 0;
    return {
      problem: `length ${k} ${over}`,
      does: `returns true if the text has ${over ? `more than ${k}` : `fewer than ${k}`} letters, else false`,
      speaking: ["is", over ? "long" : "short"],
      body: [`return ${text}.length ${over ? ">" : "<"} ${k};`],
    };
  },
];

const simple: Family = (making) => {
  const text = parameterName(making.random, "text");
  return { ...pick(making.random, SIMPLE)(making, text), parameters: [text], inputs: oneText };
};

export const ON_TEXTS: readonly Family[] = [letters, letters, simple, simple, simple];
