/** Schemas as people get them from their tools: each is held to, or refused with a reason. */
import { zodResponseFormat } from "openai/helpers/zod";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { GENERATED } from "../testing/schemas/generators.ts";
import { ZOD_TYPES } from "../testing/schemas/zod-types.ts";
import { compile, scribbler } from "../testing/scribble.ts";
import { validate } from "../testing/validate.ts";

/** Types whose JSON Schema says less than Zod checks, or whose answer Zod takes only before a change. */
const SAYS_LESS = new Set(["jwt", "stringbool", "url of a host", "httpUrl"]);
/** A pattern that is too large to be held together with the format that Zod writes beside it, which it replaces. */
const PATTERN_ALONE = new Set(["unicode email"]);

let answers = 0;

function* drawn(schema: unknown, count: number, most = 150): Generator<unknown> {
  const scribble = scribbler(compile(schema));
  for (let seed = 0; seed < count; seed++) {
    const { text, verdict, ended } = scribble(seed, most);
    expect(ended, text).toBe(true);
    expect(verdict).toBeNull();
    answers++;
    yield JSON.parse(text);
  }
}

/** As the openai client sends it, or, of what it does not send, as the AI SDK does. */
function wrapped(type: z.ZodType): unknown {
  const object = z.object({ v: type });
  try {
    return zodResponseFormat(object, "x").json_schema.schema;
  } catch {
    return z.toJSONSchema(object, { target: "draft-7", io: "input" });
  }
}

describe("every type of Zod", () => {
  it.each(Object.entries(ZOD_TYPES))("%s", (name, type) => {
    const checkFormats = !PATTERN_ALONE.has(name);
    const own = z.toJSONSchema(type);
    for (const value of drawn(own, 2)) {
      if (checkFormats) expect(validate(own, value), JSON.stringify(value)).toEqual([]);
      if (!SAYS_LESS.has(name)) expect(type.safeParse(value).error?.message).toBeUndefined();
    }
    const inside = wrapped(type);
    for (const value of drawn(inside, 1)) if (checkFormats) expect(validate(inside, value)).toEqual([]);
  });

  it("and some 300 answers are valid", () => {
    expect(answers).toBeGreaterThan(280);
  });
});

describe("what other generators print", () => {
  it.each(Object.entries(GENERATED))("%s", (_, schema) => {
    for (const value of drawn(schema, 4, 900)) expect(validate(schema, value), JSON.stringify(value)).toEqual([]);
  });
});
