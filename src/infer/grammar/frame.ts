/** The stacks on which a text is read: what a frame is, and what frames are made with. */
import type { Code } from "./code.ts";
import type { Node, ObjectNode } from "./grammar.ts";
import type { Lengths } from "./lengths.ts";

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

/** What makes frames and remembers them. */
export interface Frames {
  readonly lengths: Lengths;
  /** One object for equal stacks: `key` says all that tells one from another. */
  frame(key: string, make: (id: number) => Frame): Frame;
  /** A number for a node or a text. */
  idOf(part: object): number;
  /** The rest of a fixed text. */
  text(symbols: readonly Code[], at: number, after: Frame): Frame;
  /** A value after its key. */
  value(node: Node, after: Frame): Frame;
  /** Between the braces of an object with `count` members; properties from `index` on may come; `used`: free keys, where they count. */
  members(node: ObjectNode, index: number, count: number, used: readonly string[], after: Frame): Frame;
  /** Whether a property has this name, and whether one's name begins so. */
  isName(node: ObjectNode, text: string): boolean;
  beginsName(node: ObjectNode, text: string): boolean;
}
