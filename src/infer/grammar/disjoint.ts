/** Whether it can be seen that no value satisfies two of several schemas, so that one of them is the only one wherever any is. */
import { canonical } from "./check.ts";
import { type Json, type Schema, typeOf } from "./keywords.ts";
import type { Budget, Work } from "./work.ts";

/** Schemas that are compared with each other; more must be told apart by the values of one property. */
const MAX_PAIRS = 64;
const MAX_DEPTH = 6;

/** All schemas of a set, or null if nothing satisfies it. */
type Flat = (parts: readonly Schema[]) => Json[] | null;

export function* allDisjoint(schemas: readonly Schema[], flat: Flat, budget: Budget): Work<boolean> {
  const sets: Json[][] = [];
  for (const schema of schemas) {
    const set = flat([schema]);
    // What nothing satisfies excludes all others.
    if (set) sets.push(set);
    if (budget.due) yield;
  }
  if (sets.length < 2) return true;
  const [first] = sets;
  const names = requiredOf(first).filter((name) => valuesOf(propertyOf(first, name, flat) ?? []) !== null);
  for (const name of names.slice(0, 8)) if (areTold(sets, name, flat, budget)) return true;
  if (sets.length > MAX_PAIRS) return false;
  for (let i = 1; i < sets.length; i++) {
    for (let j = 0; j < i; j++) {
      budget.spend(5);
      if (!disjoint(sets[i], sets[j], flat, 0)) return false;
    }
    if (budget.due) yield;
  }
  return true;
}

/** Whether a property that all must have has other values in each. */
function areTold(sets: readonly Json[][], name: string, flat: Flat, budget: Budget): boolean {
  const seen = new Set<string>();
  for (const set of sets) {
    if (!requiredOf(set).includes(name) || typesOf(set)?.join() !== "object") return false;
    const values = valuesOf(propertyOf(set, name, flat) ?? []);
    if (!values || values.some((value) => seen.has(value))) return false;
    for (const value of values) seen.add(value);
    budget.spend(values.length);
  }
  return true;
}

function disjoint(a: readonly Json[], b: readonly Json[], flat: Flat, depth: number): boolean {
  if (depth > MAX_DEPTH) return false;
  for (const [one, other] of [
    [a, b],
    [b, a],
  ]) {
    for (const schema of one) {
      const options = (schema.anyOf ?? schema.oneOf) as Schema[] | undefined;
      if (options?.every((option) => excludes(flat([option]), other, flat, depth + 1))) return true;
    }
  }
  const [values, others] = [valuesOf(a), valuesOf(b)];
  if (values && others) return !values.some((value) => others.includes(value));
  const [types, otherTypes] = [typesOf(a), typesOf(b)];
  if (types && otherTypes && !types.some((type) => otherTypes.includes(type))) return true;
  // A property that both must have, with values that exclude each other.
  if (types?.join() !== "object" || otherTypes?.join() !== "object") return false;
  return requiredOf(a)
    .filter((name) => requiredOf(b).includes(name))
    .some((name) => {
      const [one, other] = [propertyOf(a, name, flat), propertyOf(b, name, flat)];
      return one !== undefined && other !== undefined && excludes(one, other, flat, depth + 1);
    });
}

function excludes(a: readonly Json[] | null, b: readonly Json[] | null, flat: Flat, depth: number): boolean {
  return a === null || b === null || disjoint(a, b, flat, depth);
}

function requiredOf(set: readonly Json[]): string[] {
  return set.flatMap(({ required = [] }) => required as string[]);
}

/** What a property must satisfy: null for what nothing does, undefined where nothing is said. */
function propertyOf(set: readonly Json[], name: string, flat: Flat): Json[] | null | undefined {
  const parts = set.flatMap(({ properties = {} }) =>
    Object.hasOwn(properties as Json, name) ? [(properties as Record<string, Schema>)[name]] : [],
  );
  return parts.length > 0 ? flat(parts) : undefined;
}

/** The only values, as texts; null where there are others. */
function valuesOf(set: readonly Json[]): string[] | null {
  for (const schema of set) {
    if ("const" in schema) return [canonical(schema.const)];
    if (Array.isArray(schema.enum)) return schema.enum.map(canonical);
  }
  return null;
}

/** Types of which a value must be; an integer is a number. Null: any. */
function typesOf(set: readonly Json[]): string[] | null {
  const values = valuesOf(set);
  if (values) return values.map((text) => typeOf(JSON.parse(text)));
  const typed = set.filter(({ type }) => type !== undefined);
  if (typed.length === 0) return null;
  return [typed[0].type].flat().map((type) => (type === "integer" ? "number" : (type as string)));
}
