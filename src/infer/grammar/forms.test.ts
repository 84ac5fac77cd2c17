import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { loadTokenizer, ReplyParser } from "../../text/index.ts";
import type { ChatRequest } from "../engine.ts";
import { Desk, MINNOW } from "../testing/ask.ts";
import { validate } from "../testing/validate.ts";
import { Forms } from "./forms.ts";

const weather = {
  name: "get_weather",
  description: "What the weather is like.",
  parameters: {
    type: "object",
    properties: { city: { type: "string", minLength: 1, maxLength: 12 }, unit: { enum: ["C", "F"] } },
    required: ["city", "unit"],
    additionalProperties: false,
  },
  strict: true,
};
const clock = {
  name: "clock",
  parameters: { type: "object", properties: { zone: { type: "integer" } }, required: ["zone"] },
};
const tools = [weather, clock];
const messages = [{ role: "user" as const, content: "How is the weather?" }];

/** Answers to one conversation with several seeds. */
function answers(request: Partial<ChatRequest>, seeds = 4) {
  const desk = new Desk();
  const asked = Array.from({ length: seeds }, (_, seed) =>
    desk.chat({ messages, seed, temperature: 1.2, maxTokens: 400, ...request }),
  );
  desk.run();
  for (const { error } of asked) expect(error).toBeNull();
  return asked;
}

describe("calls of tools", () => {
  it("that are required are all there is, and what their tools take", () => {
    for (const { text, calls, finishReason } of answers({ tools, toolChoice: "required" })) {
      expect(text).toBe("");
      expect(finishReason).toBe("tool_calls");
      expect(calls.length).toBeGreaterThan(0);
      for (const call of calls) {
        expect(call.id).toMatch(/^call_[0-9a-f]{24}$/);
        const { parameters } = tools.find(({ name }) => name === call.name)!;
        expect(validate(parameters, JSON.parse(call.arguments)), call.arguments).toEqual([]);
      }
    }
  });

  it("by name are one call of that tool", () => {
    for (const { calls } of answers({ tools, toolChoice: { name: "clock" } })) {
      expect(calls).toHaveLength(1);
      expect(calls[0].name).toBe("clock");
      expect(validate(clock.parameters, JSON.parse(calls[0].arguments))).toEqual([]);
    }
  });

  it("are held to their form as soon as the model begins one by itself", () => {
    const tokenizer = loadTokenizer(MINNOW);
    const constraint = new Forms(tokenizer, [1]).callsIfAny({ tools, one: false });
    const random = new Random(5);
    const ids = [...tokenizer.encode("Let me see. <｜tool▁calls▁begin｜>", { special: "text" })];
    for (const id of ids) {
      expect(constraint.mask(500)).toBeNull();
      constraint.took(id);
    }
    for (let left = 500; !constraint.done; left--) {
      const mask = constraint.mask(left)!;
      const allowed = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter(
        (id) => mask[id >> 5] & (1 << (id & 31)),
      );
      const id = allowed[random.below(allowed.length)];
      ids.push(id);
      constraint.took(id);
    }
    const text = tokenizer.decode(ids);
    const parts = new ReplyParser({ begins: "answer", calls: true, newId: () => "id" }).push(text);
    expect(parts[0]).toEqual({ type: "text", text: "Let me see. " });
    const calls = parts.filter((part) => part.type === "tool_call");
    for (const name of calls.flatMap(({ name }) => name ?? [])) expect(["get_weather", "clock"]).toContain(name);
    expect(text.endsWith("<｜tool▁calls▁end｜>")).toBe(true);
  });

  it("are no calls where none are allowed", () => {
    for (const { calls } of answers({ tools, toolChoice: "none", maxTokens: 20 })) expect(calls).toEqual([]);
  });

  it.each<[Partial<ChatRequest>, RegExp]>([
    [{ tools: [{ name: "a b" }] }, /tools\[0\]\.name/],
    [{ tools: [clock, clock] }, /two tools are named "clock"/],
    [{ tools, toolChoice: { name: "other" } }, /there is no tool "other"/],
    [{ toolChoice: "required" }, /there are no tools/],
    [
      { tools: [{ ...weather, parameters: { $ref: "x" } }], toolChoice: "required" },
      /^tools\[0\]\.parameters: #\/\$ref/,
    ],
    [{ tools: [clock, { ...weather, parameters: { not: {} } }] }, /^tools\[1\]\.parameters: nothing satisfies it/],
    [{ messages, continueFinal: true }, /the last must be the assistant's/],
    [{ messages: [] }, /messages: give at least one/],
  ])("refused: %j", (request, message) => {
    const ask = () => {
      const desk = new Desk();
      const { error } = desk.chat({ messages, ...request });
      desk.run();
      if (error) throw new Error(error.message);
    };
    expect(ask).toThrow(message);
  });
});

describe("response formats", () => {
  it("an object is one", () => {
    for (const { text, finishReason } of answers({ responseFormat: { type: "json_object" }, maxTokens: 60 })) {
      expect(finishReason).toBe("stop");
      expect(validate({ type: "object" }, JSON.parse(text)), text).toEqual([]);
    }
  });

  it("a schema holds in every answer, with as many tokens as the shortest one needs or more", () => {
    const schema = {
      type: "object",
      properties: {
        name: { type: "string", maxLength: 30 },
        age: { type: "integer", minimum: 0, maximum: 150 },
        tags: { type: "array", items: { enum: ["red", "green"] }, maxItems: 3 },
      },
      required: ["name", "age", "tags"],
      additionalProperties: false,
    };
    const least = '{"name":"","age":1,"tags":[]}'.length;
    for (const maxTokens of [least, 60]) {
      for (const { text, finishReason } of answers({ responseFormat: { type: "json_schema", schema }, maxTokens })) {
        expect(validate(schema, JSON.parse(text)), text).toEqual([]);
        expect(finishReason).toBe("stop");
      }
    }
  });

  it("with tools, an answer is a call or of the format", () => {
    for (const { text, calls } of answers({ tools, responseFormat: { type: "json_object" } })) {
      if (calls.length === 0) expect(validate({ type: "object" }, JSON.parse(text))).toEqual([]);
      else expect(text).toBe("");
    }
  });

  it("hold completions too", () => {
    const desk = new Desk();
    const asked = desk.complete({
      prompt: "A number: ",
      responseFormat: { type: "json_schema", schema: { type: "integer" } },
    });
    desk.run();
    expect(Number.isInteger(JSON.parse(asked.text))).toBe(true);
  });
});
