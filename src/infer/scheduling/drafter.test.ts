import { describe, expect, it } from "vitest";
import { Desk, MINNOW_ROW_BYTES, minnowConfig } from "../testing/ask.ts";

const prompts = ["Once upon a time there was", "The answer is", "def f(x):"];

/** Answers to some prompts at once, with and without guesses. */
function answers(settings: object, spec: { cacheBytes?: number } = {}) {
  return [false, true].map((draft) => {
    const desk = new Desk({ prefillTokens: 16 }, { dtype: "f32", ...spec });
    const asked = prompts.map((prompt) =>
      desk.complete({ prompt, topLogprobs: 0, ignoreEos: true, draft, ...settings }),
    );
    desk.run();
    return { asked, stats: desk.stats };
  });
}

describe("guesses ahead", () => {
  it.each<[string, object]>([
    ["greedy", { temperature: 0, maxTokens: 40 }],
    ["sampled", { temperature: 0.8, topP: 0.95, seed: 7, maxTokens: 40 }],
    [
      "sampled from all tokens, with penalties",
      { temperature: 1, topP: 1, seed: 8, presencePenalty: 1, maxTokens: 30 },
    ],
    ["of an odd length", { temperature: 0, maxTokens: 7 }],
  ])("%s: the text is the same, in fewer passes", (_, settings) => {
    const [plain, drafted] = answers(settings);
    drafted.asked.forEach((one, i) => {
      expect(one.ids).toEqual(plain.asked[i].ids);
      const { draftedTokens, acceptedTokens, completionTokens } = one.usage;
      expect(draftedTokens).toBeGreaterThan(0);
      expect(acceptedTokens).toBeLessThanOrEqual(draftedTokens);
      expect(one.tokens.filter((token) => token.drafted)).toHaveLength(acceptedTokens);
      expect(completionTokens).toBe(plain.asked[i].usage.completionTokens);
      expect(plain.asked[i].usage.draftedTokens).toBe(0);
    });
    expect(drafted.stats.acceptedTokens).toBeGreaterThan(0);
    expect(drafted.stats.draftedTokens).toBe(drafted.asked.reduce((sum, { usage }) => sum + usage.draftedTokens, 0));
  });

  it("hold where sequences give their rows up for each other", () => {
    const [plain, drafted] = answers({ temperature: 0, maxTokens: 60 }, { cacheBytes: 100 * MINNOW_ROW_BYTES });
    expect(drafted.asked.map(({ ids }) => ids)).toEqual(plain.asked.map(({ ids }) => ids));
    expect(drafted.stats).toMatchObject({ running: 0, usedRows: 0, cacheRows: 100 });
  });

  it("hold where the answer is held to a form", () => {
    const responseFormat = {
      type: "json_schema" as const,
      schema: { type: "array", items: { type: "integer" }, minItems: 3 },
    };
    const [plain, drafted] = answers({ temperature: 0.9, seed: 3, maxTokens: 40, responseFormat });
    expect(drafted.asked.map(({ text }) => text)).toEqual(plain.asked.map(({ text }) => text));
    for (const { text } of drafted.asked) expect(JSON.parse(text).length).toBeGreaterThanOrEqual(3);
  });

  it("go on to the end of the context", () => {
    const desk = new Desk({}, { dtype: "f32" });
    const prompt = Array.from({ length: minnowConfig.maxPositionEmbeddings - 24 }, (_, i) => 50 + (i % 7));
    const asked = desk.complete({ prompt, temperature: 0, ignoreEos: true, draft: true, topLogprobs: 0 });
    desk.run();
    expect(asked.usage.completionTokens).toBe(24);
    expect(asked.finishReason).toBe("length");
  });
});
