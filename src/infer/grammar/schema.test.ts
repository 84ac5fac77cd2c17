import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { trainBpe } from "../../text/index.ts";
import { randomSchema } from "../testing/random-schema.ts";
import { validate } from "../testing/validate.ts";
import { codesOf, Form, FormConstraint } from "./form.ts";
import { ANY_OBJECT, type Node } from "./grammar.ts";
import { schemaForm } from "./schema.ts";
import { TokenTrie } from "./token-trie.ts";

const samples = '{"name": "Ada", "n": 12.5, "list": [true, false, null], "sub": {"a": "日本"}} ';
const tokenizer = trainBpe({ texts: [samples.repeat(20)], vocabSize: 330 });
const trie = new TokenTrie(tokenizer, []);
const EOS = tokenizer.eosId!;

/** A text drawn at random among all tokens that the form lets come, as a model without any sense would. */
function scribble(node: Node, seed: number, most: number): { text: string; ended: boolean } {
  const form = new Form(node, trie, [EOS]);
  const constraint = new FormConstraint(form, codesOf(tokenizer, []));
  const random = new Random(seed);
  const ids: number[] = [];
  while (ids.length < most && !constraint.done) {
    const mask = constraint.mask(most - ids.length);
    const allowed = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
      (id) => mask[id >> 5] & (1 << (id & 31)),
    );
    expect(allowed.length, `after ${tokenizer.decode(ids)}`).toBeGreaterThan(0);
    const id = allowed[random.below(allowed.length)];
    if (id === EOS) return { text: tokenizer.decode(ids), ended: true };
    ids.push(id);
    constraint.took(id);
  }
  return { text: tokenizer.decode(ids), ended: constraint.done };
}

/** Draws texts of a schema and validates each. */
function check(schema: unknown, seeds = 12, most = 120): void {
  const node = schemaForm(schema, "schema");
  for (let seed = 0; seed < seeds; seed++) {
    const { text } = scribble(node, seed, most);
    expect(() => JSON.parse(text), text).not.toThrow();
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
    for (let seed = 0; seed < 25; seed++) {
      const { text } = scribble(ANY_OBJECT, seed, 120);
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
      const { text } = scribble(schemaForm(schema, "schema"), seed, shortest);
      expect(validate(schema, JSON.parse(text)), text).toEqual([]);
    }
  });
});

describe("random schemas", () => {
  it("are satisfied by whatever is written", () => {
    fc.assert(
      fc.property(randomSchema, fc.nat(), (schema, seed) => {
        const { text } = scribble(schemaForm(schema, "schema"), seed, 250);
        expect(validate(schema, JSON.parse(text)), text).toEqual([]);
      }),
      { seed: 11, numRuns: 120 },
    );
  });
});

describe("what is refused", () => {
  it.each<[unknown, RegExp]>([
    [{ not: {} }, /^schema: #\/not: this keyword is not supported$/],
    [{ type: "array", uniqueItems: true }, /#\/uniqueItems/],
    [{ type: "object", properties: { a: { if: {} } } }, /#\/properties\/a\/if/],
    [{ type: "strin" }, /"strin" is no type/],
    [{ type: "string", pattern: "(?=a)b" }, /look-ahead/],
    [{ type: "string", pattern: "(a)\\1" }, /"\\\\1" is not supported|"\\1" is not supported/],
    [{ type: "string", pattern: "a(b" }, /without its end/],
    [{ type: "string", format: "color" }, /"color" is not supported; known are date/],
    [{ oneOf: [{ type: "integer" }, { type: "number" }] }, /options 0 and 1 may both hold/],
    [{ $ref: "#/$defs/none" }, /names nothing/],
    [{ $ref: "https://example.org/schema" }, /only references within the schema/],
    [{ $ref: "#" }, /leads to itself/],
    [{ allOf: [{ pattern: "a" }, { pattern: "b" }] }, /"pattern" twice/],
    [{ enum: [] }, /#\/enum: must be a list/],
    [{ type: "integer", minimum: "1" }, /#\/minimum: "1" must be a number/],
    [7, /#: a schema must be an object/],
  ])("%j", (schema, message) => {
    expect(() => schemaForm(schema, "schema")).toThrow(message);
  });

  it.each([
    { type: "integer", minimum: 3, maximum: 2 },
    { type: "object", properties: { a: { $ref: "#" } }, required: ["a"] },
    { type: "string", pattern: "^a$", minLength: 2 },
    false,
  ])("what nothing satisfies: %j", (schema) => {
    expect(() => new Form(schemaForm(schema, "schema"), trie, [EOS])).toThrow(/nothing satisfies it/);
  });
});
