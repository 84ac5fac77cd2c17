import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomSchema } from "../testing/random-schema.ts";
import { anyObject, compile, scribbler } from "../testing/scribble.ts";
import { validate } from "../testing/validate.ts";

/** Draws texts of a schema and validates each. */
function check(schema: unknown, seeds = 12, most = 120): void {
  const scribble = scribbler(compile(schema));
  for (let seed = 0; seed < seeds; seed++) {
    const { text, verdict } = scribble(seed, most);
    expect(() => JSON.parse(text), text).not.toThrow();
    expect(verdict).toBeNull();
    expect(validate(schema, JSON.parse(text)), `${JSON.stringify(schema)} ← ${text}`).toEqual([]);
  }
}

describe("what is held to a schema", () => {
  it.each<[string, unknown]>([
    ["an integer in bounds", { type: "integer", minimum: -7, maximum: 1234 }],
    ["an integer above a fraction", { type: "integer", exclusiveMinimum: 0.5, exclusiveMaximum: 3 }],
    ["a number in narrow bounds", { type: "number", minimum: 0.25, maximum: 0.26 }],
    ["a negative number", { type: "number", exclusiveMaximum: 0, minimum: -3 }],
    ["a multiple", { type: "integer", multipleOf: 7, minimum: 100 }],
    ["a decimal multiple", { type: "number", multipleOf: 0.25, minimum: 1, maximum: 20 }],
    ["a string of some length", { type: "string", minLength: 3, maxLength: 5 }],
    ["a pattern", { type: "string", pattern: "^[A-Z]{2}-\\d{1,3}(x|yy)?$" }],
    ["a pattern without anchors", { type: "string", pattern: "ab+c", maxLength: 8 }],
    ["a pattern and a length", { type: "string", pattern: "^(ab|cde)*$", minLength: 7, maxLength: 9 }],
    ["a pattern of more states than are looked through in advance", { type: "string", pattern: "^(a|b)*a(a|b){20}$" }],
    ["such a pattern that may begin anywhere", { type: "string", pattern: "a.{25}b" }],
    ["a pattern of quotes and backslashes", { type: "string", pattern: '^["\\\\]{2,3}\\n$' }],
    ["a pattern of CJK", { type: "string", pattern: "^[一-龥]{2,4}$" }],
    ["an enum", { enum: ["a", "ab", 1, 12, 123, null, { x: [1] }] }],
    ["a const", { const: { a: [1, "b"] } }],
    ["a list", { type: "array", items: { type: "integer" }, minItems: 2, maxItems: 4 }],
    [
      "a tuple",
      { type: "array", prefixItems: [{ type: "string" }, { type: "boolean" }], items: { type: "null" }, minItems: 1 },
    ],
    ["a closed tuple", { type: "array", prefixItems: [{ type: "null" }, { type: "null" }], items: false }],
    ["draft 7's tuple", { type: "array", items: [{ type: "integer" }], additionalItems: false, minItems: 1 }],
    [
      "an object",
      {
        type: "object",
        properties: { a: { type: "integer" }, b: { type: "string" }, 'c"d': { type: "boolean" } },
        required: ["b"],
        additionalProperties: false,
      },
    ],
    [
      "an object of numbers",
      { type: "object", additionalProperties: { type: "number" }, minProperties: 2, maxProperties: 3 },
    ],
    [
      "named and free properties",
      {
        type: "object",
        properties: { a: { type: "integer" }, ab: { type: "null" } },
        required: ["ab"],
        additionalProperties: { type: "boolean" },
        minProperties: 3,
      },
    ],
    ["at least two of three", { type: "object", properties: { a: {}, b: {}, c: {} }, minProperties: 2 }],
    ["required without properties", { type: "object", required: ["x", "y"] }],
    ["any of", { anyOf: [{ type: "integer" }, { type: "array", items: { type: "boolean" } }, { const: "x" }] }],
    [
      "one of, told apart by a const",
      {
        oneOf: [
          { type: "object", properties: { kind: { const: "a" }, n: { type: "integer" } }, required: ["kind", "n"] },
          { type: "object", properties: { kind: { enum: ["b", "c"] } }, required: ["kind"] },
        ],
      },
    ],
    [
      "all of",
      {
        allOf: [
          { type: "object", properties: { a: { type: "integer", minimum: 3 } }, required: ["a"] },
          { properties: { a: { maximum: 5 }, b: { type: "null" } }, required: ["b"] },
        ],
      },
    ],
    [
      "beside any of",
      {
        type: "object",
        properties: { a: { type: "null" }, b: { type: "null" } },
        anyOf: [{ required: ["a"] }, { required: ["b"] }],
      },
    ],
    [
      "choices inside what must all hold",
      {
        type: "object",
        allOf: [
          { anyOf: [{ required: ["a"] }, { required: ["b"] }] },
          {
            oneOf: [
              { properties: { k: { const: 1 } }, required: ["k"] },
              { properties: { k: { const: 2 } }, required: ["k"] },
            ],
          },
        ],
      },
    ],
    [
      "a choice beside what it refers to",
      { $ref: "#/$defs/a", type: "object", $defs: { a: { anyOf: [{ required: ["x"] }, { required: ["y"] }] } } },
    ],
    [
      "a reference or null",
      {
        type: "array",
        items: { $ref: "#/$defs/a", nullable: true },
        minItems: 3,
        $defs: { a: { type: "integer", maximum: 5 } },
      },
    ],
    [
      "a tree",
      {
        $ref: "#/$defs/node",
        $defs: {
          node: {
            type: "object",
            properties: { value: { type: "integer" }, children: { type: "array", items: { $ref: "#/$defs/node" } } },
            required: ["value", "children"],
            additionalProperties: false,
          },
        },
      },
    ],
    ["a list of itself", { anyOf: [{ type: "null" }, { type: "array", items: { $ref: "#" } }] }],
    ["nullable", { type: "string", nullable: true, maxLength: 2 }],
    ["several types", { type: ["string", "null", "integer"], maxLength: 4, minimum: 5 }],
    ["anything", true],
    ...["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "uuid", "uri"].map(
      (format): [string, unknown] => [format, { type: "string", format }],
    ),
  ])("%s", (_, schema) => check(schema));

  it("is any object where none is given", () => {
    const scribble = scribbler(anyObject);
    for (let seed = 0; seed < 25; seed++) {
      const { text } = scribble(seed, 120);
      const value = JSON.parse(text);
      expect(typeof value === "object" && value !== null && !Array.isArray(value), text).toBe(true);
    }
  });

  it("is complete in as many tokens as the shortest text has bytes", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "string", minLength: 4 }, b: { const: 12 } },
      required: ["a", "b"],
    };
    const shortest = '{"a":"abcd","b":12}'.length;
    for (let seed = 0; seed < 20; seed++) {
      const { text } = scribbler(compile(schema))(seed, shortest);
      expect(validate(schema, JSON.parse(text)), text).toEqual([]);
    }
  });
});

describe("random schemas", () => {
  it("are satisfied by whatever is written", () => {
    fc.assert(
      fc.property(randomSchema, fc.nat(), (schema, seed) => {
        const { text } = scribbler(compile(schema))(seed, 250);
        expect(validate(schema, JSON.parse(text)), text).toEqual([]);
      }),
      { seed: 11, numRuns: 120 },
    );
  });
});

describe("what is refused", () => {
  it.each<[unknown, RegExp]>([
    [{ type: "string", minLenght: 3 }, /^schema: #\/minLenght: this keyword is not supported$/],
    [{ type: "object", properties: { a: { toString: 1 } } }, /#\/properties\/a\/toString: this keyword/],
    [{ constructor: 1 }, /#\/constructor: this keyword/],
    [{ required: 5 }, /#\/required: must be a list of names/],
    [{ properties: 5 }, /#\/properties: must be an object of schemas/],
    [{ properties: { a: null } }, /#\/properties: must be an object of schemas/],
    [{ items: null }, /#\/items: must be a schema/],
    [{ allOf: [null] }, /#\/allOf: must be a list of schemas/],
    [{ anyOf: "x" }, /#\/anyOf: must be a list of schemas/],
    [{ allOf: [{ anyOf: "x" }, { anyOf: "x" }] }, /#\/allOf\/0\/anyOf: must be a list of schemas/],
    [{ $ref: "#/%" }, /"#\/%" has a "%" that escapes nothing/],
    [{ $ref: "#/$defs/a", $defs: { a: 7 } }, /names no schema/],
    [{ type: "string", pattern: "(?<=a)b" }, /look-behind is not supported/],
    [{ type: "string", pattern: "\\bword\\b" }, /"\\b" is not supported/],
    [{ type: "strin" }, /"strin" is no type/],
    [{ type: "string", pattern: "(a)\\1" }, /"\\\\1" is not supported|"\\1" is not supported/],
    [{ type: "string", pattern: "a(b" }, /without its end/],
    [{ $ref: "#/$defs/none" }, /names nothing/],
    [{ $ref: "https://example.org/schema" }, /only references within the schema/],
    [{ $ref: "#" }, /leads to itself/],
    [{ enum: [] }, /#\/enum: must be a list/],
    [{ type: "integer", minimum: "1" }, /#\/minimum: must be a number/],
    [7, /#: a schema must be an object/],
  ])("%j", (schema, message) => {
    expect(() => compile(schema)).toThrow(message);
  });

  it.each([
    { type: "integer", minimum: 3, maximum: 2 },
    { type: "object", properties: { a: { $ref: "#" } }, required: ["a"] },
    { not: {} },
    { type: "array", items: { enum: [1, 2] }, uniqueItems: true, minItems: 3 },
    { allOf: [{ pattern: "^a" }, { pattern: "^b" }] },
    { type: "string", pattern: "^a$", minLength: 2 },
    false,
  ])("what nothing satisfies: %j", (schema) => {
    expect(() => scribbler(compile(schema))(0, 100)).toThrow(/nothing satisfies it/);
  });

  it("and says where, if that is one place", () => {
    const none = { type: "integer", minimum: 3, maximum: 2 };
    const inside = { type: "object", properties: { b: { type: "array", items: none, minItems: 1 } }, required: ["b"] };
    const schema = { type: "object", properties: { x: none, a: inside }, required: ["a"] };
    expect(() => compile(schema)).toThrow(/nothing satisfies it: there is no value for a\.b\[0\]$/);
    expect(() => compile(none)).toThrow(/nothing satisfies it$/);
    expect(() => compile({ type: "object", properties: { a: { $ref: "#" } }, required: ["a"] })).toThrow(/ for a$/);
  });
});
