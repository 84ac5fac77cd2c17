/** Names in programs, put together from words in several styles, so that a name says little or nothing of what its function does. */
import type { Random } from "../../../base/index.ts";
import { hashShare } from "../../cleaning/hash-share.ts";
import { type Making, pick } from "../exercise.ts";

const VERBS =
  "get make find compute calc build process handle do run apply work solve check test evaluate derive produce transform convert take give scan look collect gather extract".split(
    " ",
  );
const NOUNS =
  "result value values items list data numbers total output answer thing stuff entry entries part parts rows table set group piece text words string letters score points record info sum series sequence selection".split(
    " ",
  );
const ODD =
  "foo bar baz qux f g h fn func solution task helper util main2 alpha beta gamma zeta kilo lima nova orbit pixel quark rover sigma tango vega".split(
    " ",
  );

export const camel = (words: readonly string[]): string =>
  words.map((word, i) => (i === 0 ? word : word[0].toUpperCase() + word.slice(1))).join("");
export const snake = (words: readonly string[]): string => words.join("_");

const isReserved = (name: string) => hashShare(`identifier ${name}`) < 1 / 8;

/** JavaScript words that cannot name a function or a parameter. */
const KEYWORDS = new Set("do for if in new let var try case else this void with enum function return".split(" "));

/** A function's name that belongs to the split: what it does in words, or something that says nothing. `speaking`: words of what it does. */
export function functionName({ random, words }: Making, speaking: readonly string[]): string {
  for (;;) {
    const kind = random.below(10);
    const parts =
      kind < 5
        ? speaking
        : kind < 7
          ? [pick(random, VERBS), pick(random, NOUNS)]
          : kind < 9
            ? [pick(random, VERBS), pick(random, NOUNS), pick(random, NOUNS)]
            : [pick(random, ODD) + (random.below(2) ? "" : String(random.below(100)))];
    const name = random.below(6) === 0 ? snake(parts) : camel(parts);
    if (KEYWORDS.has(name)) continue;
    // A speaking name belongs to its function, which is held out itself; only free names are told apart.
    if (kind < 5 || isReserved(name) === (words === "test")) return name;
  }
}

const PARAMETERS: Record<string, readonly string[]> = {
  numbers: ["numbers", "list", "values", "items", "arr", "xs", "nums", "data", "array", "input"],
  words: ["words", "list", "items", "texts", "strings", "names", "arr", "entries"],
  text: ["text", "str", "s", "word", "string", "input", "sentence", "value"],
  n: ["n", "x", "num", "number", "value", "i0", "amount"],
  m: ["m", "y", "other", "b", "second", "limit", "k"],
};

/** A parameter's name; `taken` are those that it must not be. */
export function parameterName(random: Random, kind: keyof typeof PARAMETERS, taken: readonly string[] = []): string {
  for (;;) {
    const name = pick(random, PARAMETERS[kind]);
    if (!taken.includes(name)) return name;
  }
}

const LOCALS = {
  result: ["result", "out", "res", "answer", "output", "found", "acc"],
  total: ["total", "sum", "count", "acc", "result", "t"],
  item: ["item", "x", "value", "element", "v", "one", "each", "el"],
  letter: ["letter", "c", "ch", "char", "x"],
  i: ["i", "i", "j", "k", "index"],
} as const;

/** A local variable's name that is not taken. */
export function localName(random: Random, kind: keyof typeof LOCALS, taken: readonly string[]): string {
  const free = LOCALS[kind].filter((name) => !taken.includes(name));
  return free.length > 0 ? pick(random, free) : `${LOCALS[kind][0]}2`;
}
