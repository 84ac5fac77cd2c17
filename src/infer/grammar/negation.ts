/** What is left where a schema must not hold, as schemas of which one must: null where that cannot be said in keywords that replies are held to. */
import { isNote, isObject, type Json, type Schema, TYPES, type Type } from "./keywords.ts";

export function negations(schema: Schema): Schema[] | null {
  if (typeof schema === "boolean") return schema ? [false] : [true];
  const keys = Object.keys(schema).filter((key) => !isNote(key));
  if (keys.length === 0) return [false];
  if (keys.every((key) => ["type", "properties", "required"].includes(key)) && isObjectSchema(schema))
    return ofObject(schema);
  if (keys.length > 1) return null;
  if (schema.type !== undefined) return ofTypes([schema.type].flat() as Type[]);
  if (schema.not !== undefined) return [schema.not as Schema];
  if (Array.isArray(schema.anyOf) && schema.anyOf.length > 0) return [{ allOf: schema.anyOf.map((not) => ({ not })) }];
  return null;
}

function isObjectSchema({ type, properties, required }: Json): boolean {
  return (properties !== undefined || required !== undefined) && (type === undefined || type === "object");
}

function ofTypes(types: readonly Type[]): Schema[] | null {
  // What is a number and no integer has no type.
  if (types.includes("integer") && !types.includes("number")) return null;
  const left = TYPES.filter((type) => type !== "integer" && !types.includes(type));
  return left.length > 0 ? [{ type: left }] : [false];
}

/** An object of which a property is missing, or is another than it must be; that other types satisfy it as well is left out. */
function ofObject({ properties = {}, required = [] }: Json): Schema[] | null {
  if (!isObject(properties) || !Array.isArray(required)) return null;
  const missing = (required as string[]).map((name) => ({ type: "object", properties: { [name]: false } }));
  const others = Object.entries(properties).map(([name, not]) => ({
    type: "object",
    properties: { [name]: { not } },
    required: [name],
  }));
  return missing.length + others.length > 0 ? [...missing, ...others] : null;
}
