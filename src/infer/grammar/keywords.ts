/**
 * The keywords of JSON Schema (2020-12, and what drafts 4 to 7 and OpenAPI write otherwise): what each is about, what its value must look like, and
 * whether replies are held to it while they are written. This is the one place that says so; docs/api.md shows it.
 */

export const TYPES = ["string", "number", "integer", "object", "array", "boolean", "null"] as const;
export type Type = (typeof TYPES)[number];

export type Schema = Record<string, unknown> | boolean;
export type Json = Record<string, unknown>;

/**
 * held: no token that would break it is ever drawn. part: held where that can be seen, and the finished answer is checked. checked: only the
 * finished answer is. note: says nothing about what is valid.
 */
export type Holding = "held" | "part" | "checked" | "note";

type Shape =
  | "schema"
  | "schemas"
  | "schemas by name"
  | "schema or schemas"
  | "names"
  | "names by name"
  | "count"
  | "number";

interface Keyword {
  /** The type that it is about; null: any. */
  about: Type | null;
  holding: Holding;
  shape: Shape | "string" | "boolean" | "bound" | "list" | "rest" | "dependencies" | "anything";
}

function keyword(about: Keyword["about"], holding: Holding, shape: Keyword["shape"]): Keyword {
  return { about, holding, shape };
}

export const KEYWORDS: ReadonlyMap<string, Keyword> = new Map(
  Object.entries({
    type: keyword(null, "held", "anything"),
    enum: keyword(null, "held", "list"),
    const: keyword(null, "held", "anything"),
    anyOf: keyword(null, "held", "schemas"),
    allOf: keyword(null, "held", "schemas"),
    oneOf: keyword(null, "part", "schemas"),
    not: keyword(null, "part", "schema"),
    if: keyword(null, "part", "schema"),
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema names it so
    then: keyword(null, "part", "schema"),
    else: keyword(null, "part", "schema"),
    $ref: keyword(null, "held", "string"),
    nullable: keyword(null, "held", "boolean"),
    minLength: keyword("string", "held", "count"),
    maxLength: keyword("string", "held", "count"),
    pattern: keyword("string", "held", "string"),
    format: keyword("string", "held", "string"),
    minimum: keyword("number", "held", "number"),
    maximum: keyword("number", "held", "number"),
    exclusiveMinimum: keyword("number", "held", "bound"),
    exclusiveMaximum: keyword("number", "held", "bound"),
    multipleOf: keyword("number", "held", "number"),
    items: keyword("array", "held", "schema or schemas"),
    prefixItems: keyword("array", "held", "schemas"),
    additionalItems: keyword("array", "held", "schema"),
    unevaluatedItems: keyword("array", "held", "rest"),
    minItems: keyword("array", "held", "count"),
    maxItems: keyword("array", "held", "count"),
    uniqueItems: keyword("array", "part", "boolean"),
    contains: keyword("array", "part", "schema"),
    minContains: keyword("array", "part", "count"),
    maxContains: keyword("array", "checked", "count"),
    properties: keyword("object", "held", "schemas by name"),
    required: keyword("object", "held", "names"),
    additionalProperties: keyword("object", "held", "schema"),
    unevaluatedProperties: keyword("object", "held", "rest"),
    patternProperties: keyword("object", "held", "schemas by name"),
    propertyNames: keyword("object", "part", "schema"),
    minProperties: keyword("object", "held", "count"),
    maxProperties: keyword("object", "held", "count"),
    dependentRequired: keyword("object", "part", "names by name"),
    dependentSchemas: keyword("object", "part", "schemas by name"),
    dependencies: keyword("object", "part", "dependencies"),
  }),
);

/** Words about a schema, of the standard, of OpenAPI and of common generators. */
const NOTES = new Set([
  ...["title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly", "$comment"],
  ...["$schema", "$id", "id", "$anchor", "$vocabulary", "$defs", "definitions", "contentEncoding", "contentMediaType"],
  ...["contentSchema", "discriminator", "xml", "externalDocs", "enumNames", "enumDescriptions", "markdownDescription"],
  ...["propertyOrdering", "errorMessage", "components", "~standard"],
]);

export function isNote(key: string): boolean {
  return NOTES.has(key) || key.startsWith("x-");
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSchema(value: unknown): boolean {
  return typeof value === "boolean" || isObject(value);
}

function isList(value: unknown, of: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(of);
}

function isMap(value: unknown, of: (one: unknown) => boolean): boolean {
  return isObject(value) && Object.values(value).every(of);
}

const isName = (value: unknown) => typeof value === "string";
const isNames = (value: unknown) => isList(value, isName);

const SHAPES: Record<Keyword["shape"], [fits: (value: unknown) => boolean, what: string]> = {
  anything: [(value) => value !== undefined, "anything"],
  string: [isName, "a string"],
  boolean: [(value) => typeof value === "boolean", "true or false"],
  number: [(value) => Number.isFinite(value), "a number"],
  bound: [(value) => Number.isFinite(value) || typeof value === "boolean", "a number"],
  count: [(value) => Number.isInteger(value) && (value as number) >= 0, "a whole number from 0"],
  list: [(value) => Array.isArray(value) && value.length > 0, "a list of values"],
  names: [isNames, "a list of names"],
  schema: [isSchema, "a schema (an object, true or false)"],
  schemas: [
    (value) => isList(value, isSchema) && (value as unknown[]).length > 0,
    "a list of schemas (objects, true or false)",
  ],
  "schemas by name": [(value) => isMap(value, isSchema), "an object of schemas"],
  "schema or schemas": [(value) => isSchema(value) || isList(value, isSchema), "a schema or a list of schemas"],
  "names by name": [(value) => isMap(value, isNames), "an object of lists of names"],
  dependencies: [
    (value) => isMap(value, (one) => isSchema(one) || isNames(one)),
    "an object of schemas or lists of names",
  ],
  rest: [(value) => typeof value === "boolean", "true or false (a schema is not supported here)"],
};

/** What is wrong with a keyword's value, or null. */
export function shapeProblem(key: string, value: unknown): string | null {
  const known = KEYWORDS.get(key);
  if (!known) return null;
  const [fits, what] = SHAPES[known.shape];
  if (!fits(value)) return `must be ${what}`;
  if (key === "type") return typeProblem(value);
  return key === "multipleOf" && (value as number) <= 0 ? "must be above 0" : null;
}

function typeProblem(value: unknown): string | null {
  const list = [value].flat();
  const wrong = list.find((name) => !(TYPES as readonly unknown[]).includes(name));
  if (list.length === 0) return "must name a type";
  return wrong === undefined ? null : `${JSON.stringify(wrong)} is no type`;
}

/** Whether a value is of a type. */
export function isOfType(value: unknown, type: Type): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return type === "object" ? isObject(value) : typeof value === type;
}

export function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}
