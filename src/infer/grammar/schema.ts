/**
 * JSON Schema (2020-12, and the parts of draft 7 that differ) as a form. What is written is valid, though not all that is valid can be written:
 * properties come in the order of the schema, and others only where the schema asks for them. A keyword that cannot be held to is refused
 * by name, never passed over.
 */
import { EngineError } from "../engine.ts";
import { ANY_CHARS, type CharAutomaton } from "./chars.ts";
import { disjoint } from "./disjoint.ts";
import { FORMATS } from "./formats.ts";
import { ANY_VALUE, literal, type Node, type ObjectNode } from "./grammar.ts";
import { ANNOTATIONS, merge, type Schema } from "./merge.ts";
import { NumberForm } from "./numbers.ts";
import { patternAutomaton } from "./pattern.ts";

export const SCHEMA_LIMITS = { length: 2 ** 18, depth: 64, nodes: 10_000, values: 2000 };

const TYPES = ["string", "number", "integer", "object", "array", "boolean", "null"] as const;
type Type = (typeof TYPES)[number];

/** Which type each keyword is about. */
const KEYWORDS: Record<string, Type> = {
  minLength: "string",
  maxLength: "string",
  pattern: "string",
  format: "string",
  minimum: "number",
  maximum: "number",
  exclusiveMinimum: "number",
  exclusiveMaximum: "number",
  multipleOf: "number",
  items: "array",
  prefixItems: "array",
  additionalItems: "array",
  minItems: "array",
  maxItems: "array",
  properties: "object",
  required: "object",
  additionalProperties: "object",
  minProperties: "object",
  maxProperties: "object",
};
const OTHERS = new Set(["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "nullable"]);

/**
 * @param param the request's field, for errors
 * @throws EngineError "invalid" that names the keyword and where it stands
 */
export function schemaForm(schema: unknown, param: string): Node {
  const length = JSON.stringify(schema)?.length ?? 0;
  if (length > SCHEMA_LIMITS.length)
    throw new EngineError("invalid", `${param}: a schema of ${length} characters; at most ${SCHEMA_LIMITS.length}`, {
      param,
    });
  return new Compiler(schema as Schema, param).compile(schema as Schema, "#", 0);
}

class Compiler {
  private readonly root: Schema;
  private readonly param: string;
  /** By the schema's text: what is recursive ends, and what is repeated is shared. */
  private readonly known = new Map<string, Node & { kind: "any of" }>();

  constructor(root: Schema, param: string) {
    this.root = root;
    this.param = param;
  }

  private refuse(path: string, message: string): never {
    throw new EngineError("invalid", `${this.param}: ${path}: ${message}`, { param: this.param });
  }

  compile(schema: Schema, path: string, depth: number): Node {
    if (schema === true) return ANY_VALUE;
    if (schema === false) return { kind: "any of", options: [] };
    if (typeof schema !== "object" || schema === null || Array.isArray(schema))
      this.refuse(path, "a schema must be an object, true or false");
    if (depth > SCHEMA_LIMITS.depth) this.refuse(path, `deeper than ${SCHEMA_LIMITS.depth} schemas`);
    const key = JSON.stringify(schema);
    const before = this.known.get(key);
    if (before) return before;
    if (this.known.size >= SCHEMA_LIMITS.nodes) this.refuse(path, `more than ${SCHEMA_LIMITS.nodes} schemas`);
    const node: Node & { kind: "any of" } = { kind: "any of", options: [] };
    this.known.set(key, node);
    node.options.push(...this.options(schema, path, depth + 1));
    return node;
  }

  /** The forms of which a value must have one. */
  private options(schema: Record<string, unknown>, path: string, depth: number): Node[] {
    const known = (key: string) => key in KEYWORDS || OTHERS.has(key) || ANNOTATIONS.has(key);
    const unknown = Object.keys(schema).find((key) => !known(key));
    if (unknown !== undefined) this.refuse(`${path}/${unknown}`, "this keyword is not supported");
    const { $ref, allOf, anyOf, oneOf, nullable, ...rest } = schema as Record<string, Schema[] | undefined>;
    const here = rest as Record<string, unknown>;
    if (nullable === (true as unknown)) {
      const { nullable: _, ...other } = schema;
      return [literal([null]), this.compile(other, path, depth)];
    }
    const bare = Object.keys(here).every((key) => ANNOTATIONS.has(key));
    const all = (a: Schema, b: Schema) => (bare ? b : this.both(a, b, path));
    if ($ref !== undefined) {
      const target = this.resolved({ $ref }, `${path}/$ref`);
      const beside = { ...here, ...(allOf && { allOf }), ...(anyOf && { anyOf }), ...(oneOf && { oneOf }) };
      const alone = Object.keys(beside).every((key) => ANNOTATIONS.has(key));
      return [this.compile(alone ? target : this.both(target, beside, path), path, depth)];
    }
    if (allOf !== undefined) {
      const parts = this.list(allOf, `${path}/allOf`);
      const others = { ...here, ...(anyOf && { anyOf }), ...(oneOf && { oneOf }) };
      return [
        this.compile(
          parts.reduce((a: Schema, b) => this.both(a, b, `${path}/allOf`), others),
          path,
          depth,
        ),
      ];
    }
    if (anyOf !== undefined) {
      const base = oneOf ? { ...here, oneOf } : here;
      const alone = oneOf === undefined ? all : (a: Schema, b: Schema) => this.both(a, b, path);
      return this.list(anyOf, `${path}/anyOf`).map((one, i) =>
        this.compile(alone(base, one), `${path}/anyOf/${i}`, depth),
      );
    }
    if (oneOf !== undefined) {
      const where = `${path}/oneOf`;
      const merged = this.list(oneOf, where).map((one) => this.both(here, one, where));
      merged.forEach((a, i) => {
        const overlaps = merged.slice(0, i).findIndex((b) => !disjoint(a, b, (s) => this.resolved(s, where)));
        if (overlaps >= 0)
          this.refuse(
            where,
            `options ${overlaps} and ${i} may both hold; use anyOf, or give each a property with another const`,
          );
      });
      return merged.map((one, i) => this.compile(one, `${where}/${i}`, depth));
    }
    if (here.const !== undefined || here.enum !== undefined) return [this.values(here, path)];
    return this.typesOf(here, path).map((type) => this.typed(type, here, path, depth));
  }

  private both(a: Schema, b: Schema, path: string): Schema {
    try {
      return merge(a, b, (schema) => this.resolved(schema, path));
    } catch (error) {
      if (error instanceof RangeError) return this.refuse(path, `${error.message} is not supported`);
      throw error;
    }
  }

  private list(value: unknown, path: string): Schema[] {
    if (!Array.isArray(value) || value.length === 0) this.refuse(path, "must be a list of schemas");
    return value as Schema[];
  }

  /** A schema without a $ref at its top. */
  private resolved(schema: Schema, path: string): Schema {
    let current = schema;
    for (let hops = 0; typeof current === "object" && current !== null && "$ref" in current; hops++) {
      if (hops > SCHEMA_LIMITS.depth) this.refuse(path, "a $ref that leads to itself");
      const { $ref, ...beside } = current;
      const target = this.lookUp($ref, path);
      const alone = Object.keys(beside).every((key) => ANNOTATIONS.has(key));
      current = alone ? target : this.both(target, beside, path);
    }
    return current;
  }

  private lookUp(reference: unknown, path: string): Schema {
    if (typeof reference !== "string" || !/^#(?:\/|$)/.test(reference))
      this.refuse(path, `${JSON.stringify(reference)}: only references within the schema (#/…) are supported`);
    let found: unknown = this.root;
    for (const part of reference.slice(1).split("/").slice(1)) {
      const name = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~");
      found =
        typeof found === "object" && found !== null && Object.hasOwn(found, name)
          ? (found as Record<string, unknown>)[name]
          : undefined;
    }
    if (found === undefined) this.refuse(path, `${JSON.stringify(reference)} names nothing in the schema`);
    return found as Schema;
  }

  /** enum and const, which only a type may stand beside. */
  private values(schema: Record<string, unknown>, path: string): Node {
    const { enum: list, const: one, type } = schema;
    const keyword = Object.keys(schema).find((key) => key in KEYWORDS);
    if (keyword) this.refuse(`${path}/${keyword}`, "is not supported beside enum or const");
    if (list !== undefined && !(Array.isArray(list) && list.length > 0 && list.length <= SCHEMA_LIMITS.values))
      this.refuse(`${path}/enum`, `must be a list of 1 to ${SCHEMA_LIMITS.values} values`);
    const same = JSON.stringify(one);
    let values = (list as unknown[] | undefined) ?? [one];
    if (one !== undefined) values = values.filter((value) => JSON.stringify(value) === same);
    if (type !== undefined)
      values = values.filter((value) => [type].flat().some((name) => isOfType(value, name as Type)));
    return values.length > 0 ? literal(values) : { kind: "any of", options: [] };
  }

  private typesOf(schema: Record<string, unknown>, path: string): Type[] {
    const { type } = schema;
    if (type !== undefined) {
      const list = [type].flat() as Type[];
      const wrong = list.find((name) => !TYPES.includes(name));
      if (wrong !== undefined || list.length === 0) this.refuse(`${path}/type`, `${JSON.stringify(wrong)} is no type`);
      return list;
    }
    // Without a type, the keywords tell which is meant.
    const meant = [...new Set(Object.keys(schema).flatMap((key) => KEYWORDS[key] ?? []))];
    return meant.length > 0 ? meant : [...TYPES.filter((name) => name !== "integer")];
  }

  private typed(type: Type, schema: Record<string, unknown>, path: string, depth: number): Node {
    if (type === "null") return literal([null]);
    if (type === "boolean") return literal([true, false]);
    if (type === "string") {
      const min = this.count(schema, "minLength", path) ?? 0;
      const max = this.count(schema, "maxLength", path) ?? Number.POSITIVE_INFINITY;
      return { kind: "string", chars: this.chars(schema, path), min, max };
    }
    if (type === "number" || type === "integer") {
      const names = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
      const bounds = Object.fromEntries(names.map((name) => [name, this.number(schema, name, path)]));
      return { kind: "number", form: new NumberForm({ integer: type === "integer", ...bounds }) };
    }
    return type === "array" ? this.array(schema, path, depth) : this.object(schema, path, depth);
  }

  private number(schema: Record<string, unknown>, name: string, path: string): number | undefined {
    const value = schema[name];
    if (value === undefined) return undefined;
    const fits = typeof value === "number" && Math.abs(value) <= 1e15 && (value === 0 || Math.abs(value) >= 1e-12);
    if (!fits || (name === "multipleOf" && value <= 0))
      this.refuse(`${path}/${name}`, `${JSON.stringify(value)} must be a number up to 1e15, and no finer than 1e-12`);
    return value;
  }

  private count(schema: Record<string, unknown>, name: string, path: string): number | undefined {
    const value = schema[name];
    if (value === undefined) return undefined;
    if (!(Number.isInteger(value) && (value as number) >= 0))
      this.refuse(`${path}/${name}`, "must be a whole number from 0");
    if ((value as number) > 10_000 && name.startsWith("min"))
      this.refuse(`${path}/${name}`, "at most 10000 is supported");
    return value as number;
  }

  private chars({ pattern, format }: Record<string, unknown>, path: string): CharAutomaton {
    if (pattern === undefined && format === undefined) return ANY_CHARS;
    if (pattern !== undefined && format !== undefined)
      this.refuse(`${path}/format`, "is not supported beside a pattern");
    const known = format === undefined ? pattern : FORMATS.get(format as string);
    const keyword = format === undefined ? "pattern" : "format";
    if (typeof known !== "string") {
      const formats = [...FORMATS.keys()].join(", ");
      const why = format === undefined ? "must be a string" : `is not supported; known are ${formats}`;
      this.refuse(`${path}/${keyword}`, `${JSON.stringify(format ?? pattern)} ${why}`);
    }
    try {
      return patternAutomaton(known);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return this.refuse(`${path}/pattern`, `${JSON.stringify(pattern)}: ${error.message} is not supported`);
    }
  }

  private array(schema: Record<string, unknown>, path: string, depth: number): Node {
    const { items, prefixItems, additionalItems } = schema;
    // Draft 7 wrote a list of items where prefixItems stands now, and additionalItems for what follows.
    const listed = (Array.isArray(items) ? items : (prefixItems ?? [])) as Schema[];
    const others = (Array.isArray(items) ? additionalItems : items) as Schema | undefined;
    const prefix = listed.map((item, i) => this.compile(item, `${path}/prefixItems/${i}`, depth));
    // After listed items, others come only where the schema speaks of them.
    const free = others === undefined ? prefix.length === 0 : others !== false;
    const rest = free ? this.compile(others ?? true, `${path}/items`, depth) : null;
    const min = this.count(schema, "minItems", path) ?? 0;
    const max = this.count(schema, "maxItems", path) ?? Number.POSITIVE_INFINITY;
    const needed = rest === null && others === undefined && min > prefix.length ? ANY_VALUE : rest;
    return { kind: "array", prefix, items: needed, min, max: needed ? max : Math.min(max, prefix.length) };
  }

  private object(schema: Record<string, unknown>, path: string, depth: number): Node {
    const { properties = {}, required = [], additionalProperties } = schema;
    if (typeof properties !== "object" || properties === null) this.refuse(`${path}/properties`, "must be an object");
    if (!Array.isArray(required)) this.refuse(`${path}/required`, "must be a list of names");
    const named = Object.entries(properties as Record<string, Schema>);
    const min = this.count(schema, "minProperties", path) ?? 0;
    const max = this.count(schema, "maxProperties", path) ?? Number.POSITIVE_INFINITY;
    const other = (additionalProperties ?? true) as Schema;
    for (const name of required as string[]) if (!named.some(([key]) => key === name)) named.push([name, other]);
    const node: ObjectNode = { kind: "object", properties: [], additional: null, min, max };
    node.properties = named.map(([key, value]) => ({
      key,
      value: this.compile(value, `${path}/properties/${key}`, depth),
      required: (required as string[]).includes(key),
    }));
    // Beside named properties, others come only where the schema speaks of them.
    const free = additionalProperties === undefined ? named.length === 0 || min > named.length : other !== false;
    if (free) node.additional = this.compile(other, `${path}/additionalProperties`, depth);
    return node;
  }
}

function isOfType(value: unknown, type: Type): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}
