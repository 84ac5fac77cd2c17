/** Which characters have a Unicode property, as `\p{…}` asks: found out once from the engine's own regular expressions. */
import type { Ranges } from "./terms.ts";

/** Properties that are remembered. */
const MAX_KNOWN = 32;
/** Where characters stand; of each stretch beyond, one tells of all. */
const ASSIGNED: Ranges = [
  [0, 0xd7ff],
  [0xe000, 0xffff],
  [0x10000, 0x3ffff],
  [0xe0000, 0xe01ef],
];
const UNIFORM: Ranges = [
  [0x40000, 0xdffff],
  [0xe01f0, 0xeffff],
  [0xf0000, 0xffffd],
  [0xffffe, 0xfffff],
  [0x100000, 0x10fffd],
  [0x10fffe, 0x10ffff],
];

const known = new Map<string, Ranges>();

/** @throws RangeError for a property that there is not */
export function unicodeProperty(name: string): Ranges {
  let ranges = known.get(name);
  if (!ranges) {
    ranges = find(name);
    if (known.size >= MAX_KNOWN) known.delete(known.keys().next().value!);
    known.set(name, ranges);
  }
  return ranges;
}

/** All characters of the stretches, one after the other: an expression that runs over them is far quicker than one that is asked of each. */
let characters: string[] | null = null;

const written = ([from, to]: readonly [number, number]): string => {
  let text = "";
  for (let char = from; char <= to; char++) text += String.fromCodePoint(char);
  return text;
};

function find(name: string): Ranges {
  let one: RegExp;
  try {
    one = new RegExp(`^\\p{${name}}$`, "u");
  } catch {
    throw new RangeError(`"\\p{${name}}"`);
  }
  const runs = new RegExp(`\\p{${name}}+`, "gu");
  const out: [number, number][] = [];
  characters ??= ASSIGNED.map(written);
  ASSIGNED.forEach(([from], i) => {
    // In UTF-16 each character of a stretch takes as much as its first.
    const units = from > 0xffff ? 2 : 1;
    for (const { 0: run, index } of characters![i].matchAll(runs)) {
      const first = from + index / units;
      out.push([first, first + run.length / units - 1]);
    }
  });
  for (const [from, to] of UNIFORM) if (one.test(String.fromCodePoint(from))) out.push([from, to]);
  return out.sort((a, b) => a[0] - b[0]);
}
