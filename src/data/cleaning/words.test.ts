import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NumberSet, Words } from "./words.ts";

const wordsOf = (text: string) => {
  const words = new Words().read(text);
  return Array.from({ length: words.count }, (_, i) => words.word(i));
};
const runsOf = (text: string, n: number) => {
  const runs: [number, number][] = [];
  new Words().read(text).forEachRun(n, (at, hash) => runs.push([at, hash]));
  return runs;
};

it("words are runs of letters and digits in lower case; signs of scripts without spaces stand alone", () => {
  expect(wordsOf("The x2-Ray, naïve!\n„Über“ 3.14 don't")).toEqual([
    "the",
    "x2",
    "ray",
    "naïve",
    "über",
    "3",
    "14",
    "don",
    "t",
  ]);
  expect(wordsOf("我们 go 日本")).toEqual(["我", "们", "go", "日", "本"]);
  expect(wordsOf(" ...")).toEqual([]);
});

it("a word with a letter is alphabetic", () => {
  const words = new Words().read("a 12 x2 2x 我");
  expect([0, 1, 2, 3, 4].map((i) => words.isAlphabetic(i))).toEqual([true, false, true, true, true]);
});

describe("runs", () => {
  it("have the hash of their words alone, wherever they stand", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("red", "blue", "fish", "boat", "a"), { minLength: 3, maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        (words, n) => {
          const known = new Map<string, number>();
          for (const [at, hash] of runsOf(words.join(" "), n)) {
            const run = words.slice(at, at + n).join(" ");
            if (!known.has(run)) known.set(run, runsOf(run, n)[0][1]);
            expect(hash).toBe(known.get(run));
          }
          expect(new Set(known.values()).size).toBe(known.size);
        },
      ),
      { seed: 1, numRuns: 60 },
    );
  });

  it("there are as many as fit, each a whole number from 1 to below 2⁵³", () => {
    expect(runsOf("one two", 3)).toEqual([]);
    const runs = runsOf("one two three four", 3);
    expect(runs.map(([at]) => at)).toEqual([0, 1]);
    for (const [, hash] of runs) expect(Number.isSafeInteger(hash) && hash > 0).toBe(true);
  });
});

it("NumberSet holds what was added, also after growing", () => {
  const set = new NumberSet(16);
  const values = Array.from({ length: 5000 }, (_, i) => 1 + i * 2 ** 33 + (i % 7));
  for (const value of values) expect(set.add(value)).toBe(true);
  for (const value of values) expect(set.add(value) || !set.has(value)).toBe(false);
  expect(set.size).toBe(5000);
  expect(set.has(2)).toBe(false);
});
