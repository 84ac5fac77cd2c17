import { describe, expect, it, vi } from "vitest";
import { KvCache } from "../kv-cache/kv-cache.ts";
import { Desk, loadedModel } from "../testing/ask.ts";

const prompts = [
  "Once upon a time",
  "The sea was calm and the little boat",
  "def add(a, b):",
  "Question: what is 3 + 4? Answer:",
  "A",
  "In the morning, before anybody else was awake, the old man went down to the harbour to look for his net. He had lost it",
];
const greedy = { temperature: 0, maxTokens: 24, topLogprobs: 0 };

/** Each prompt by itself, nothing cached before. */
function alone(prompt: string, settings: object = greedy) {
  const desk = new Desk({}, { dtype: "f32" });
  const asked = desk.complete({ prompt, ...settings });
  desk.run();
  return asked;
}

describe("a scheduler", () => {
  it("ends only the request that a pass cannot compute, at any place, and gives the others what they get alone", () => {
    const settings = { ...greedy, maxTokens: 12 };
    const expected = [0, 1, 3].map((i) => alone(prompts[i], settings));
    for (const poisoned of [{ prompt: [5, 6, 7] }, { prompt: [5, 6, 7], echo: true, topLogprobs: 1 }]) {
      const desk = new Desk({}, { dtype: "f32", cache: "f32" });
      const { transformer } = loadedModel({ dtype: "f32", cache: "f32" });
      const forward = transformer.forwardCached.bind(transformer);
      const spy = vi.spyOn(transformer, "forwardCached").mockImplementation((...args) => {
        if (args[1].includes(7) && args[1].includes(6)) throw new RangeError("broken");
        return forward(...args);
      });
      const first = desk.complete({ prompt: prompts[0], ...settings });
      desk.models.step();
      desk.models.step();
      const bad = desk.complete({ ...settings, ...poisoned });
      const later = [1, 3].map((i) => desk.complete({ prompt: prompts[i], ...settings }));
      desk.run();
      spy.mockRestore();
      expect(bad.error).toMatchObject({ kind: "internal", message: "broken" });
      expect([first, ...later].map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids));
      expect(desk.stats).toMatchObject({ running: 0, waiting: 0, usedRows: 0 });
      expect(desk.complete({ prompt: prompts[0], ...settings }).error).toBeNull();
      desk.run();
    }
  });

  it("tells everybody where the work between passes fails, and goes on with the next", () => {
    const desk = new Desk({}, { dtype: "f32" });
    const first = desk.complete({ prompt: prompts[0], ...greedy });
    desk.models.step();
    const spy = vi.spyOn(KvCache.prototype, "place").mockImplementation(() => {
      throw new Error("no rows");
    });
    const second = desk.complete({ prompt: prompts[1], ...greedy });
    desk.run();
    spy.mockRestore();
    for (const { error } of [first, second]) expect(error).toMatchObject({ kind: "internal", message: "no rows" });
    const third = desk.complete({ prompt: prompts[0], ...greedy });
    desk.run();
    expect(third.ids).toEqual(alone(prompts[0]).ids);
  });

  it("refuses prompts that do not fit before anything is computed, scored ones included", () => {
    const desk = new Desk({}, { dtype: "f32" });
    const { context } = desk.models.models[0];
    const ids = (length: number) => Array.from({ length }, (_, i) => 100 + (i % 50));
    const long = [
      { prompt: ids(context! + 1), maxTokens: 0, echo: true },
      { prompt: ids(context!), maxTokens: 1 },
      { prompt: "a ".repeat(3000), maxTokens: 0, echo: true, topLogprobs: 1 },
      { prompt: "x".repeat(8 << 20), maxTokens: 4 },
    ];
    for (const request of long)
      expect(() => desk.complete(request)).toThrowError(expect.objectContaining({ kind: "context_length" }));
    const messages = [{ role: "user" as const, content: "很".repeat(1 << 20) }];
    expect(() => desk.chat({ messages })).toThrowError(expect.objectContaining({ kind: "context_length" }));
    const whole = desk.complete({ prompt: ids(context!), maxTokens: 0, echo: true, topLogprobs: 0 });
    desk.run();
    expect(whole).toMatchObject({ error: null, finishReason: "length" });
  });

  it("calls one tool where more are not wanted, whichever way it comes to call", () => {
    const desk = new Desk({}, { dtype: "f32" });
    const parameters = {
      type: "object",
      properties: { c: { type: "boolean" } },
      required: ["c"],
      additionalProperties: false,
    };
    const messages = [{ role: "user" as const, content: "Call b" }];
    const asked = Array.from({ length: 12 }, (_, seed) =>
      desk.chat({
        ...{ messages, seed, temperature: 1.5, maxTokens: 400, tools: [{ name: "b", parameters }] },
        ...{ toolChoice: "required" as const, parallelToolCalls: seed % 2 === 0 ? false : undefined },
      }),
    );
    desk.run();
    for (const [seed, { calls, finishReason, text }] of asked.entries()) {
      if (seed % 2 === 0) expect(calls).toHaveLength(1);
      expect(finishReason).toBe("tool_calls");
      expect(text).toBe("");
    }
  });
});
