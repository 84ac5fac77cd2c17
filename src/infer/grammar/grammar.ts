/** Forms that a text can be held to: the nodes that schemas and the format of calls are compiled to. */
import { ANY_CHARS, type CharAutomaton } from "./chars.ts";
import { NumberForm } from "./numbers.ts";

/** A byte, or 256 + n for the n-th mark: a token that is none of text. */
export type Code = number;

export type Node =
  /** One of these texts, as symbols. */
  | { kind: "literal"; texts: readonly (readonly Code[])[] }
  | { kind: "string"; chars: CharAutomaton; min: number; max: number }
  | { kind: "number"; form: NumberForm }
  | { kind: "array"; prefix: Node[]; items: Node | null; min: number; max: number }
  | ObjectNode
  | { kind: "any of"; options: Node[] }
  /** One after the other. */
  | { kind: "sequence"; parts: Node[] };

export interface ObjectNode {
  kind: "object";
  /** In the order in which they are written. */
  properties: Property[];
  /** Values under other keys; null: there are none. */
  additional: Node | null;
  min: number;
  max: number;
}

export interface Property {
  key: string;
  value: Node;
  required: boolean;
}

const encoder = new TextEncoder();

export function bytesOf(text: string): Code[] {
  return [...encoder.encode(text)];
}

/** One of these JSON values, as JSON.stringify writes them. */
export function literal(values: readonly unknown[]): Node {
  return { kind: "literal", texts: values.map((value) => bytesOf(JSON.stringify(value))) };
}

/** Any JSON object, and any JSON value. */
export const ANY_OBJECT: ObjectNode = {
  kind: "object",
  properties: [],
  additional: null,
  min: 0,
  max: Number.POSITIVE_INFINITY,
};
export const ANY_VALUE: Node = { kind: "any of", options: [] };

ANY_OBJECT.additional = ANY_VALUE;
ANY_VALUE.options.push(
  { kind: "string", chars: ANY_CHARS, min: 0, max: Number.POSITIVE_INFINITY },
  { kind: "number", form: new NumberForm({ integer: false }) },
  literal([true]),
  literal([false]),
  literal([null]),
  { kind: "array", prefix: [], items: ANY_VALUE, min: 0, max: Number.POSITIVE_INFINITY },
  ANY_OBJECT,
);

/** Fewest symbols of a text of each node: Infinity where there is none. */
export class Lengths {
  private readonly known = new Map<Node, number>();

  of(node: Node): number {
    if (!this.known.has(node)) this.learn(node);
    return this.known.get(node)!;
  }

  /** All that can be reached from a node: lengths fall from Infinity until none changes. */
  private learn(root: Node): void {
    const nodes = new Set([root]);
    for (const node of nodes) for (const child of children(node)) if (!this.known.has(child)) nodes.add(child);
    for (const node of nodes) this.known.set(node, Number.POSITIVE_INFINITY);
    for (let changed = true; changed; ) {
      changed = false;
      for (const node of nodes) {
        const length = this.compute(node);
        if (length < this.known.get(node)!) {
          this.known.set(node, length);
          changed = true;
        }
      }
    }
  }

  private compute(node: Node): number {
    const of = (child: Node) => this.known.get(child)!;
    switch (node.kind) {
      case "literal":
        return Math.min(...node.texts.map((text) => text.length));
      case "string": {
        const { chars, bytes } = node.chars.way(0, node.min);
        return chars <= node.max ? bytes + 2 : Number.POSITIVE_INFINITY;
      }
      case "number":
        return node.form.rest("");
      case "any of":
        return Math.min(Number.POSITIVE_INFINITY, ...node.options.map(of));
      case "sequence":
        return node.parts.reduce((sum, part) => sum + of(part), 0);
      case "array":
        return 2 + this.elements(node, 0);
      case "object":
        return 2 + this.members(node, 0, 0);
    }
  }

  /** Of an array with `count` elements: fewest symbols of those to come, with the commas before them. */
  elements({ prefix, items, min }: Node & { kind: "array" }, count: number): number {
    let sum = 0;
    for (let i = count; i < min; i++) {
      const element = prefix[i] ?? items;
      if (!element) return Number.POSITIVE_INFINITY;
      sum += this.known.get(element)! + (i > 0 ? 1 : 0);
    }
    return sum;
  }

  /** Of an object with `count` members, the next of its properties being `index`: fewest symbols of those to come, with the commas before them. */
  members({ properties, additional, min, max }: ObjectNode, index: number, count: number): number {
    const coming = properties.slice(index);
    const length = ({ key, value }: Property) => bytesOf(JSON.stringify(key)).length + 1 + this.known.get(value)!;
    const must = coming.filter(({ required }) => required).map(length);
    const may = coming.filter(({ required }) => !required).map(length);
    const missing = Math.max(0, min - count - must.length);
    const chosen = [...must, ...may.sort((a, b) => a - b).slice(0, missing)];
    // Two characters in quotes make a free key that nothing else has.
    const free = additional ? FREE_KEY + 1 + this.known.get(additional)! : Number.POSITIVE_INFINITY;
    while (chosen.length < must.length + missing) chosen.push(free);
    if (count + chosen.length > max) return Number.POSITIVE_INFINITY;
    const commas = Math.max(0, chosen.length - (count === 0 ? 1 : 0));
    return chosen.reduce((a, b) => a + b, commas);
  }
}

/** Symbols of a free key at most, where the shortest is sought: two characters in quotes. */
export const FREE_KEY = 4;

function children(node: Node): Node[] {
  if (node.kind === "any of") return node.options;
  if (node.kind === "sequence") return node.parts;
  if (node.kind === "array") return node.items ? [...node.prefix, node.items] : node.prefix;
  if (node.kind === "object")
    return [...node.properties.map(({ value }) => value), ...(node.additional ? [node.additional] : [])];
  return [];
}
