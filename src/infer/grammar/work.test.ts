/** Schemas of strangers: whatever they are, they are refused in one line or held to, in a bounded number of steps. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EngineError } from "../engine.ts";
import { Desk } from "../testing/ask.ts";
import { compile, scribbler } from "../testing/scribble.ts";
import { validate } from "../testing/validate.ts";
import { Lengths } from "./lengths.ts";
import { type SchemaForm, schemaForm } from "./schema.ts";
import { Budget, FORM_LIMITS, finish } from "./work.ts";

/** Counts what is spent. */
class Counter extends Budget {
  spent = 0;

  override spend(units: number): void {
    this.spent += units;
    super.spend(units);
  }
}

function stepsOf(schema: unknown): number {
  const counter = new Counter();
  finish(Lengths.learn(finish(schemaForm(schema, { param: "schema" }, counter)).node, counter));
  return counter.spent;
}

function named<T>(count: number, value: (i: number) => T): Record<string, T> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, value(i)]));
}

const optional = (count: number) => ({ type: "object", properties: named(count, () => ({ type: "boolean" })) });

describe("the steps to prepare a schema", () => {
  it("grow with its size, however many properties are optional", () => {
    const [few, many] = [stepsOf(optional(100)), stepsOf(optional(2000))];
    expect(many / few).toBeLessThan(25);
  });

  it("do not multiply where schemas that must all hold name each other", () => {
    const chain = (name: string, type: string) =>
      Array.from({ length: 40 }, (_, i): [string, unknown] => {
        const next = { $ref: `#/$defs/${name}${i + 1}` };
        return [`${name}${i}`, i === 39 ? { type } : { type: "object", properties: { x: next, y: next } }];
      });
    const $defs = Object.fromEntries([...chain("a", "integer"), ...chain("b", "number")]);
    expect(stepsOf({ allOf: [{ $ref: "#/$defs/a0" }, { $ref: "#/$defs/b0" }], $defs })).toBeLessThan(10_000);
  });

  it("are few for a count in a pattern, which is no copies", () => {
    expect(stepsOf({ type: "string", pattern: `^${"[\\w\\W]{0,900}".repeat(10)}$` })).toBeLessThan(1000);
    expect(stepsOf({ type: "string", pattern: "^[a-z]{1,10000}$", minLength: 5000 })).toBeLessThan(1000);
  });

  const big: Record<string, unknown> = {
    "alternatives beside properties": {
      ...optional(3000),
      anyOf: Object.values(named(2000, (i) => ({ required: [`p${i}`] }))),
    },
    "many alternatives": { oneOf: Object.values(named(5000, (i) => ({ const: i, type: "integer" }))) },
    "alternatives of alternatives": {
      allOf: Object.values(
        named(12, (k) => ({ anyOf: Object.values(named(4, (i) => ({ properties: { [`q${k}`]: { const: i } } }))) })),
      ),
    },
    "a pattern with many states": { type: "string", pattern: "^(a?){300}(.*b.{40}){3}(?=x)$" },
    "a long pattern again and again": { type: "string", pattern: "^(.{0,900}x){10}$", minLength: 9000 },
    "many look-aheads": {
      type: "string",
      pattern: `^${Array.from("abcdefghijklmnopqrst", (c) => `(?=.*${c})`).join("")}`,
    },
    "a text that is too long": { enum: ["x".repeat(300_000)] },
    "schemas in schemas": JSON.parse(`${'{"items":'.repeat(3000)}{}${"}".repeat(3000)}`),
    "properties of which many must come": { ...optional(2000), minProperties: 1900 },
  };

  it.each(Object.entries(big))("are bounded for %s, and the error says so", (_, schema) => {
    const counter = new Counter();
    try {
      finish(schemaForm(schema, { param: "schema" }, counter));
    } catch (error) {
      expect(error).toBeInstanceOf(EngineError);
      expect((error as EngineError).message).toMatch(/^schema: [^\n]{10,400}$/);
    }
    // What would go over the bound is counted before it is done.
    expect(counter.spent).toBeLessThan(FORM_LIMITS.steps * 2);
  });
});

/** Anything that somebody might write where a schema is asked for. */
const anything = fc.letrec<{ schema: unknown }>((tie) => {
  const schemas = fc.array(tie("schema"), { maxLength: 3 });
  const pattern = fc.constantFrom(
    "^a+$",
    "(?=.*b)",
    "^(?!x)[a-z]{0,3}$",
    "(",
    "\\bx",
    "[",
    "a{3}",
    "^$",
    "(a|b)*c",
    "é|日",
  );
  const word = fc.constantFrom("a", "b", "toString", "__proto__", "constructor", "", 'q"');
  const value = fc.oneof(fc.constantFrom(null, 0, 1, -1, 2, "a", "x", true, [], {}), fc.double({ noNaN: true }));
  const count = fc.oneof(fc.nat(4), value);
  return {
    schema: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>(true, false, {}, null, 7, "x", []),
      fc
        .record(
          {
            type: fc.oneof(fc.constantFrom<unknown>("string", "number", "integer", "object", "array", "null"), value),
            enum: fc.array(value, { maxLength: 3 }),
            const: value,
            minimum: count,
            maximum: count,
            multipleOf: count,
            minLength: count,
            maxLength: count,
            pattern,
            format: fc.constantFrom("date", "uuid", "x", 7),
            items: fc.oneof(tie("schema"), schemas),
            prefixItems: schemas,
            minItems: count,
            maxItems: count,
            uniqueItems: fc.boolean(),
            contains: tie("schema"),
            properties: fc.dictionary(word, tie("schema"), { maxKeys: 3 }),
            patternProperties: fc.dictionary(pattern, tie("schema"), { maxKeys: 2 }),
            propertyNames: tie("schema"),
            additionalProperties: tie("schema"),
            required: fc.array(word, { maxLength: 2 }),
            minProperties: count,
            maxProperties: count,
            dependentRequired: fc.dictionary(word, fc.array(word, { maxLength: 2 }), { maxKeys: 2 }),
            anyOf: schemas,
            oneOf: schemas,
            allOf: schemas,
            not: tie("schema"),
            if: tie("schema"),
            // biome-ignore lint/suspicious/noThenProperty: JSON Schema names it so
            then: tie("schema"),
            else: tie("schema"),
            $ref: fc.constantFrom("#", "#/$defs/a", "#/%", "x", "#/properties/a"),
            $defs: fc.record({ a: tie("schema") }),
            nullable: fc.boolean(),
            "x-note": value,
          },
          { requiredKeys: [] },
        )
        .map((all) =>
          Object.fromEntries(Object.entries(all).filter((_, i) => (i * 7 + JSON.stringify(all).length) % 4 === 0)),
        ),
    ),
  };
}).schema;

/** What is wrong with a value; nothing where Ajv does not take the schema, for something in it that no value ever meets. */
function problems(schema: unknown, value: unknown): string[] {
  try {
    return validate(schema, value);
  } catch {
    return [];
  }
}

/** A form, or null where it is refused as it should be. */
function tried(schema: unknown, lenient: boolean): SchemaForm | null {
  try {
    return compile(schema, lenient);
  } catch (error) {
    expect(error).toBeInstanceOf(EngineError);
    expect((error as EngineError).kind).toBe("invalid");
    expect((error as EngineError).message).toMatch(/^schema: .+$/);
    return null;
  }
}

describe("any schema at all", () => {
  it("is refused in one line or held to, and a finished answer is valid or said not to be", () => {
    let held = 0;
    fc.assert(
      fc.property(anything, fc.nat(), (schema, seed) => {
        const form = tried(schema, false);
        if (!form) return;
        const { text, ended, verdict } = scribbler(form)(seed, 120);
        if (!ended) return;
        held++;
        const value: unknown = JSON.parse(text);
        if (verdict === null) expect(problems(schema, value), `${JSON.stringify(schema)} ← ${text}`).toEqual([]);
      }),
      { seed: 5, numRuns: 250, endOnFailure: true },
    );
    expect(held).toBeGreaterThan(25);
  });

  it("leaves a lenient one with all of it that is supported", () => {
    fc.assert(
      fc.property(anything, fc.nat(), (schema, seed) => {
        const form = tried(schema, true);
        if (form) expect(() => JSON.parse(scribbler(form)(seed, 400).text)).not.toThrow();
      }),
      { seed: 6, numRuns: 60, endOnFailure: true },
    );
    const schema = {
      type: "object",
      properties: { a: { type: "integer", unknown: 1 } },
      required: ["a"],
      $dynamicRef: "#",
    };
    for (let seed = 0; seed < 5; seed++) {
      const { a } = JSON.parse(scribbler(compile(schema, true))(seed, 60).text) as { a: unknown };
      expect(Number.isInteger(a)).toBe(true);
    }
  });
});

describe("while a schema is prepared", () => {
  const ask = (desk: Desk, schema: unknown, maxTokens = 40) =>
    desk.chat({
      messages: [{ role: "user", content: "x" }],
      maxTokens,
      responseFormat: { type: "json_schema", schema },
    });
  const heavy = {
    allOf: Object.values(named(11, (k) => ({ anyOf: [{ required: [`a${k}`] }, { required: [`b${k}`] }] }))),
    type: "object",
  };

  it("others go on, and get their answers", () => {
    const desk = new Desk();
    const slow = ask(desk, heavy);
    const other = desk.chat({ messages: [{ role: "user", content: "hi" }], maxTokens: 2 });
    for (let step = 0; step < 12 && other.finishReason === null; step++) desk.models.step();
    expect(other.finishReason).not.toBeNull();
    expect(slow.finishReason).toBeNull();
  });

  it("whoever leaves ends the work", () => {
    const desk = new Desk();
    const slow = ask(desk, heavy);
    desk.models.step();
    expect(desk.stats.waiting).toBe(1);
    desk.models.cancel(slow.id);
    expect(desk.stats).toMatchObject({ waiting: 0, running: 0 });
    expect(desk.models.step()).toBe(false);
  });

  it("an answer that lacks what could not be held to fails with the reason", () => {
    const desk = new Desk();
    const schema = {
      type: "array",
      items: { type: "string", pattern: "^a?$" },
      uniqueItems: true,
      minItems: 6,
      maxItems: 6,
    };
    const asked = ask(desk, schema, 100);
    desk.run();
    expect(asked.finishReason).toBeNull();
    expect(asked.error).toMatchObject({ kind: "unfulfilled", param: "responseFormat" });
    expect(asked.error!.message).toMatch(/does not satisfy #\/uniqueItems: the same item twice/);
  });

  it("an answer ends where its form does, also where the end of a text is passed over", () => {
    const desk = new Desk();
    const messages = [{ role: "user" as const, content: "A number" }];
    const asked = desk.chat({
      messages,
      maxTokens: 60,
      ignoreEos: true,
      responseFormat: { type: "json_schema", schema: { type: "integer" } },
    });
    desk.run();
    expect(asked.error).toBeNull();
    expect(Number.isInteger(JSON.parse(asked.text))).toBe(true);
  });
});

describe("escapes", () => {
  it.each(["date-time", "uuid", "uri", "email"])("are not written where nobody asked for them: %s", (format) => {
    for (let seed = 0; seed < 10; seed++)
      expect(scribbler(compile({ type: "string", format }))(seed, 80).text).not.toMatch(/\\/);
  });

  it("are those that JSON needs in a pattern of odd characters", () => {
    const scribble = scribbler(compile({ type: "string", pattern: '^["\\\\/\\n\\u0001ab]{8}$' }));
    for (let seed = 0; seed < 20; seed++)
      expect(scribble(seed, 80).text).toMatch(/^"(?:[^\\]|\\["\\nbfrt]|\\u0001)*"$/);
  });
});
