/** Inside the quotes of a JSON string or a free key: characters in UTF-8 or as escapes, as far as they may come. */
import { CHARS } from "./chars.ts";
import { type Code, FREE_KEY, type Node, type ObjectNode } from "./grammar.ts";
import type { Frame, Machine } from "./machine.ts";

/** A character of which a part has come: its bits so far, how many bytes (or hexadecimal digits) are missing, and the least that it may be. */
interface Part {
  kind: "utf8" | "escape" | "hex";
  missing: number;
  value: number;
  least: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = [0x3a];
const ESCAPES = new Map(Object.entries({ '"': 0x22, "\\": 0x5c, "/": 0x2f, b: 8, f: 12, n: 10, r: 13, t: 9 }));
const HEX = /^[0-9a-fA-F]$/;
/** \u stands for one UTF-16 unit. */
const LAST_HEX = 0xffff;
const ESCAPE: Part = { kind: "escape", missing: 1, value: 0, least: 0 };

/** What a byte makes of a character's beginning (null: none yet): a longer beginning, a character, or null if it cannot come. */
function utf8(part: Part | null, byte: Code): Part | number | null {
  if (part) {
    if ((byte & ~0x3f) !== 0x80) return null;
    const value = part.value * 64 + (byte & 0x3f);
    return part.missing === 1 ? value : { ...part, missing: part.missing - 1, value };
  }
  if (byte < 0x20 || (byte >= 0x80 && byte < 0xc2) || byte > 0xf4) return null;
  if (byte < 0x80) return byte;
  const missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  return { kind: "utf8", missing, value: byte & (0x3f >> missing), least: [0x80, 0x800, 0x10000][missing - 1] };
}

/** What the code after a backslash makes: a character, the beginning of \u…, or null. */
function escaped(part: Part, code: Code): Part | number | null {
  const char = String.fromCharCode(code);
  if (part.kind === "hex") {
    if (!HEX.test(char)) return null;
    const value = part.value * 16 + Number.parseInt(char, 16);
    return part.missing === 1 ? value : { ...part, missing: part.missing - 1, value };
  }
  if (char === "u") return { kind: "hex", missing: 4, value: 0, least: 0 };
  return ESCAPES.get(char) ?? null;
}

/** The characters that a beginning may still become. */
function reach({ kind, missing, value, least }: Part): [from: number, to: number] {
  const size = (kind === "utf8" ? 64 : 16) ** missing;
  return [Math.max(value * size, least), value * size + size - 1];
}

/** Inside a string that has `count` characters and stands in `state` of its automaton. */
export function stringFrame(
  machine: Machine,
  node: Node & { kind: "string" },
  state: number,
  count: number,
  part: Part | null,
  after: Frame,
): Frame {
  const { chars, min, max } = node;
  // Beyond the least length, characters are counted only where there is a most.
  const counted = max === Number.POSITIVE_INFINITY ? Math.min(count, min) : count;
  const need = Math.max(0, min - counted);
  const room = max - counted;
  const toEnd = (): number => {
    const bytesAfter = (from: number, to: number) =>
      from > to ? Number.POSITIVE_INFINITY : chars.bytesAfter(state, from, to, need, room);
    if (!part) {
      const way = chars.way(state, need);
      return way.chars <= room ? way.bytes : Number.POSITIVE_INFINITY;
    }
    if (part.kind !== "escape") return part.missing + bytesAfter(...reach(part));
    return Math.min(...[...ESCAPES.values()].map((char) => 1 + bytesAfter(char, char)), 5 + bytesAfter(0, LAST_HEX));
  };
  const advance = (code: Code): Frame[] => {
    if (!part && code === QUOTE) return need === 0 && chars.way(state, 0).chars === 0 ? after.resume() : [];
    const read =
      !part && code === BACKSLASH ? ESCAPE : part && part.kind !== "utf8" ? escaped(part, code) : utf8(part, code);
    if (read === null) return [];
    if (typeof read !== "number") return [stringFrame(machine, node, state, counted, read, after)];
    const next = chars.next(state, read);
    return next < 0 || room <= 0 ? [] : [stringFrame(machine, node, next, counted + 1, null, after)];
  };
  const key = `c${machine.idOf(node)},${state},${counted},${partKey(part)}|${after.id}`;
  const frame: Frame = machine.frame(key, (id) => ({
    id,
    rest: toEnd() + 1 + after.rest,
    room: !part && chars.any ? room : 0,
    advance,
    resume: () => [frame],
  }));
  return frame;
}

/** An object with members beside its properties. */
export type FreeKeyed = ObjectNode & { additional: Node };

/**
 * Inside a free key of an object, written without escapes, which is none of its properties' names. `text`: the key so far, or null once it
 * can be neither a property's name nor matters otherwise.
 */
export function keyFrame(
  machine: Machine,
  node: FreeKeyed,
  count: number,
  used: readonly string[],
  text: string | null,
  part: Part | null,
  after: Frame,
): Frame {
  // While more members are needed, a free key must not come twice: the second would take the place of the first.
  const counts = count + 1 < node.min;
  const taken = [...node.properties.map(({ key }) => key), ...(count < node.min ? used : [])];
  const then = () => {
    const all = counts ? [...used, text!] : [];
    return machine.value(node.additional, machine.members(node, node.properties.length, count + 1, all, after));
  };
  const ends = text !== "" && (text === null || !taken.includes(text));
  const value = machine.lengths.of(node.additional);
  const members = machine.lengths.members(node, node.properties.length, count + 1);
  const missing = part ? part.missing + 1 : text === "" ? FREE_KEY - 2 : ends ? 0 : 1;
  const rest = missing + 2 + value + members + 1 + after.rest;
  const advance = (code: Code): Frame[] => {
    if (!part && code === QUOTE) return ends ? [machine.text(COLON, 0, then())] : [];
    const read = !part && code === BACKSLASH ? null : utf8(part, code);
    if (read === null) return [];
    if (typeof read !== "number")
      return isAlive(...reach(read)) ? [keyFrame(machine, node, count, used, text, read, after)] : [];
    const longer = text === null ? null : text + String.fromCodePoint(read);
    const matters = longer !== null && (counts || taken.some((name) => name.startsWith(longer)));
    return [keyFrame(machine, node, count, used, matters ? longer : null, null, after)];
  };
  const key = `k${machine.idOf(node)},${count},${JSON.stringify([used, text])},${partKey(part)}|${after.id}`;
  const free = !part && !counts && (text === null || taken.length === 0);
  const room = free ? Number.POSITIVE_INFINITY : 0;
  const frame: Frame = machine.frame(key, (id) => ({ id, rest, room, advance, resume: () => [frame] }));
  return frame;
}

/** Whether a range of code points holds a character. */
function isAlive(from: number, to: number): boolean {
  return from <= to && CHARS.some(([low, high]) => from <= high && to >= low);
}

function partKey(part: Part | null): string {
  return part ? `${part.kind}${part.missing},${part.value},${part.least}` : "";
}
