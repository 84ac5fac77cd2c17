/** The form of objects, as all schemas of a set describe them together. */
import { ANY_CHARS, type CharAutomaton } from "./chars.ts";
import { anyString, type Node, type ObjectNode, type StringNode } from "./grammar.ts";
import type { Json, Schema } from "./keywords.ts";
import { patternAutomaton } from "./pattern.ts";
import { type Context, countsOf, literalsOf } from "./schema-context.ts";
import type { StringForms } from "./string-forms.ts";
import type { Work } from "./work.ts";

/** Patterns of keys that are told apart; more are refused. */
const MAX_PATTERNS = 8;

interface Place {
  set: readonly Json[];
  path: string;
  depth: number;
}

/** Keys that `propertyNames` allows: some names only, or what a string may be; null: no key. */
type Keys = { names: readonly string[] | null; free: StringNode | null };

export function* objectForm(place: Place, context: Context, strings: StringForms): Work<ObjectNode> {
  const { set, path, depth } = place;
  const patterns = patternsOf(place, context);
  const [min, max] = countsOf(set, "Properties", path, context);
  const keys = yield* keysOf(place, context);
  const required = new Set(set.flatMap(({ required = [] }) => required as string[]));
  const named = new Set([...set.flatMap(({ properties = {} }) => Object.keys(properties as Json)), ...required]);
  const spoken = set.some(speaksOfOthers);
  // Beside named properties, others come only where the schema speaks of them.
  const open = spoken || named.size === 0 || min > named.size;
  const closed = set.some(
    ({ unevaluatedProperties, additionalProperties }) =>
      unevaluatedProperties === false && additionalProperties === undefined,
  );
  if (open && !closed) for (const name of keys.names ?? []) named.add(name);
  const node: ObjectNode = { kind: "object", properties: [], free: [], min, max };
  for (const key of named) {
    context.budget.spend(1 + set.length + patterns.size);
    const allowed = allows(keys, key);
    const parts = allowed ? set.flatMap((schema) => partsFor(schema, key, patterns)) : [false];
    const value = yield* context.compile(parts, `${path}/properties/${key}`, depth);
    node.properties.push({ key, value, required: required.has(key) });
  }
  if (!keys.free) return node;
  for (const [pattern] of patterns) {
    const avoid = [...patterns.keys()].filter((other) => other !== pattern);
    const free = yield* strings.keys(keys.free, { match: [pattern], avoid }, path);
    const parts = set.map((schema) => ownPattern(schema, pattern) ?? othersOf(schema));
    yield* addFree(node, free, parts, { ...place, path: `${path}/patternProperties` }, context);
  }
  if (!open || closed) return node;
  const free = yield* strings.keys(keys.free, { match: [], avoid: [...patterns.keys()] }, path);
  yield* addFree(node, free, set.map(othersOf), { ...place, path: `${path}/additionalProperties` }, context);
  return node;
}

function* addFree(
  node: ObjectNode,
  keys: StringNode,
  parts: Schema[],
  { path, depth }: Place,
  context: Context,
): Work<void> {
  if (parts.includes(false) || keys.chars.way(0, keys.min).chars > keys.max) return;
  node.free.push({ keys, value: yield* context.compile(parts, path, depth) });
}

/** The patterns of patternProperties, with what tells a name's. */
function patternsOf({ set, path }: Place, context: Context): Map<string, CharAutomaton> {
  const out = new Map<string, CharAutomaton>();
  for (const { patternProperties = {} } of set) {
    for (const pattern of Object.keys(patternProperties as Json)) {
      if (out.has(pattern)) continue;
      if (out.size >= MAX_PATTERNS) {
        context.refuse(`${path}/patternProperties`, `more than ${MAX_PATTERNS} patterns are not supported`);
        context.unheld();
        return out;
      }
      try {
        out.set(pattern, patternAutomaton([pattern], context.budget));
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        context.refuse(`${path}/patternProperties`, `${JSON.stringify(pattern)}: ${error.message} is not supported`);
      }
    }
  }
  return out;
}

/** What a schema says of a property: by its name, by patterns, or as one of the others. */
function partsFor(schema: Json, key: string, patterns: ReadonlyMap<string, CharAutomaton>): Schema[] {
  const { properties = {}, patternProperties = {} } = schema;
  const own: Schema[] = Object.hasOwn(properties as Json, key) ? [(properties as Record<string, Schema>)[key]] : [];
  for (const [pattern, part] of Object.entries(patternProperties as Record<string, Schema>))
    if (patterns.get(pattern)?.matches(key)) own.push(part);
  return own.length > 0 ? own : [othersOf(schema)];
}

function ownPattern({ patternProperties = {} }: Json, pattern: string): Schema | undefined {
  return Object.hasOwn(patternProperties as Json, pattern)
    ? (patternProperties as Record<string, Schema>)[pattern]
    : undefined;
}

function othersOf({ additionalProperties = true }: Json): Schema {
  return additionalProperties as Schema;
}

function speaksOfOthers({ additionalProperties, unevaluatedProperties }: Json): boolean {
  const others = additionalProperties ?? unevaluatedProperties;
  return others !== undefined && others !== false;
}

function* keysOf({ set, path, depth }: Place, context: Context): Work<Keys> {
  const parts = set.flatMap(({ propertyNames }) => (propertyNames === undefined ? [] : [propertyNames as Schema]));
  if (parts.length === 0) return { names: null, free: anyString() };
  const node = yield* context.compile([{ type: "string" }, ...parts], `${path}/propertyNames`, depth);
  const literals = literalsOf(node, context);
  if (literals) {
    const decoder = new TextDecoder();
    return {
      names: literals.texts.map((text) => JSON.parse(decoder.decode(Uint8Array.from(text))) as string),
      free: null,
    };
  }
  const only = onlyOption(node, context);
  if (!only) return { names: [], free: null };
  if (only.kind === "string") return { names: null, free: only };
  context.unheld();
  return { names: null, free: { kind: "string", chars: ANY_CHARS, min: 0, max: Number.POSITIVE_INFINITY } };
}

function allows({ names, free }: Keys, key: string): boolean {
  if (names) return names.includes(key);
  if (!free) return false;
  const length = [...key].length;
  return free.chars.matches(key) && length >= free.min && length <= free.max;
}

/** What a choice of one comes down to; null where there is none, the choice itself where there are several. */
function onlyOption(node: Node, context: Context): Node | null {
  if (node.kind !== "any of" || context.unfinished(node)) return node;
  if (node.options.length === 0) return null;
  return node.options.length === 1 ? onlyOption(node.options[0], context) : node;
}
