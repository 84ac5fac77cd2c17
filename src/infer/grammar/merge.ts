/** Two schemas that must both hold, as one. */

export type Schema = Record<string, unknown> | boolean;

/** Keywords that say nothing about what is valid. */
export const ANNOTATIONS: ReadonlySet<string> = new Set([
  "title",
  "description",
  "default",
  "examples",
  "example",
  "deprecated",
  "readOnly",
  "writeOnly",
  "contentEncoding",
  "contentMediaType",
  "$comment",
  "$schema",
  "$id",
  "$anchor",
  "$defs",
  "definitions",
]);

const LARGEST = new Set(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"]);
const SMALLEST = new Set(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"]);

type Json = Record<string, unknown>;

/**
 * @param resolve gives a schema whose $ref is replaced by what it names
 * @throws RangeError that names a keyword whose two values cannot be joined
 */
export function merge(left: Schema, right: Schema, resolve: (schema: Schema) => Schema): Schema {
  const a = resolve(left);
  const b = resolve(right);
  if (a === false || b === false) return false;
  if (a === true) return b;
  if (b === true) return a;
  const out: Json = { ...a };
  for (const [key, value] of Object.entries(b)) {
    if (["properties", "required", "additionalProperties"].includes(key)) continue;
    if (!(key in a)) out[key] = value;
    else if (!ANNOTATIONS.has(key) && JSON.stringify(a[key]) !== JSON.stringify(value)) {
      const joined = join(key, a[key], value, resolve);
      if (joined === undefined) return false;
      out[key] = joined;
    }
  }
  return joinObjects(a, b, out, resolve);
}

/** Undefined: nothing satisfies both. */
function join(key: string, a: unknown, b: unknown, resolve: (schema: Schema) => Schema): unknown {
  if (LARGEST.has(key)) return Math.max(a as number, b as number);
  if (SMALLEST.has(key)) return Math.min(a as number, b as number);
  if (key === "allOf") return [...(a as Schema[]), ...(b as Schema[])];
  if (key === "items") return merge(a as Schema, b as Schema, resolve);
  if (key === "const") return undefined;
  if (key === "type") {
    const types = meet([a].flat() as string[], [b].flat() as string[]);
    return types.length > 0 ? types : undefined;
  }
  if (key === "enum") {
    const other = new Set((b as unknown[]).map((value) => JSON.stringify(value)));
    const both = (a as unknown[]).filter((value) => other.has(JSON.stringify(value)));
    return both.length > 0 ? both : undefined;
  }
  if (key === "anyOf") {
    const pairs = (a as Schema[]).flatMap((one) => (b as Schema[]).map((two) => merge(one, two, resolve)));
    if (pairs.length > 256) throw new RangeError(`"anyOf" in schemas that must all hold: more than 256 combinations`);
    return pairs;
  }
  throw new RangeError(`"${key}" twice, in schemas that must both hold,`);
}

function meet(a: readonly string[], b: readonly string[]): string[] {
  const holds = (list: readonly string[], type: string) =>
    list.includes(type) || (type === "integer" && list.includes("number"));
  return [...new Set([...a, ...b])].filter((type) => holds(a, type) && holds(b, type));
}

/** Properties of both. What one schema does not name is judged by what it says of additional properties. */
function joinObjects(a: Json, b: Json, out: Json, resolve: (schema: Schema) => Schema): Schema {
  const [own, other] = [a, b].map(({ properties }) => (properties ?? {}) as Record<string, Schema>);
  const judged = (name: string, named: Record<string, Schema>, { additionalProperties = true }: Json): Schema =>
    Object.hasOwn(named, name) ? named[name] : (additionalProperties as Schema);
  const names = [...new Set([...Object.keys(own), ...Object.keys(other)])];
  if (names.length > 0) {
    out.properties = Object.fromEntries(
      names.map((name) => [name, merge(judged(name, own, a), judged(name, other, b), resolve)]),
    );
  }
  const required = [...new Set([a.required, b.required].flatMap((list) => (list as string[] | undefined) ?? []))];
  if (required.length > 0) out.required = required;
  if (a.additionalProperties !== undefined || b.additionalProperties !== undefined) {
    const [one, two] = [a, b].map(({ additionalProperties = true }) => additionalProperties as Schema);
    out.additionalProperties = merge(one, two, resolve);
  }
  return out;
}
