/** What a story problem is made of: sentences and a question as forms, the quantities in them, and the equations that lead to the answer. */
import type { Random } from "../../../base/index.ts";
import type { Making } from "../exercise.ts";
import type { FormSet } from "../form.ts";
import type { Person } from "../lexicon/names.ts";
import type { Thing } from "../lexicon/things.ts";

/** A step of the working: a sentence with an equation in it. */
export type Step = string;

export interface Sentence {
  forms: FormSet;
  slots: Record<string, string>;
}

export interface Story {
  /** The frame and its numbers: what stays when words change. */
  problem: string;
  facts: Sentence[];
  question: Sentence;
  steps: Step[];
  answer: number;
}

export type Frame = (making: Making) => Story;

/** Slots for a person: "{name} has … {He} … {his}". `at` tells people of one story apart: "{name2}". */
export function personSlots({ name, he, his, him }: Person, at = ""): Record<string, string> {
  const capital = (word: string) => word[0].toUpperCase() + word.slice(1);
  return {
    [`name${at}`]: name,
    [`he${at}`]: he,
    [`He${at}`]: capital(he),
    [`his${at}`]: his,
    [`His${at}`]: capital(his),
    [`him${at}`]: him,
  };
}

/** Slots for a thing: "{a} {things}", and "{thing}" in "each {thing}". */
export const thingSlots = ({ one, many }: Thing, at = ""): Record<string, string> => ({
  [`thing${at}`]: one,
  [`things${at}`]: many,
});

/** Numbers of a story as slots, and as prices: "{a}" and "{$a}". */
export const numberSlots = (numbers: Record<string, number>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(numbers).flatMap(([name, n]) => [
      [name, String(n)],
      [`$${name}`, `$${n}`],
    ]),
  );

/** A size of numbers for a whole story: small ones come most. */
export const sizeOf = (random: Random): number => [12, 30, 100, 100][random.below(4)];
