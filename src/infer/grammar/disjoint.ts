/** Whether it can be seen that no value satisfies both of two schemas. */
import type { Schema } from "./merge.ts";

type Json = Record<string, unknown>;

export function disjoint(left: Schema, right: Schema, resolve: (schema: Schema) => Schema, depth = 0): boolean {
  const a = resolve(left);
  const b = resolve(right);
  if (a === false || b === false) return true;
  if (a === true || b === true || depth > 8) return false;
  for (const [one, other] of [
    [a, b],
    [b, a],
  ]) {
    const options = (one.anyOf ?? one.oneOf) as Schema[] | undefined;
    if (options?.every((option) => disjoint(option, other, resolve, depth + 1))) return true;
  }
  const [values, others] = [valuesOf(a), valuesOf(b)];
  if (values && others) return !values.some((value) => others.includes(value));
  const [types, otherTypes] = [typesOf(a), typesOf(b)];
  if (types && otherTypes && !types.some((type) => otherTypes.includes(type))) return true;
  return apartByProperty(a, b, resolve, depth);
}

/** A property that both must have, with values that exclude each other. */
function apartByProperty(a: Json, b: Json, resolve: (schema: Schema) => Schema, depth: number): boolean {
  const isObject = (schema: Json) => typesOf(schema)?.join() === "object";
  if (!isObject(a) || !isObject(b)) return false;
  const needs = ({ required = [] }: Json) => required as string[];
  return needs(a)
    .filter((name) => needs(b).includes(name))
    .some((name) => {
      const [one, other] = [a, b].map(({ properties }) => (properties as Record<string, Schema> | undefined)?.[name]);
      return one !== undefined && other !== undefined && disjoint(one, other, resolve, depth + 1);
    });
}

/** The JSON texts of the only values; null where there are others. */
function valuesOf(schema: Json): string[] | null {
  if (schema.const !== undefined) return [JSON.stringify(schema.const)];
  return Array.isArray(schema.enum) ? schema.enum.map((value) => JSON.stringify(value)) : null;
}

/** Types of which a value must be; an integer is a number. Null: any. */
function typesOf(schema: Json): string[] | null {
  const values = valuesOf(schema);
  if (values) return values.map((text) => typeOf(JSON.parse(text)));
  if (schema.type === undefined) return null;
  return [schema.type].flat().map((type) => (type === "integer" ? "number" : (type as string)));
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
