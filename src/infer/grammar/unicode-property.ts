/** Which characters have a Unicode property, as `\p{…}` asks: found out once from the engine's own regular expressions. */
import type { Ranges } from "./terms.ts";

/** Properties that are remembered. */
const MAX_KNOWN = 32;
/** Where characters stand; of each stretch beyond, one tells of all. */
const ASSIGNED: Ranges = [
  [0, 0xd7ff],
  [0xe000, 0x323af],
  [0xe0000, 0xe01ef],
];
const UNIFORM: Ranges = [
  [0x323b0, 0xdffff],
  [0xe01f0, 0xeffff],
  [0xf0000, 0xffffd],
  [0x100000, 0x10fffd],
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

function find(name: string): Ranges {
  let test: RegExp;
  try {
    test = new RegExp(`^\\p{${name}}$`, "u");
  } catch {
    throw new RangeError(`"\\p{${name}}"`);
  }
  const out: [number, number][] = [];
  const add = (from: number, to: number) => {
    const before = out.at(-1);
    if (before && before[1] + 1 === from) before[1] = to;
    else out.push([from, to]);
  };
  for (const [from, to] of ASSIGNED)
    for (let char = from; char <= to; char++) if (test.test(String.fromCodePoint(char))) add(char, char);
  for (const [from, to] of UNIFORM) if (test.test(String.fromCodePoint(from))) add(from, to);
  return out.sort((a, b) => a[0] - b[0]);
}
