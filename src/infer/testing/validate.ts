/** Checks a value against a JSON Schema by Ajv, which shares nothing with the forms that replies are held to, so that one can be tested with the other. */
import { createRequire } from "node:module";

type Json = Record<string, unknown>;

interface Validator {
  (value: unknown): boolean;
  errors?: { instancePath: string; message?: string }[] | null;
}

interface Ajv {
  compile(schema: unknown): Validator;
}

// They are CommonJS.
const require = createRequire(import.meta.url);
const { Ajv2020 } = require("ajv/dist/2020") as { Ajv2020: new (options: Json) => Ajv };
const { default: addFormats } = require("ajv-formats") as { default: (ajv: Ajv) => void };

const known = new WeakMap<object, Validator>();

/** What is wrong with a value; nothing if it is valid. */
export function validate(schema: unknown, value: unknown): string[] {
  const object = typeof schema === "boolean" ? { allOf: [schema] } : (schema as Json);
  let validator = known.get(object);
  if (!validator) {
    const ajv = new Ajv2020({ strict: false, logger: false, validateSchema: false, unicodeRegExp: !hasLoose(object) });
    addFormats(ajv);
    validator = ajv.compile(modern(object));
    known.set(object, validator);
  }
  return validator(value) ? [] : (validator.errors ?? []).map((error) => `${error.instancePath} ${error.message}`);
}

/** Whether a pattern is only one without the u flag, as some are that people copy. */
function hasLoose(schema: unknown): boolean {
  if (typeof schema !== "object" || schema === null) return false;
  return Object.entries(schema).some(([key, part]) =>
    key === "pattern" && typeof part === "string" ? !isUnicode(part) : hasLoose(part),
  );
}

function isUnicode(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u") !== null;
  } catch {
    return false;
  }
}

/** What earlier drafts and OpenAPI write otherwise, as 2020-12 does. */
function modern(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(modern);
  if (typeof schema !== "object" || schema === null) return schema;
  const {
    nullable,
    $schema: _,
    ...own
  } = Object.fromEntries(
    Object.entries(schema).map(([key, part]) => [key, ["const", "enum"].includes(key) ? part : modern(part)]),
  ) as Json;
  if (Array.isArray(own.items)) {
    own.prefixItems = own.items;
    own.items = own.additionalItems ?? true;
  }
  for (const [bound, other] of [
    ["exclusiveMinimum", "minimum"],
    ["exclusiveMaximum", "maximum"],
  ]) {
    if (own[bound] === true) own[bound] = own[other];
    else if (own[bound] === false) delete own[bound];
  }
  return nullable === true ? { anyOf: [{ type: "null" }, own] } : own;
}
