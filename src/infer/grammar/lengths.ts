/** Fewest symbols of a text of each node, so that a reply is complete before its tokens run out: Infinity where there is none. */
import { bytesOf } from "./code.ts";
import { type ArrayNode, children, type FreeKeys, type Node, type ObjectNode } from "./grammar.ts";
import { TextTrie } from "./text-trie.ts";
import { type Budget, FORM_LIMITS, type Work } from "./work.ts";

/** Entries of the table of an object that needs more members than are required. */
const MAX_TABLE = 500_000;

/** For each property, what those from it on need at least. */
interface Suffixes {
  /** How many are required from here on, and the place of the first of them. */
  required: Int32Array;
  firstRequired: Int32Array;
  /** symbols[n][i]: of n members at least, among the properties from i on and free keys, with a comma before each. */
  symbols: Float64Array[];
  /** The properties' names, as they are written with their colons. */
  names: TextTrie;
}

export class Lengths {
  private readonly known = new Map<Node, number>();
  private readonly suffixes = new Map<ObjectNode, Suffixes>();
  /** sums[i]: of an array's elements from i to its least number. */
  private readonly sums = new Map<ArrayNode, Float64Array>();

  /** Learns all that can be reached from a node. @throws RangeError if it is too much */
  static *learn(root: Node, budget: Budget): Work<Lengths> {
    const lengths = new Lengths();
    const parents = new Map<Node, Node[]>([[root, []]]);
    for (const [node] of parents) {
      for (const child of children(node)) {
        const known = parents.get(child);
        if (known) known.push(node);
        else parents.set(child, [node]);
        budget.spend(1);
      }
      if (budget.due) yield;
    }
    const nodes = [...parents.keys()];
    for (const node of nodes) lengths.known.set(node, Number.POSITIVE_INFINITY);
    // Children mostly stand behind their parents; lengths only fall, until none changes.
    const order = new Map(nodes.map((node, i) => [node, i]));
    for (let dirty = new Set(nodes); dirty.size > 0; ) {
      const round = [...dirty].sort((a, b) => order.get(b)! - order.get(a)!);
      const waits = new Set(round);
      dirty = new Set();
      for (const node of round) {
        waits.delete(node);
        budget.spend(1 + costOf(node));
        if (budget.due) yield;
        const length = lengths.compute(node);
        if (length >= lengths.known.get(node)!) continue;
        lengths.known.set(node, length);
        for (const parent of parents.get(node)!) if (!waits.has(parent)) dirty.add(parent);
      }
    }
    return lengths;
  }

  of(node: Node): number {
    return this.known.get(node)!;
  }

  private compute(node: Node): number {
    const of = (child: Node) => this.known.get(child)!;
    switch (node.kind) {
      case "literal":
        return node.trie.rest;
      case "string": {
        const { chars, bytes } = node.chars.way(0, node.min);
        return chars <= node.max ? bytes + 2 : Number.POSITIVE_INFINITY;
      }
      case "number":
        return node.form.rest("");
      case "any of":
        return node.options.map(of).reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
      case "sequence":
        return node.parts.reduce((sum, part) => sum + of(part), 0);
      case "array":
        this.sums.set(node, this.elementSums(node));
        return 2 + this.elements(node, 0);
      case "object":
        this.suffixes.set(node, this.suffixesOf(node));
        return 2 + this.members(node, 0, 0);
    }
  }

  private elementSums({ prefix, items, min, unique }: ArrayNode): Float64Array {
    const sums = new Float64Array(min + 1);
    // What may not come twice must not be counted on to come twice.
    const longest = unique ? unique.texts.map(({ length }) => length).reduce((a, b) => Math.max(a, b), 0) : 0;
    for (let i = min - 1; i >= 0; i--) {
      const element = prefix[i] ?? items;
      const length =
        !element || (unique && i >= unique.texts.length) ? Number.POSITIVE_INFINITY : this.known.get(element)!;
      sums[i] = sums[i + 1] + Math.max(length, longest) + (i > 0 ? 1 : 0);
    }
    return sums;
  }

  /** Of an array with `count` elements: fewest symbols of those to come, with the commas before them. */
  elements(node: ArrayNode, count: number): number {
    return count >= node.min ? 0 : this.sums.get(node)![count];
  }

  private suffixesOf(node: ObjectNode): Suffixes {
    const { properties, free, min } = node;
    const n = properties.length;
    const required = new Int32Array(n + 1);
    const firstRequired = new Int32Array(n + 1).fill(n);
    const names =
      this.suffixes.get(node)?.names ?? TextTrie.of(properties.map(({ key }) => bytesOf(`${JSON.stringify(key)}:`)));
    const length = properties.map(({ value }, i) => names.lengths[i] + 1 + this.known.get(value)!);
    for (let i = n - 1; i >= 0; i--) {
      required[i] = required[i + 1] + Number(properties[i].required);
      firstRequired[i] = properties[i].required ? i : firstRequired[i + 1];
    }
    if (min * n > MAX_TABLE) throw new RangeError(`needs ${min} of ${n} properties, which is too much to prepare`);
    const freeLength = Math.min(Number.POSITIVE_INFINITY, ...free.map((keys) => this.free(keys) + 1));
    const symbols = Array.from({ length: min + 1 }, (_, needed) => {
      const row = new Float64Array(n + 1);
      row[n] = needed === 0 ? 0 : needed * freeLength;
      return row;
    });
    for (let needed = 0; needed <= min; needed++) {
      for (let i = n - 1; i >= 0; i--) {
        const taken = length[i] + symbols[Math.max(0, needed - 1)][i + 1];
        symbols[needed][i] = properties[i].required ? taken : Math.min(symbols[needed][i + 1], taken);
      }
    }
    return { required, firstRequired, symbols, names };
  }

  /** Of an object with `count` members, the next of its properties being `index`: fewest symbols of those to come, with the commas before them. */
  members(node: ObjectNode, index: number, count: number): number {
    const { required, symbols } = this.suffixes.get(node)!;
    const needed = Math.max(0, node.min - count);
    const members = Math.max(required[index], needed);
    if (count + members > node.max) return Number.POSITIVE_INFINITY;
    return symbols[needed][index] - (count === 0 && members > 0 ? 1 : 0);
  }

  /** The first property from `index` on that must come, or how many there are. */
  firstRequired(node: ObjectNode, index: number): number {
    return this.suffixes.get(node)!.firstRequired[index];
  }

  names(node: ObjectNode): TextTrie {
    return this.suffixes.get(node)!.names;
  }

  /** Symbols of a free member: its key, the colon and its value. */
  free({ keys, value }: FreeKeys): number {
    return freeKeyLength(keys) + 1 + this.known.get(value)!;
  }
}

/** Symbols of a free key at most, where the shortest is sought: one that nothing else has takes two characters. */
export function freeKeyLength({ chars, min }: FreeKeys["keys"]): number {
  return chars.way(0, min).bytes + (chars.any ? Math.max(0, 2 - min) : 0) + 2;
}

/** Where in a value it is impossible to go on, as a.b[0]; "" for the value itself, or where that is not one place. */
export function impossiblePlace(root: Node, lengths: Lengths): string {
  let place = "";
  const seen = new Set<Node>();
  for (let node: Node | undefined = root; node && !seen.has(node); ) {
    seen.add(node);
    const impossible = (one: Node | null): one is Node => one !== null && lengths.of(one) === Number.POSITIVE_INFINITY;
    if (node.kind === "object") {
      const found: ObjectNode["properties"][number] | undefined = node.properties.find(
        ({ required, value }) => required && impossible(value),
      );
      if (found) place += `${place === "" ? "" : "."}${found.key}`;
      node = found?.value;
    } else if (node.kind === "array") {
      const { prefix, items, min }: ArrayNode = node;
      const at = Array.from({ length: Math.min(min, prefix.length + 1) }, (_, i) => prefix[i] ?? items).findIndex(
        impossible,
      );
      if (at >= 0) place += `[${at}]`;
      node = at < 0 ? undefined : (prefix[at] ?? items ?? undefined);
    } else node = node.kind === "any of" && node.options.length === 1 ? node.options[0] : undefined;
  }
  return place.slice(0, 100);
}

function costOf(node: Node): number {
  if (node.kind === "object") return node.properties.length * (node.min + 1);
  if (node.kind === "array") return Math.min(node.min, FORM_LIMITS.least);
  return node.kind === "string" || node.kind === "number" ? 20 : children(node).length;
}
