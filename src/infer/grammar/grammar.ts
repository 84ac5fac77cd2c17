/** Forms that a text can be held to: the nodes that schemas and the format of calls are compiled to. */
import { ANY_CHARS, type CharAutomaton } from "./chars.ts";
import { bytesOf, type Code } from "./code.ts";
import { NumberForm } from "./numbers.ts";
import { TextTrie } from "./text-trie.ts";

export type Node =
  /** One of these texts, as symbols. */
  | LiteralNode
  | StringNode
  | { kind: "number"; form: NumberForm }
  | ArrayNode
  | ObjectNode
  | { kind: "any of"; options: Node[] }
  /** One after the other. */
  | { kind: "sequence"; parts: Node[] };

export interface LiteralNode {
  kind: "literal";
  texts: readonly (readonly Code[])[];
  readonly trie: TextTrie;
}

export interface StringNode {
  kind: "string";
  chars: CharAutomaton;
  min: number;
  max: number;
}

export interface ArrayNode {
  kind: "array";
  prefix: Node[];
  items: Node | null;
  min: number;
  max: number;
  /** No literal may come twice: known only where all elements are of one literal. */
  unique: LiteralNode | null;
}

export interface ObjectNode {
  kind: "object";
  /** In the order in which they are written. */
  properties: Property[];
  /** Values under other keys, each with the keys that it may stand under. */
  free: FreeKeys[];
  min: number;
  max: number;
}

export interface Property {
  key: string;
  value: Node;
  required: boolean;
}

export interface FreeKeys {
  keys: StringNode;
  value: Node;
}

export function literalOf(texts: readonly (readonly Code[])[]): LiteralNode {
  return { kind: "literal", texts, trie: TextTrie.of(texts) };
}

/** One of these JSON values, as JSON.stringify writes them. */
export function literal(values: readonly unknown[]): LiteralNode {
  return literalOf([...new Set(values.map((value) => JSON.stringify(value)))].map(bytesOf));
}

export function anyString(): StringNode {
  return { kind: "string", chars: ANY_CHARS, min: 0, max: Number.POSITIVE_INFINITY };
}

/** Any JSON object, and any JSON value. */
export const ANY_OBJECT: ObjectNode = {
  kind: "object",
  properties: [],
  free: [],
  min: 0,
  max: Number.POSITIVE_INFINITY,
};
export const ANY_VALUE: Node = { kind: "any of", options: [] };

ANY_OBJECT.free.push({ keys: anyString(), value: ANY_VALUE });
ANY_VALUE.options.push(
  anyString(),
  { kind: "number", form: new NumberForm({ integer: false }) },
  literal([true, false, null]),
  { kind: "array", prefix: [], items: ANY_VALUE, min: 0, max: Number.POSITIVE_INFINITY, unique: null },
  ANY_OBJECT,
);

export function children(node: Node): Node[] {
  if (node.kind === "any of") return node.options;
  if (node.kind === "sequence") return node.parts;
  if (node.kind === "array") return node.items ? [...node.prefix, node.items] : node.prefix;
  if (node.kind === "object") return [...node.properties, ...node.free].map(({ value }) => value);
  return [];
}
