/** Functions that work on texts, words and single numbers. */
import type { Random } from "../../base/index.ts";
import { between, pick, type Shape } from "./task.ts";

const WORDS = [
  "river",
  "Stone",
  "apple",
  "level",
  "Moon",
  "banana",
  "noon",
  "tree",
  "window",
  "Echo",
  "kayak",
  "sun",
  "letter",
  "a",
  "otter",
];

const words = (random: Random) => Array.from({ length: 4 }, () => [pick(random, WORDS)]);

export const ON_VALUES: ((random: Random) => Shape)[] = [
  (random) => {
    const letter = pick(random, [..."aeionrt"]);
    return {
      name: `count${letter.toUpperCase()}`,
      parameters: ["text"],
      does: `returns how many times the letter ${letter} occurs in the text`,
      body: [
        "let count = 0;",
        "for (const letter of text) {",
        `  if (letter === "${letter}") {`,
        "    count++;",
        "  }",
        "}",
        "return count;",
      ],
      inputs: words,
    };
  },
  () => ({
    name: "countVowels",
    parameters: ["text"],
    does: "returns how many of the letters in the text are a, e, i, o or u",
    body: [
      "let count = 0;",
      "for (const letter of text) {",
      '  if ("aeiou".includes(letter)) {',
      "    count++;",
      "  }",
      "}",
      "return count;",
    ],
    inputs: words,
  }),
  () => ({
    name: "reverseText",
    parameters: ["text"],
    does: "returns the text with its letters in the opposite order",
    body: ['let result = "";', "for (const letter of text) {", "  result = letter + result;", "}", "return result;"],
    inputs: words,
  }),
  () => ({
    name: "isPalindrome",
    parameters: ["text"],
    does: "returns true if the text reads the same in both directions, and false otherwise",
    body: [
      "for (let i = 0; i < text.length / 2; i++) {",
      "  if (text[i] !== text[text.length - 1 - i]) {",
      "    return false;",
      "  }",
      "}",
      "return true;",
    ],
    inputs: (random) => [...words(random), ["kayak"], ["noon"], ["level"], ["tree"]],
  }),
  (random) => {
    const times = between(random, 2, 5);
    return {
      name: `repeat${times}`,
      parameters: ["text"],
      does: `returns the text ${times} times, one after the other`,
      body: ['let result = "";', `for (let i = 0; i < ${times}; i++) {`, "  result += text;", "}", "return result;"],
      inputs: words,
    };
  },
  () => ({
    name: "factorial",
    parameters: ["n"],
    does: "returns the product of the whole numbers from 1 to n, which is 1 for 0",
    body: ["let result = 1;", "for (let i = 2; i <= n; i++) {", "  result *= i;", "}", "return result;"],
    inputs: () => [[0], [1], [3], [5], [7]],
  }),
  (random) => {
    const squares = random.below(2) === 0;
    return {
      name: squares ? "sumOfSquares" : "sumUpTo",
      parameters: ["n"],
      does: squares ? "returns the sum of the squares of 1 to n" : "returns the sum of the whole numbers from 1 to n",
      body: [
        "let total = 0;",
        "for (let i = 1; i <= n; i++) {",
        `  total += ${squares ? "i * i" : "i"};`,
        "}",
        "return total;",
      ],
      inputs: () => [[0], [1], [4], [6], [10]],
    };
  },
  () => ({
    name: "isPrime",
    parameters: ["n"],
    does: "returns true if n is a prime number, and false otherwise",
    body: [
      "if (n < 2) {",
      "  return false;",
      "}",
      "for (let i = 2; i < n; i++) {",
      "  if (n % i === 0) {",
      "    return false;",
      "  }",
      "}",
      "return true;",
    ],
    inputs: () => [[1], [2], [3], [4], [9], [13], [15], [17]],
  }),
  (random) => {
    const [low, high] = [between(random, 0, 5), between(random, 8, 20)];
    return {
      name: `clamp${low}To${high}`,
      parameters: ["n"],
      does: `returns n, but never less than ${low} and never more than ${high}`,
      body: [`if (n < ${low}) {`, `  return ${low};`, "}", `if (n > ${high}) {`, `  return ${high};`, "}", "return n;"],
      inputs: () => [[low - 3], [low], [low + 1], [high], [high + 5], [high - 1]],
    };
  },
  (random) => {
    const k = between(random, 2, 9);
    const [name, words, value] = pick(random, [
      [`add${k}`, `n plus ${k}`, `n + ${k}`],
      [`subtract${k}`, `n minus ${k}`, `n - ${k}`],
      [`times${k}`, `n times ${k}`, `n * ${k}`],
      [`remainderBy${k}`, `the remainder of n divided by ${k}`, `n % ${k}`],
    ] as const);
    return {
      name,
      parameters: ["n"],
      does: `returns ${words}`,
      body: [`return ${value};`],
      inputs: () => [[0], [1], [7], [12], [25]],
    };
  },
  (random) => {
    const [name, words, value] = pick(random, [
      ["add", "the sum of a and b", "a + b"],
      ["multiply", "the product of a and b", "a * b"],
      ["difference", "a minus b", "a - b"],
      ["isGreater", "true if a is greater than b, and false otherwise", "a > b"],
      ["isEqual", "true if a and b are equal, and false otherwise", "a === b"],
    ] as const);
    return {
      name,
      parameters: ["a", "b"],
      does: `returns ${words}`,
      body: [`return ${value};`],
      inputs: (random) => [
        [3, 4],
        [4, 3],
        [5, 5],
        [between(random, -9, 9), between(random, -9, 9)],
      ],
    };
  },
  (random) => {
    const max = random.below(2) === 0;
    return {
      name: max ? "larger" : "smaller",
      parameters: ["a", "b"],
      does: `returns the ${max ? "larger" : "smaller"} of a and b`,
      body: [`if (a ${max ? ">" : "<"} b) {`, "  return a;", "}", "return b;"],
      inputs: () => [
        [1, 2],
        [2, 1],
        [5, 5],
        [-3, -8],
      ],
    };
  },
  (random) => {
    const long = random.below(2) === 0;
    return {
      name: long ? "longestWord" : "shortestWord",
      parameters: ["words"],
      does: `returns the ${long ? "longest" : "shortest"} of the words, the first one if several are, or an empty text if there are none`,
      body: [
        "if (words.length === 0) {",
        '  return "";',
        "}",
        "let best = words[0];",
        "for (const word of words) {",
        `  if (word.length ${long ? ">" : "<"} best.length) {`,
        "    best = word;",
        "  }",
        "}",
        "return best;",
      ],
      inputs: (random) => [
        ...Array.from({ length: 4 }, () => [Array.from({ length: 4 }, () => pick(random, WORDS))]),
        [[]],
      ],
    };
  },
  (random) => {
    const lengths = random.below(2) === 0;
    return {
      name: lengths ? "wordLengths" : "totalLength",
      parameters: ["words"],
      does: lengths
        ? "returns an array with the length of each word"
        : "returns the number of letters of all words together",
      body: lengths
        ? ["const result = [];", "for (const word of words) {", "  result.push(word.length);", "}", "return result;"]
        : ["let total = 0;", "for (const word of words) {", "  total += word.length;", "}", "return total;"],
      inputs: (random) => [
        ...Array.from({ length: 3 }, () => [Array.from({ length: 4 }, () => pick(random, WORDS))]),
        [[]],
      ],
    };
  },
];
