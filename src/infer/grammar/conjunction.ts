/**
 * Schemas that must all hold, as a set: what $ref names and what allOf lists are part of it, and a place where one of several schemas holds is a
 * choice between sets. A set is told by which schemas it has, so that recursion ends and what is shared is not expanded twice.
 */

import { isNote, isObject, type Json, KEYWORDS, type Schema, shapeProblem, TYPES, type Type } from "./keywords.ts";
import { negations } from "./negation.ts";
import { lookUp } from "./references.ts";
import { type Budget, FORM_LIMITS } from "./work.ts";

/** What is done about a keyword that is not understood: refuse it, or go on without it. */
export type Refuse = (path: string, message: string) => void;

/** Choices between sets, each with the schemas that hold in it. */
export interface Choice {
  options: Schema[][];
  /** The keyword that stands behind it, and the schema with it. */
  keyword: string;
  schema: Json;
}

/** Conditions on a set that are turned into choices, which multiply; the rest are looked at in the end. */
const MAX_CONDITIONS = 6;
const STRUCTURE = ["$ref", "allOf"];

export class Conjunctions {
  private readonly root: Schema;
  private readonly refuse: Refuse;
  private readonly budget: Budget;
  private readonly ids = new Map<Json, number>();
  private readonly reduced = new Map<Json, Map<string, Json>>();
  private readonly looked = new Map<string, Schema>();

  constructor(root: Schema, refuse: Refuse, budget: Budget) {
    this.root = root;
    this.refuse = refuse;
    this.budget = budget;
  }

  /** All schemas of a set that say something themselves, in order; null if nothing can satisfy it. */
  flat(parts: readonly Schema[], path: string): Json[] | null {
    const found = new Set<Json>();
    for (const part of parts) if (!this.visit(part, path, found, [])) return null;
    // What a schema refers to stands beside it now.
    return [...found]
      .map((schema) => STRUCTURE.reduce((own, key) => (key in own ? this.without(own, key) : own), schema))
      .filter((schema) => Object.keys(schema).some((key) => KEYWORDS.has(key)));
  }

  private visit(given: Schema, path: string, found: Set<Json>, trail: readonly Json[]): boolean {
    if (typeof given === "boolean") return given;
    if (!isObject(given)) {
      this.refuse(path, "a schema must be an object, true or false");
      return true;
    }
    this.budget.spend(1);
    const schema = this.withNull(this.checked(given, path));
    if (trail.includes(schema)) {
      this.refuse(path, "a $ref that leads to itself");
      return true;
    }
    if (trail.length > FORM_LIMITS.depth) this.refuse(path, `deeper than ${FORM_LIMITS.depth} schemas`);
    if (found.has(schema) || trail.length > FORM_LIMITS.depth) return true;
    found.add(schema);
    const next = [...trail, schema];
    const { $ref, allOf = [] } = schema;
    const parts = (allOf as Schema[]).map((part, i) => ({ part, at: `${path}/allOf/${i}` }));
    if ($ref !== undefined) parts.unshift({ part: this.target($ref as string, `${path}/$ref`), at: path });
    return parts.every(({ part, at }) => this.visit(part, at, found, next));
  }

  /** OpenAPI's nullable, as a choice. */
  private withNull(schema: Json): Json {
    if (schema.nullable !== true) return schema;
    return this.changed(schema, "or null", () => ({ anyOf: [NULL, this.without(schema, "nullable")] }));
  }

  private target(reference: string, path: string): Schema {
    let target = this.looked.get(reference);
    if (target === undefined) {
      try {
        target = lookUp(this.root, reference);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.refuse(path, error.message);
        target = true;
      }
      this.looked.set(reference, target);
    }
    return target;
  }

  /** A schema whose keywords are all known and well formed, without those that are not, where those are no reason to refuse it. */
  private checked(schema: Json, path: string): Json {
    if (this.ids.has(schema)) return schema;
    let good = schema;
    for (const [key, value] of Object.entries(schema)) {
      if (isNote(key)) continue;
      const problem = KEYWORDS.has(key) ? shapeProblem(key, value) : "this keyword is not supported";
      if (problem === null) continue;
      this.refuse(`${path}/${key}`, problem);
      good = this.without(good, key);
    }
    this.budget.spend(Object.keys(schema).length);
    this.idOf(good);
    return good;
  }

  private idOf(schema: Json): number {
    let id = this.ids.get(schema);
    if (id === undefined) {
      id = this.ids.size;
      this.ids.set(schema, id);
    }
    return id;
  }

  /** What tells a set from others. */
  key(set: readonly Json[]): string {
    return set
      .map((schema) => this.idOf(schema))
      .sort((a, b) => a - b)
      .join();
  }

  /** A schema without a keyword: the same one each time. */
  private without(schema: Json, keyword: string): Json {
    return this.changed(schema, keyword, () => {
      const { [keyword]: _, ...rest } = schema;
      return rest;
    });
  }

  private changed(schema: Json, what: string, make: () => Json): Json {
    let known = this.reduced.get(schema);
    if (!known) {
      known = new Map();
      this.reduced.set(schema, known);
    }
    let result = known.get(what);
    if (!result) {
      result = make();
      known.set(what, result);
    }
    return result;
  }

  /** The first place of a set where one of several schemas holds, or null. */
  choice(set: readonly Json[]): Choice | null {
    const conditions = set.reduce((sum, schema) => sum + conditionsOf(schema), 0);
    for (const schema of set) {
      const found = this.ownChoice(schema, conditions <= MAX_CONDITIONS);
      if (!found) continue;
      const others = set.filter((other) => other !== schema);
      return { ...found, schema, options: found.options.map((option) => [...others, ...option]) };
    }
    return null;
  }

  private ownChoice(schema: Json, conditions: boolean): Omit<Choice, "schema"> | null {
    for (const keyword of ["anyOf", "oneOf"]) {
      const options = schema[keyword] as Schema[] | undefined;
      const rest = this.without(schema, keyword);
      if (options)
        return choice(
          keyword,
          options.map((option) => [rest, option]),
        );
    }
    if (!conditions) return null;
    if (schema.not !== undefined) {
      const options = this.derived(schema, "not", () => negations(schema.not as Schema));
      if (options)
        return choice(
          "not",
          options.map((option) => [this.without(schema, "not"), option]),
        );
    }
    if (schema.if !== undefined) return this.condition(schema);
    return this.dependency(schema);
  }

  private readonly derivedLists = new Map<Json, Map<string, Schema[] | null>>();

  private derived(schema: Json, what: string, make: () => Schema[] | null): Schema[] | null {
    let known = this.derivedLists.get(schema);
    if (!known) {
      known = new Map();
      this.derivedLists.set(schema, known);
    }
    if (!known.has(what)) known.set(what, make());
    return known.get(what)!;
  }

  private condition(schema: Json): Omit<Choice, "schema"> {
    const { if: test, then = true, else: other = true } = schema as Record<string, Schema>;
    const rest = ["if", "then", "else"].reduce((left, key) => this.without(left, key), schema);
    const negated = this.derived(schema, "if", () => negations(test)) ?? [true];
    return choice("if", [[rest, test, then], ...negated.map((option) => [rest, option, other])]);
  }

  /** Where a property asks for others: it is not there, or they are. */
  private dependency(schema: Json): Omit<Choice, "schema"> | null {
    for (const keyword of ["dependentRequired", "dependentSchemas", "dependencies"]) {
      const all = schema[keyword] as Record<string, Schema | string[]> | undefined;
      const name = all && Object.keys(all)[0];
      if (name === undefined) continue;
      const needed = all![name];
      const options = this.derived(schema, `${keyword} ${name}`, () => [
        { type: "object", properties: { [name]: false } },
        Array.isArray(needed) ? { type: "object", required: needed } : needed,
      ])!;
      const rest = this.changed(schema, `${keyword} ${name}`, () => {
        const { [name]: _, ...others } = all!;
        return Object.keys(others).length > 0 ? { ...schema, [keyword]: others } : this.without(schema, keyword);
      });
      return choice(
        keyword,
        options.map((option) => [rest, option]),
      );
    }
    return null;
  }
}

const NULL: Json = { type: "null" };

function choice(keyword: string, options: Schema[][]): Omit<Choice, "schema"> {
  return { keyword, options };
}

function conditionsOf(schema: Json): number {
  const lists = [schema.dependentRequired, schema.dependentSchemas, schema.dependencies];
  const named = lists.reduce((sum: number, list) => sum + (isObject(list) ? Object.keys(list).length : 0), 0);
  return named + Number(schema.if !== undefined) + Number(schema.not !== undefined);
}

/** Types that a value of a set can have; without a type, its keywords tell which are meant. */
export function typesOf(set: readonly Json[]): Type[] {
  const lists = set.flatMap(({ type }) => (type === undefined ? [] : [[type].flat() as Type[]]));
  if (lists.length === 0) {
    const meant = new Set(
      set.flatMap((schema) => Object.keys(schema).flatMap((key) => KEYWORDS.get(key)?.about ?? [])),
    );
    return meant.size > 0 ? [...meant] : TYPES.filter((name) => name !== "integer");
  }
  const holds = (list: readonly Type[], type: Type) =>
    list.includes(type) || (type === "integer" && list.includes("number"));
  const all = [...new Set(lists.flat())].filter((type) => lists.every((list) => holds(list, type)));
  return all.includes("number") ? all.filter((type) => type !== "integer") : all;
}
