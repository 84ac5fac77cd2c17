/**
 * Checks a finished answer against its schema, by what each keyword means: for keywords that it could not be held to while it was written. Formats were
 * held to, or say nothing.
 */
import type { CharAutomaton } from "./chars.ts";
import { isObject, isOfType, type Json, type Schema, shapeProblem, type Type } from "./keywords.ts";
import { patternAutomaton } from "./pattern.ts";
import { lookUp } from "./references.ts";
import { Budget, TooLarge } from "./work.ts";

/** Schemas that one answer is compared with. */
const MAX_COMPARISONS = 1_000_000;
/** Schemas inside schemas, where a value is compared with them. */
const MAX_DEPTH = 500;

export class Checker {
  private readonly root: Schema;
  private readonly patterns = new Map<string, CharAutomaton | null>();
  private readonly good = new Map<Json, Json>();
  private left = MAX_COMPARISONS;
  private depth = 0;

  constructor(root: Schema) {
    this.root = root;
  }

  /** What is wrong with a value, or null. */
  problem(value: unknown): string | null {
    this.left = MAX_COMPARISONS;
    this.depth = 0;
    try {
      return this.check(this.root, value, "#");
    } catch (error) {
      if (error instanceof TooLarge) return error.message;
      throw error;
    }
  }

  /** Whether a value satisfies all of these. @throws TooLarge */
  fits(schemas: readonly Schema[], value: unknown): boolean {
    this.left = MAX_COMPARISONS;
    this.depth = 0;
    return schemas.every((schema) => this.holds(schema, value));
  }

  private holds(schema: Schema, value: unknown): boolean {
    return this.check(schema, value, "") === null;
  }

  private check(given: Schema, value: unknown, at: string): string | null {
    if (typeof given === "boolean") return given ? null : `${at}: nothing is allowed here`;
    const schema = this.wellFormed(given);
    if (--this.left < 0) throw new TooLarge(`the answer takes more than ${MAX_COMPARISONS} comparisons to check`);
    if (schema.nullable === true && value === null) return null;
    if (++this.depth > MAX_DEPTH) throw new TooLarge(`the answer or its schema is deeper than ${MAX_DEPTH}`);
    const problem = this.checkAll(schema, value, at);
    this.depth--;
    return problem;
  }

  private checkAll(schema: Json, value: unknown, at: string): string | null {
    return (
      this.checkValue(schema, value, at) ??
      this.checkParts(schema, value, at) ??
      (typeof value === "string" ? this.checkString(schema, value, at) : null) ??
      (typeof value === "number" ? checkNumber(schema, value, at) : null) ??
      (Array.isArray(value) ? this.checkArray(schema, value, at) : null) ??
      (isObject(value) ? this.checkObject(schema, value, at) : null)
    );
  }

  /** Without keywords that are malformed, which only a lenient schema has. */
  private wellFormed(schema: Json): Json {
    let good = this.good.get(schema);
    if (!good) {
      good = Object.fromEntries(Object.entries(schema).filter(([key, part]) => shapeProblem(key, part) === null));
      this.good.set(schema, good);
    }
    return good;
  }

  private checkValue({ type, enum: list, const: one }: Json, value: unknown, at: string): string | null {
    if (type !== undefined && ![type].flat().some((name) => isOfType(value, name as Type)))
      return `${at}/type: must be ${[type].flat().join(" or ")}`;
    if (Array.isArray(list) && !list.some((other) => same(other, value))) return `${at}/enum: none of its values`;
    return one !== undefined && !same(one, value) ? `${at}/const: another value` : null;
  }

  private checkParts(schema: Json, value: unknown, at: string): string | null {
    const { allOf = [], anyOf, oneOf } = schema as Record<string, Schema[] | undefined>;
    const { not, if: test, then = true, else: other = true } = schema as Record<string, Schema>;
    for (const part of [...this.referred(schema), ...allOf]) {
      const problem = this.check(part, value, at);
      if (problem) return problem;
    }
    if (anyOf && !anyOf.some((part) => this.holds(part, value))) return `${at}/anyOf: none holds`;
    const count = oneOf ? oneOf.filter((part) => this.holds(part, value)).length : 1;
    if (count !== 1) return `${at}/oneOf: ${count} hold, not one`;
    if (not !== undefined && this.holds(not, value)) return `${at}/not: it holds`;
    if (test === undefined) return null;
    const [name, branch] = this.holds(test, value) ? ["then", then] : ["else", other];
    return this.check(branch, value, `${at}/${name}`);
  }

  private referred({ $ref }: Json): Schema[] {
    if (typeof $ref !== "string") return [];
    try {
      return [lookUp(this.root, $ref)];
    } catch (error) {
      if (error instanceof RangeError) return [];
      throw error;
    }
  }

  private checkString({ minLength, maxLength, pattern }: Json, value: string, at: string): string | null {
    const length = [...value].length;
    if (length < number(minLength, 0)) return `${at}/minLength: too short`;
    if (length > number(maxLength, Number.POSITIVE_INFINITY)) return `${at}/maxLength: too long`;
    if (typeof pattern !== "string") return null;
    return this.matches(pattern, value) ? null : `${at}/pattern: ${JSON.stringify(value.slice(0, 40))} does not match`;
  }

  /** Of a pattern that is not supported, which a lenient schema goes on without: anything matches. */
  private matches(pattern: string, text: string): boolean {
    let automaton = this.patterns.get(pattern);
    if (automaton === undefined) {
      try {
        automaton = patternAutomaton([pattern], new Budget());
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        automaton = null;
      }
      this.patterns.set(pattern, automaton);
    }
    return automaton === null || automaton.matches(text);
  }

  private checkArray(schema: Json, value: readonly unknown[], at: string): string | null {
    const { items, prefixItems, additionalItems, contains } = schema;
    if (value.length < number(schema.minItems, 0)) return `${at}/minItems: too few`;
    if (value.length > number(schema.maxItems, Number.POSITIVE_INFINITY)) return `${at}/maxItems: too many`;
    if (schema.uniqueItems === true && new Set(value.map(canonical)).size < value.length)
      return `${at}/uniqueItems: the same item twice`;
    const listed = (Array.isArray(items) ? items : (prefixItems ?? [])) as Schema[];
    const rest = (Array.isArray(items) ? additionalItems : items) as Schema | undefined;
    const beyond = rest ?? schema.unevaluatedItems !== false;
    for (const [i, item] of value.entries()) {
      const problem = this.check(listed[i] ?? beyond, item, `${at}/${i}`);
      if (problem) return problem;
    }
    if (contains === undefined) return null;
    const found = value.filter((item) => this.holds(contains as Schema, item)).length;
    if (found < number(schema.minContains, 1)) return `${at}/contains: too few items of its kind`;
    return found > number(schema.maxContains, Number.POSITIVE_INFINITY) ? `${at}/maxContains: too many` : null;
  }

  private checkObject(schema: Json, value: Json, at: string): string | null {
    const { properties = {}, patternProperties = {}, additionalProperties = true, propertyNames } = schema;
    const keys = Object.keys(value);
    if (keys.length < number(schema.minProperties, 0)) return `${at}/minProperties: too few`;
    if (keys.length > number(schema.maxProperties, Number.POSITIVE_INFINITY)) return `${at}/maxProperties: too many`;
    const missing = ((schema.required ?? []) as string[]).find((name) => !Object.hasOwn(value, name));
    if (missing !== undefined) return `${at}/required: ${JSON.stringify(missing)} is missing`;
    for (const key of keys) {
      const where = `${at}/${key}`;
      if (propertyNames !== undefined && !this.holds(propertyNames as Schema, key))
        return `${where}: not a name for it`;
      const parts: Schema[] = Object.hasOwn(properties as Json, key)
        ? [(properties as Record<string, Schema>)[key]]
        : [];
      for (const [pattern, part] of Object.entries(patternProperties as Record<string, Schema>))
        if (this.matches(pattern, key)) parts.push(part);
      if (parts.length === 0) parts.push(additionalProperties as Schema);
      for (const part of parts) {
        const problem = this.check(part, value[key], where);
        if (problem) return problem;
      }
    }
    return this.checkDependencies(schema, value, at);
  }

  private checkDependencies({ dependentRequired, dependentSchemas, dependencies }: Json, value: Json, at: string) {
    const all = { ...(dependencies as Json), ...(dependentSchemas as Json), ...(dependentRequired as Json) };
    for (const [name, needed] of Object.entries(all)) {
      if (!Object.hasOwn(value, name)) continue;
      const part = Array.isArray(needed) ? { required: needed } : (needed as Schema);
      const problem = this.check(part, value, at);
      if (problem) return `${problem}, which ${JSON.stringify(name)} asks for`;
    }
    return null;
  }
}

function checkNumber(schema: Json, value: number, at: string): string | null {
  const low = schema.exclusiveMinimum === true ? value <= number(schema.minimum, -Infinity) : false;
  const high = schema.exclusiveMaximum === true ? value >= number(schema.maximum, Infinity) : false;
  if (low || value < number(schema.minimum, -Infinity) || value <= number(schema.exclusiveMinimum, -Infinity))
    return `${at}/minimum: ${value} is too small`;
  if (high || value > number(schema.maximum, Infinity) || value >= number(schema.exclusiveMaximum, Infinity))
    return `${at}/maximum: ${value} is too large`;
  if (typeof schema.multipleOf !== "number") return null;
  const times = value / schema.multipleOf;
  return Math.abs(times - Math.round(times)) < 1e-9 * Math.max(1, Math.abs(times))
    ? null
    : `${at}/multipleOf: ${value}`;
}

function number(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

/** One text for equal values, whatever the order of their keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    isObject(part) ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1))) : part,
  );
}

function same(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === "object" && typeof b === "object" && canonical(a) === canonical(b));
}
