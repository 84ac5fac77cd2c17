/** Whatever the schema, what Minnow answers fits it. */
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../src/infer/index.ts";
import { randomSchema } from "../src/infer/testing/random-schema.ts";
import { validate } from "../src/infer/testing/validate.ts";

describe("Minnow held to random schemas", () => {
  let engine: Engine;
  beforeAll(async () => {
    const dir = fileURLToPath(new URL("../models/minnow", import.meta.url));
    engine = await createEngine({ models: [{ id: "minnow", dir }] });
  });
  afterAll(() => engine.close());

  it("completes 200 prompts, every one with a valid answer", async () => {
    const schemas = fc.sample(randomSchema, { seed: 77, numRuns: 200 });
    const answers = schemas.map(async (schema, seed) => {
      let text = "";
      let reason = "";
      const request = {
        model: "minnow",
        messages: [{ role: "user" as const, content: `Tell me about number ${seed}.` }],
        responseFormat: { type: "json_schema" as const, schema },
        temperature: seed % 3 === 0 ? 0 : 1,
        maxTokens: 500,
        seed,
      };
      for await (const event of engine.chat(request)) {
        if (event.type === "text") text += event.text;
        if (event.type === "end") reason = event.finishReason;
      }
      expect(reason, text).toBe("stop");
      expect(validate(schema, JSON.parse(text)), `${JSON.stringify(schema)} ← ${text}`).toEqual([]);
      return text;
    });
    const texts = await Promise.all(answers);
    // Random schemas are not all the same trivial one.
    expect(new Set(texts).size).toBeGreaterThan(100);
  });
});
