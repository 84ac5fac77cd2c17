/**
 * Reads a text symbol by symbol and says whether it can still become one of a form (`grammar.ts`), and how soon it can be complete.
 * A state is a set of stacks, one for each reading that is still possible; equal stacks are one object, and a state remembers where each
 * symbol leads, so that what was walked once is a look-up.
 */
import { bytesOf, type Code, Lengths, type Node, type ObjectNode, type Property } from "./grammar.ts";
import { type FreeKeyed, keyFrame, stringFrame } from "./string-frames.ts";

/** The top of a stack: what is being read, and what comes after it. */
export interface Frame {
  readonly id: number;
  /** Fewest symbols to the end of the whole text. */
  readonly rest: number;
  /** Characters of any kind that may come at once, whole or begun (0 unless given). */
  readonly room?: number;
  /** Stacks after one more symbol; none if it cannot come. */
  advance(symbol: Code): Frame[];
  /** Stacks when what stood above this one is complete. */
  resume(): Frame[];
}

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
    this.rest = Math.min(...frames.map(({ rest }) => rest));
    this.complete = this.rest === 0;
    this.room = Math.max(...frames.map(({ room = 0 }) => room));
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
const MOST_REMEMBERED = 10_000;

export class Machine {
  readonly start: State;
  /** The stack on which all is read. */
  readonly end: Frame;
  readonly lengths = new Lengths();
  /** How often all was forgotten. */
  generation = 0;
  private readonly frames = new Map<string, Frame>();
  private readonly states = new Map<string, State>();
  private readonly flat = new Map<Node, Node[]>();
  private readonly ids = new Map<object, number>();
  private readonly keyTexts = new Map<Property, Code[]>();
  private nextId = 0;

  /** @throws RangeError if no text has this form */
  constructor(root: Node) {
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
      if (this.states.size + this.frames.size > MOST_REMEMBERED) {
        this.states.clear();
        this.frames.clear();
        this.generation++;
      }
      state = new State(this, live);
      this.states.set(key, state);
    }
    return state;
  }

  /** One object for equal stacks: `key` says all that tells one from another. */
  frame(key: string, make: (id: number) => Frame): Frame {
    let frame = this.frames.get(key);
    if (!frame) {
      frame = make(this.nextId++);
      this.frames.set(key, frame);
    }
    return frame;
  }

  /** A number for a node or a text. */
  idOf(part: object): number {
    let id = this.ids.get(part);
    if (id === undefined) {
      id = this.ids.size;
      this.ids.set(part, id);
    }
    return id;
  }

  private keyText(property: Property): Code[] {
    let text = this.keyTexts.get(property);
    if (!text) {
      text = bytesOf(`${JSON.stringify(property.key)}:`);
      this.keyTexts.set(property, text);
    }
    return text;
  }

  /** Stacks that begin to read a node, with `after` to come. */
  enter(node: Node, after: Frame): Frame[] {
    if (this.lengths.of(node) === Number.POSITIVE_INFINITY) return [];
    switch (node.kind) {
      case "any of":
        return this.optionsOf(node).flatMap((option) => this.enter(option, after));
      case "literal":
        return node.texts.map((_, i) => this.text(node.texts[i], 0, after));
      case "string":
        return [this.text(QUOTE, 0, stringFrame(this, node, 0, 0, null, after))];
      case "number":
        return [this.number(node, "", after)];
      case "array":
        return [this.text(BRACKET, 0, this.elements(node, 0, after))];
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
      flat = [...seen].filter(({ kind }) => kind !== "any of");
      this.flat.set(node, flat);
    }
    return flat;
  }

  /** The rest of a fixed text. */
  text(symbols: readonly Code[], at: number, after: Frame): Frame {
    const rest = symbols.length - at + after.rest;
    const advance = (symbol: Code): Frame[] => {
      if (symbol !== symbols[at]) return [];
      return at + 1 === symbols.length ? after.resume() : [this.text(symbols, at + 1, after)];
    };
    return this.frame(`t${this.idOf(symbols)},${at}|${after.id}`, (id) => ({ id, rest, advance, resume: never }));
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

  /** Between the brackets of an array that has `count` elements. */
  private elements(node: Node & { kind: "array" }, count: number, after: Frame): Frame {
    const { prefix, items, min, max } = node;
    // What tells states apart is the number of elements only as far as it matters.
    const most = max === Number.POSITIVE_INFINITY ? Math.max(min, prefix.length, 1) : max;
    const counted = Math.min(count, most);
    const rest = this.lengths.elements(node, counted) + 1 + after.rest;
    const element = prefix[counted] ?? items;
    const next = () => (element ? this.enter(element, this.elements(node, counted + 1, after)) : []);
    const advance = (symbol: Code): Frame[] => {
      if (symbol === CLOSE_BRACKET) return counted >= min ? after.resume() : [];
      if (counted >= max) return [];
      if (counted === 0) return next().flatMap((frame) => frame.advance(symbol));
      return symbol === COMMA ? this.spaced(next()) : [];
    };
    const key = `a${this.idOf(node)},${counted}|${after.id}`;
    const frame: Frame = this.frame(key, (id) => ({ id, rest, advance, resume: () => [frame] }));
    return frame;
  }

  /** Between the braces of an object with `count` members; properties from `index` on may come; `used`: free keys, where they count. */
  members(node: ObjectNode, index: number, count: number, used: readonly string[], after: Frame): Frame {
    const { min, max } = node;
    const most = max === Number.POSITIVE_INFINITY ? Math.max(min, 1) : max;
    const counted = Math.min(count, most);
    const rest = this.lengths.members(node, index, counted) + 1 + after.rest;
    const open = counted >= min && !node.properties.slice(index).some(({ required }) => required);
    const advance = (symbol: Code): Frame[] => {
      if (symbol === CLOSE_BRACE) return open ? after.resume() : [];
      if (counted === 0) return this.keys(node, index, 0, used, after).flatMap((frame) => frame.advance(symbol));
      return symbol === COMMA ? this.spaced(this.keys(node, index, counted, used, after)) : [];
    };
    const key = `o${this.idOf(node)},${index},${counted},${JSON.stringify(used)}|${after.id}`;
    const frame: Frame = this.frame(key, (id) => ({ id, rest, advance, resume: () => [frame] }));
    return frame;
  }

  /** Keys that may come next: of each property up to the first that is required, and free ones once all required are there. */
  private keys(node: ObjectNode, index: number, count: number, used: readonly string[], after: Frame): Frame[] {
    const frames: Frame[] = [];
    if (count >= node.max) return frames;
    for (let i = index; i < node.properties.length; i++) {
      const property = node.properties[i];
      const { value, required } = property;
      const then = this.members(node, i + 1, count + 1, used, after);
      frames.push(this.text(this.keyText(property), 0, this.value(value, then)));
      if (required) return frames;
    }
    if (hasFreeKeys(node) && this.lengths.of(node.additional) < Number.POSITIVE_INFINITY)
      frames.push(this.text(QUOTE, 0, keyFrame(this, node, count, used, "", null, after)));
    return frames;
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
    const rest = 1 + Math.min(...frames.map((frame) => frame.rest));
    const advance = (symbol: Code) => (symbol === SPACE ? frames : []);
    const key = `s${frames.map(({ id }) => id).join()}`;
    return [...frames, this.frame(key, (id) => ({ id, rest, advance, resume: never }))];
  }
}

function hasFreeKeys(node: ObjectNode): node is FreeKeyed {
  return node.additional !== null;
}

const NUMBER_START = /^-?\d*(?:\.\d*)?$/;
const SPACE = 0x20;
const COMMA = 0x2c;
const CLOSE_BRACKET = 0x5d;
const CLOSE_BRACE = 0x7d;
const QUOTE = [0x22];
const BRACKET = [0x5b];
const BRACE = [0x7b];

/** Of frames that nothing stands above, or that are never read themselves. */
function never(): Frame[] {
  return [];
}
