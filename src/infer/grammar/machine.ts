/**
 * Reads a text symbol by symbol and says whether it can still become one of a form (`grammar.ts`), and how soon it can be complete.
 * A state is a set of stacks, one for each reading that is still possible; equal stacks are one object, and a state remembers where each
 * symbol leads, so that what was walked once is a look-up.
 */
import { bytesOf, type Code } from "./code.ts";
import type { Frame, Frames } from "./frame.ts";
import { type ArrayNode, type LiteralNode, literalOf, type Node, type ObjectNode } from "./grammar.ts";
import type { Lengths } from "./lengths.ts";
import { keyFrame, stringFrame } from "./string-frames.ts";
import type { TextTrie } from "./text-trie.ts";

export class State {
  readonly frames: readonly Frame[];
  /** Fewest symbols to the end. */
  readonly rest: number;
  /** The text may end here, and whether it must. */
  readonly complete: boolean;
  readonly ended: boolean;
  /** Characters of any kind that may come at once in a string. */
  readonly room: number;
  private readonly machine: Machine;
  private following = new Map<Code, State | null>();
  private generation: number;

  constructor(machine: Machine, frames: readonly Frame[]) {
    this.machine = machine;
    this.frames = frames;
    this.generation = machine.generation;
    this.rest = leastRest(frames);
    this.complete = this.rest === 0;
    this.room = frames.reduce((most, { room = 0 }) => Math.max(most, room), 0);
    this.ended = frames.every((frame) => frame === machine.end);
  }

  /** The state after a symbol, or null if it cannot come. */
  next(symbol: Code): State | null {
    if (this.generation !== this.machine.generation) {
      // What the machine has forgotten must not live on here.
      this.following = new Map();
      this.generation = this.machine.generation;
    }
    let next = this.following.get(symbol);
    if (next === undefined) {
      next = this.machine.stateOf(this.frames.flatMap((frame) => frame.advance(symbol)));
      this.following.set(symbol, next);
    }
    return next;
  }
}

/** States and stacks that are remembered before all are forgotten, a kilobyte each at most: those in use live on. */
const MAX_REMEMBERED = 10_000;

export class Machine implements Frames {
  readonly start: State;
  /** The stack on which all is read. */
  readonly end: Frame;
  readonly lengths: Lengths;
  /** How often all was forgotten. */
  generation = 0;
  private readonly frames = new Map<string, Frame>();
  private readonly states = new Map<string, State>();
  private readonly flat = new Map<Node, Node[]>();
  private readonly ids = new Map<object, number>();
  private nextId = 0;

  /** @throws RangeError if no text has this form */
  constructor(root: Node, lengths: Lengths) {
    this.lengths = lengths;
    if (this.lengths.of(root) === Number.POSITIVE_INFINITY) throw new RangeError("nothing satisfies it");
    const end: Frame = this.frame("end", (id) => ({ id, rest: 0, advance: never, resume: () => [end] }));
    this.end = end;
    this.start = this.stateOf(this.enter(root, end))!;
  }

  /** The state of these stacks; null for none. */
  stateOf(frames: Frame[]): State | null {
    const live = [...new Set(frames)].filter(({ rest }) => rest < Number.POSITIVE_INFINITY).sort((a, b) => a.id - b.id);
    if (live.length === 0) return null;
    const key = live.map(({ id }) => id).join();
    let state = this.states.get(key);
    if (!state) {
      if (this.states.size + this.frames.size > MAX_REMEMBERED) {
        this.states.clear();
        this.frames.clear();
        this.generation++;
      }
      state = new State(this, live);
      this.states.set(key, state);
    }
    return state;
  }

  frame(key: string, make: (id: number) => Frame): Frame {
    let frame = this.frames.get(key);
    if (!frame) {
      frame = make(this.nextId++);
      this.frames.set(key, frame);
    }
    return frame;
  }

  idOf(part: object): number {
    let id = this.ids.get(part);
    if (id === undefined) {
      id = this.ids.size;
      this.ids.set(part, id);
    }
    return id;
  }

  /** Stacks that begin to read a node, with `after` to come. */
  enter(node: Node, after: Frame): Frame[] {
    if (this.lengths.of(node) === Number.POSITIVE_INFINITY) return [];
    switch (node.kind) {
      case "any of":
        return this.optionsOf(node).flatMap((option) => this.enter(option, after));
      case "literal":
        return this.literal(node.trie, after);
      case "string":
        return [this.text(QUOTE, 0, stringFrame(this, { node, after }, { state: 0, count: 0, part: null }))];
      case "number":
        return [this.number(node, "", after)];
      case "array":
        return [this.text(BRACKET, 0, this.elements(node, 0, [], after))];
      case "object":
        return [this.text(BRACE, 0, this.members(node, 0, 0, [], after))];
      case "sequence":
        return this.sequence(node, 0, after);
    }
  }

  /** What a choice comes down to; one may lead to another, and back to itself. */
  private optionsOf(node: Node & { kind: "any of" }): Node[] {
    let flat = this.flat.get(node);
    if (!flat) {
      const seen = new Set<Node>([node]);
      for (const one of seen) if (one.kind === "any of") for (const option of one.options) seen.add(option);
      const others = [...seen].filter(({ kind }) => kind !== "any of" && kind !== "literal");
      const literals = [...seen].filter((one) => one.kind === "literal");
      flat =
        literals.length > 1 ? [...others, literalOf(literals.flatMap(({ texts }) => texts))] : [...others, ...literals];
      this.flat.set(node, flat);
    }
    return flat;
  }

  text(symbols: readonly Code[], at: number, after: Frame): Frame {
    const rest = symbols.length - at + after.rest;
    const advance = (symbol: Code): Frame[] => {
      if (symbol !== symbols[at]) return [];
      return at + 1 === symbols.length ? after.resume() : [this.text(symbols, at + 1, after)];
    };
    return this.frame(`t${this.idOf(symbols)},${at}|${after.id}`, (id) => ({ id, rest, advance, resume: never }));
  }

  /** The rest of one of several texts, where there is more of them. */
  private literal(trie: TextTrie, after: Frame): Frame[] {
    if (trie.next.size === 0) return [];
    let rest = Number.POSITIVE_INFINITY;
    for (const next of trie.next.values()) rest = Math.min(rest, 1 + next.rest);
    const advance = (symbol: Code): Frame[] => {
      const next = trie.next.get(symbol);
      if (!next) return [];
      return next.text < 0 ? this.literal(next, after) : [...after.resume(), ...this.literal(next, after)];
    };
    const key = `l${this.idOf(trie)}|${after.id}`;
    return [this.frame(key, (id) => ({ id, rest: rest + after.rest, advance, resume: never }))];
  }

  /** The rest of an element that must not be one of those that were used: `used` holds their places among the literal's texts. */
  private unused(
    node: ArrayNode & { unique: LiteralNode },
    trie: TextTrie,
    used: readonly number[],
    after: Frame,
  ): Frame[] {
    const { lengths } = node.unique.trie;
    const coming = trie.texts.filter((i) => lengths[i] > trie.depth && !used.includes(i));
    if (coming.length === 0) return [];
    const left = this.lengths.elements(node, used.length + 1) + 1 + after.rest;
    const rest = left + coming.reduce((least, i) => Math.min(least, lengths[i] - trie.depth), Number.POSITIVE_INFINITY);
    const advance = (symbol: Code): Frame[] => {
      const next = trie.next.get(symbol);
      if (!next) return [];
      const longer = this.unused(node, next, used, after);
      if (next.text < 0 || used.includes(next.text)) return longer;
      const all = [...used, next.text].sort((a, b) => a - b);
      return [...this.elements(node, all.length, all, after).resume(), ...longer];
    };
    const key = `u${this.idOf(node)},${this.idOf(trie)},${used.join()}|${after.id}`;
    return [this.frame(key, (id) => ({ id, rest, advance, resume: never }))];
  }

  private number(node: Node & { kind: "number" }, text: string, after: Frame): Frame {
    const least = node.form.rest(text);
    const advance = (symbol: Code): Frame[] => {
      const longer = text + String.fromCharCode(symbol);
      const more = NUMBER_START.test(longer) && node.form.rest(longer) < Number.POSITIVE_INFINITY;
      // A number has no end of its own: what follows it ends it.
      const ended = least === 0 ? after.resume().flatMap((frame) => frame.advance(symbol)) : [];
      return more ? [this.number(node, longer, after), ...ended] : ended;
    };
    const key = `n${this.idOf(node)},${text}|${after.id}`;
    return this.frame(key, (id) => ({ id, rest: least + after.rest, advance, resume: never }));
  }

  private sequence(node: Node & { kind: "sequence" }, at: number, after: Frame): Frame[] {
    if (at === node.parts.length) return after.resume();
    const rest = node.parts.slice(at + 1).reduce((sum, part) => sum + this.lengths.of(part), after.rest);
    const resume = () => this.sequence(node, at + 1, after);
    const key = `q${this.idOf(node)},${at}|${after.id}`;
    return this.enter(
      node.parts[at],
      this.frame(key, (id) => ({ id, rest, advance: never, resume })),
    );
  }

  /** Between the brackets of an array that has `count` elements; `used`: which, where none may come twice. */
  private elements(node: ArrayNode, count: number, used: readonly number[], after: Frame): Frame {
    const { prefix, items, min, max } = node;
    // What tells states apart is the number of elements only as far as it matters.
    const most = max === Number.POSITIVE_INFINITY ? Math.max(min, prefix.length, 1) : max;
    const counted = Math.min(count, most);
    const rest = this.lengths.elements(node, counted) + 1 + after.rest;
    const element = prefix[counted] ?? items;
    const next = (): Frame[] => {
      if (isUnique(node)) return this.unused(node, node.unique.trie, used, after);
      return element ? this.enter(element, this.elements(node, counted + 1, used, after)) : [];
    };
    const advance = (symbol: Code): Frame[] => {
      if (symbol === CLOSE_BRACKET) return counted >= min ? after.resume() : [];
      if (counted >= max) return [];
      if (counted === 0) return next().flatMap((frame) => frame.advance(symbol));
      return symbol === COMMA ? this.spaced(next()) : [];
    };
    const key = `a${this.idOf(node)},${counted},${used.join()}|${after.id}`;
    const frame: Frame = this.frame(key, (id) => ({ id, rest, advance, resume: () => [frame] }));
    return frame;
  }

  /** Between the braces of an object with `count` members; properties from `index` on may come; `used`: free keys, where they count. */
  members(node: ObjectNode, index: number, count: number, used: readonly string[], after: Frame): Frame {
    const { min, max } = node;
    const most = max === Number.POSITIVE_INFINITY ? Math.max(min, 1) : max;
    const counted = Math.min(count, most);
    const rest = this.lengths.members(node, index, counted) + 1 + after.rest;
    const open = counted >= min && this.lengths.firstRequired(node, index) === node.properties.length;
    const keys = () => this.keys(node, index, counted, used, after);
    const advance = (symbol: Code): Frame[] => {
      if (symbol === CLOSE_BRACE) return open ? after.resume() : [];
      if (counted === 0) return keys().flatMap((frame) => frame.advance(symbol));
      return symbol === COMMA ? this.spaced(keys()) : [];
    };
    const key = `o${this.idOf(node)},${index},${counted},${JSON.stringify(used)}|${after.id}`;
    const frame: Frame = this.frame(key, (id) => ({ id, rest, advance, resume: () => [frame] }));
    return frame;
  }

  /** Keys that may come next: of each property up to the first that is required, and free ones once all required are there. */
  private keys(node: ObjectNode, index: number, count: number, used: readonly string[], after: Frame): Frame[] {
    if (count >= node.max) return [];
    const frames = this.names(this.lengths.names(node), { node, index, count, used, after });
    if (this.lengths.firstRequired(node, index) < node.properties.length) return frames;
    node.free.forEach((free) => {
      if (this.lengths.of(free.value) === Number.POSITIVE_INFINITY) return;
      const first = keyFrame(this, { node, free, count, used, after }, { text: "", state: 0, length: 0, part: null });
      frames.push(this.text(QUOTE, 0, first));
    });
    return frames;
  }

  /** The rest of one of the names that may come, all in one frame: there may be thousands. */
  private names(trie: TextTrie, place: Members): Frame[] {
    const { node, index, count, used, after } = place;
    const last = Math.min(this.lengths.firstRequired(node, index), node.properties.length - 1);
    const { lengths } = this.lengths.names(node);
    let rest = Number.POSITIVE_INFINITY;
    for (let at = trie.firstFrom(index); at < trie.texts.length && trie.texts[at] <= last; at++) {
      const i = trie.texts[at];
      const members = this.lengths.members(node, i + 1, count + 1);
      rest = Math.min(rest, lengths[i] - trie.depth + this.lengths.of(node.properties[i].value) + members);
    }
    if (rest === Number.POSITIVE_INFINITY) return [];
    const advance = (symbol: Code): Frame[] => {
      const next = trie.next.get(symbol);
      if (!next) return [];
      if (next.text < 0) return this.names(next, place);
      // A name ends with its colon, so no other goes on from here.
      const i = next.text;
      if (i < index || i > last) return [];
      return this.value(node.properties[i].value, this.members(node, i + 1, count + 1, used, after)).resume();
    };
    const key = `m${this.idOf(node)},${this.idOf(trie)},${index},${count},${JSON.stringify(used)}|${after.id}`;
    return [this.frame(key, (id) => ({ id, rest: rest + 1 + after.rest, advance, resume: never }))];
  }

  isName(node: ObjectNode, text: string): boolean {
    return (this.nameAt(node, text)?.next.get(QUOTE[0])?.next.get(COLON)?.text ?? -1) >= 0;
  }

  beginsName(node: ObjectNode, text: string): boolean {
    return this.nameAt(node, text) !== undefined;
  }

  private nameAt(node: ObjectNode, text: string): TextTrie | undefined {
    let at: TextTrie | undefined = this.lengths.names(node);
    for (const code of bytesOf(JSON.stringify(text).slice(0, -1))) at = at?.next.get(code);
    return at;
  }

  /** A value after its key, for which one space may stand. */
  value(node: Node, after: Frame): Frame {
    const rest = this.lengths.of(node) + after.rest;
    const resume = () => this.spaced(this.enter(node, after));
    return this.frame(`v${this.idOf(node)}|${after.id}`, (id) => ({ id, rest, advance: never, resume }));
  }

  /** These stacks, with or without one space before. */
  private spaced(frames: Frame[]): Frame[] {
    if (frames.length === 0) return frames;
    const rest = 1 + leastRest(frames);
    const advance = (symbol: Code) => (symbol === SPACE ? frames : []);
    const key = `s${frames.map(({ id }) => id).join()}`;
    return [...frames, this.frame(key, (id) => ({ id, rest, advance, resume: never }))];
  }
}

/** Where in an object: properties from `index` on may come, `count` members have. */
interface Members {
  node: ObjectNode;
  index: number;
  count: number;
  used: readonly string[];
  after: Frame;
}

function isUnique(node: ArrayNode): node is ArrayNode & { unique: LiteralNode } {
  return node.unique !== null;
}

function leastRest(frames: readonly Frame[]): number {
  return frames.reduce((least, { rest }) => Math.min(least, rest), Number.POSITIVE_INFINITY);
}

const NUMBER_START = /^-?\d*(?:\.\d*)?$/;
const SPACE = 0x20;
const COMMA = 0x2c;
const COLON = 0x3a;
const CLOSE_BRACKET = 0x5d;
const CLOSE_BRACE = 0x7d;
const QUOTE = [0x22];
const BRACKET = [0x5b];
const BRACE = [0x7b];

/** Of frames that nothing stands above, or that are never read themselves. */
function never(): Frame[] {
  return [];
}
