/** Inside the quotes of a JSON string or a free key: characters in UTF-8 or as escapes, as far as they may come. */
import type { Code } from "./code.ts";
import type { Frame, Frames } from "./frame.ts";
import type { FreeKeys, ObjectNode, StringNode } from "./grammar.ts";
import { CHARS, type Ranges } from "./terms.ts";

/** A character of which a part has come: its bits so far, how many bytes (or hexadecimal digits) are missing, and the least that it may be. */
interface Part {
  kind: "utf8" | "escape" | "hex";
  missing: number;
  value: number;
  least: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SLASH = 0x2f;
const COLON = [0x3a];
const ESCAPES = new Map(Object.entries({ '"': 0x22, "\\": 0x5c, "/": 0x2f, b: 8, f: 12, n: 10, r: 13, t: 9 }));
const HEX = /^[0-9a-fA-F]$/;
/** What \u may stand for: control characters that have no shorter escape; in a free string also what is not ASCII, as some texts are written. */
const NEEDED_HEX: Ranges = [
  [0, 7],
  [11, 11],
  [14, 0x1f],
];
const FREE_HEX: Ranges = [...NEEDED_HEX, [0x80, 0xffff]];
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

/** Which string it is, and what comes after it. */
interface StringPlace {
  node: StringNode;
  after: Frame;
}

/** What has been read of a string: where its automaton stands, its characters, and the beginning of one more. */
interface StringRead {
  state: number;
  count: number;
  part: Part | null;
}

/** Inside a string. */
export function stringFrame(frames: Frames, place: StringPlace, { state, count, part }: StringRead): Frame {
  const { node, after } = place;
  const { chars, min, max } = node;
  // Beyond the least length, characters are counted only where there is a most.
  const counted = max === Number.POSITIVE_INFINITY ? Math.min(count, min) : count;
  const need = Math.max(0, min - counted);
  const room = max - counted;
  // Nobody asks for the escape of a character that can stand as it is.
  const hex = chars.any ? FREE_HEX : NEEDED_HEX;
  const escapes = [...ESCAPES.values()].filter((char) => chars.any || char !== SLASH);
  const toEnd = (): number => {
    const bytesAfter = (from: number, to: number) =>
      from > to ? Number.POSITIVE_INFINITY : chars.bytesAfter(state, from, to, need, room);
    if (!part) {
      const way = chars.way(state, need);
      return way.chars <= room ? way.bytes : Number.POSITIVE_INFINITY;
    }
    if (part.kind === "utf8") return part.missing + bytesAfter(...reach(part));
    const [low, high] = part.kind === "hex" ? reach(part) : [0, 0xffff];
    const missing = part.kind === "hex" ? part.missing : 5;
    const ways = hex.map(([from, to]) => missing + bytesAfter(Math.max(from, low), Math.min(to, high)));
    if (part.kind === "escape") for (const char of escapes) ways.push(1 + bytesAfter(char, char));
    return Math.min(...ways);
  };
  const advance = (code: Code): Frame[] => {
    if (!part && code === QUOTE) return need === 0 && chars.way(state, 0).chars === 0 ? after.resume() : [];
    const read =
      !part && code === BACKSLASH ? ESCAPE : part && part.kind !== "utf8" ? escaped(part, code) : utf8(part, code);
    if (read === null) return [];
    if (typeof read !== "number") return [stringFrame(frames, place, { state, count: counted, part: read })];
    if (part?.kind === "hex" && !hex.some(([from, to]) => read >= from && read <= to)) return [];
    if (part?.kind === "escape" && !escapes.includes(read)) return [];
    const next = chars.next(state, read);
    return next < 0 || room <= 0 ? [] : [stringFrame(frames, place, { state: next, count: counted + 1, part: null })];
  };
  const key = `c${frames.idOf(node)},${state},${counted},${partKey(part)}|${after.id}`;
  const frame: Frame = frames.frame(key, (id) => ({
    id,
    rest: toEnd() + 1 + after.rest,
    room: !part && chars.any ? room : 0,
    advance,
    resume: () => [frame],
  }));
  return frame;
}

/** Where a free key stands: in an object with `count` members; `used`: free keys before it, where they count. */
interface KeyPlace {
  node: ObjectNode;
  free: FreeKeys;
  count: number;
  used: readonly string[];
  after: Frame;
}

/** What has been read of a key: its text, or null once it can be no name that is taken; where its automaton stands; its characters. */
interface KeyRead {
  text: string | null;
  state: number;
  length: number;
  part: Part | null;
}

/** Inside a free key of an object, written without escapes, which is none of its properties' names. */
export function keyFrame(frames: Frames, place: KeyPlace, { text, state, length, part }: KeyRead): Frame {
  const { node, free, count, used, after } = place;
  const { chars, min, max } = free.keys;
  const names = frames.lengths.names(node);
  // While more members are needed, a free key must not come twice: the second would take the place of the first.
  const counts = count + 1 < node.min;
  const before = count < node.min ? used : [];
  const taken = (name: string) => frames.isName(node, name) || before.includes(name);
  const then = () => {
    const all = counts ? [...used, text!] : [];
    return frames.value(free.value, frames.members(node, node.properties.length, count + 1, all, after));
  };
  const counted = max === Number.POSITIVE_INFINITY ? Math.min(length, min) : length;
  const need = Math.max(0, min - counted);
  const room = max - counted;
  const whole = need === 0 && chars.way(state, 0).chars === 0 && (text !== "" || !chars.any);
  const ends = whole && (text === null || !taken(text));
  const missing = (): number => {
    if (!part) {
      const way = chars.way(state, need);
      if (way.chars > room) return Number.POSITIVE_INFINITY;
      return chars.any && text === "" ? Math.max(2, way.bytes) : way.bytes + (whole && !ends ? 1 : 0);
    }
    return part.missing + chars.bytesAfter(state, ...reach(part), need, room) + (chars.any ? 1 : 0);
  };
  const value = frames.lengths.of(free.value);
  const members = frames.lengths.members(node, node.properties.length, count + 1);
  const rest = missing() + 2 + value + members + 1 + after.rest;
  const advance = (code: Code): Frame[] => {
    if (!part && code === QUOTE) return ends ? [frames.text(COLON, 0, then())] : [];
    const read = !part && code === BACKSLASH ? null : utf8(part, code);
    if (read === null) return [];
    if (typeof read !== "number")
      return isAlive(...reach(read)) ? [keyFrame(frames, place, { text, state, length: counted, part: read })] : [];
    const next = chars.next(state, read);
    if (next < 0 || room <= 0) return [];
    const longer = text === null ? null : text + String.fromCodePoint(read);
    const matters =
      longer !== null && (counts || frames.beginsName(node, longer) || before.some((name) => name.startsWith(longer)));
    return [keyFrame(frames, place, { text: matters ? longer : null, state: next, length: counted + 1, part: null })];
  };
  const where = `${frames.idOf(free)},${count},${state},${counted},${JSON.stringify([used, text])}`;
  const key = `k${frames.idOf(node)},${where},${partKey(part)}|${after.id}`;
  const anything = chars.any && min === 0 && max === Number.POSITIVE_INFINITY && !part && !counts;
  const open = anything && (text === null || (names.texts.length === 0 && before.length === 0));
  const frame: Frame = frames.frame(key, (id) => ({
    id,
    rest,
    room: open ? Number.POSITIVE_INFINITY : 0,
    advance,
    resume: () => [frame],
  }));
  return frame;
}

/** Whether a range of code points holds a character. */
function isAlive(from: number, to: number): boolean {
  return from <= to && CHARS.some(([low, high]) => from <= high && to >= low);
}

function partKey(part: Part | null): string {
  return part ? `${part.kind}${part.missing},${part.value},${part.least}` : "";
}
