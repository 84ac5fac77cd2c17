import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { generate } from "../generate.ts";
import { loadModel } from "../model.ts";
import { score } from "../score.ts";
import { Desk, MINNOW, MINNOW_ROW_BYTES, minnowConfig } from "../testing/ask.ts";

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

describe("the scheduler", () => {
  it("gives the tokens that generation by itself gives", async () => {
    const model = loadModel(MINNOW, { dtype: "f32" });
    for (const prompt of prompts.slice(0, 3)) {
      const tokens = generate(model, model.tokenizer.encode(prompt, { addBos: true }), greedy);
      let next = await tokens.next();
      while (!next.done) next = await tokens.next();
      expect(alone(prompt).ids).toEqual(next.value.ids);
      expect(alone(prompt).text).toBe(next.value.text);
    }
  });

  it("gives each of many requests what it gets alone, whenever they come", () => {
    const desk = new Desk({ prefillTokens: 20 }, { dtype: "f32" });
    const asked = prompts.map((prompt) => {
      const one = desk.complete({ prompt, ...greedy });
      desk.models.step();
      desk.models.step();
      return one;
    });
    desk.run();
    prompts.forEach((prompt, i) => {
      const one = alone(prompt);
      expect(asked[i].ids, prompt).toEqual(one.ids);
      expect(asked[i].text).toBe(one.text);
      expect(asked[i].finishReason).toBe(one.finishReason);
    });
    expect(desk.stats).toMatchObject({ running: 0, waiting: 0, usedRows: 0, requests: prompts.length });
  });

  it("draws the same for the same seed, alone or among others", () => {
    const settings = { temperature: 1, topP: 0.9, maxTokens: 20, topLogprobs: 0 };
    const desk = new Desk({}, { dtype: "f32" });
    const asked = [3, 4, 3, 5, 3].map((seed) => desk.complete({ prompt: prompts[0], seed, ...settings }));
    desk.run();
    const texts = asked.map(({ text }) => text);
    expect(texts[2]).toBe(texts[0]);
    expect(texts[4]).toBe(texts[0]);
    expect(new Set(texts).size).toBe(3);
    expect(alone(prompts[0], { seed: 3, ...settings }).text).toBe(texts[0]);
  });

  it("computes a shared beginning once, and goes on from it with the same tokens", () => {
    const desk = new Desk({}, { dtype: "f32" });
    const first = desk.complete({ prompt: prompts[5], ...greedy });
    desk.run();
    const again = desk.complete({ prompt: prompts[5], ...greedy });
    const longer = desk.complete({ prompt: `${prompts[5]} ${first.text}`, ...greedy });
    desk.run();
    expect(first.usage.cachedTokens).toBe(0);
    expect(again.usage.cachedTokens).toBe(again.usage.promptTokens - 1);
    expect(longer.usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens - 1);
    expect(again.ids).toEqual(first.ids);
    expect(longer.ids).toEqual(alone(`${prompts[5]} ${first.text}`).ids);
    expect(desk.stats.cachedTokens).toBe(again.usage.cachedTokens + longer.usage.cachedTokens);
    expect(desk.stats.keptRows).toBeGreaterThan(0);
  });

  it("finds a beginning again only for whom it belongs to", () => {
    const desk = new Desk({}, { dtype: "f32" });
    const ask = (scope?: string) => desk.complete({ prompt: prompts[5], ...greedy, scope });
    const first = ask("ada");
    for (let i = 0; i < 4; i++) desk.models.step();
    const beside = ask("bob");
    desk.run();
    const later = [ask("ada"), ask("bob"), ask("eve"), ask()];
    desk.run();
    const most = first.usage.promptTokens - 1;
    expect([first, beside, ...later].map(({ usage }) => usage.cachedTokens)).toEqual([0, 0, most, most, 0, 0]);
    for (const { ids } of [beside, ...later]) expect(ids).toEqual(first.ids);
  });

  it("takes over rows of a sequence that is still running", () => {
    const desk = new Desk({}, { dtype: "f32" });
    const first = desk.complete({ prompt: prompts[5], ...greedy, maxTokens: 60, ignoreEos: true });
    for (let i = 0; i < 10; i++) desk.models.step();
    const second = desk.complete({ prompt: prompts[5], ...greedy });
    desk.run();
    expect(second.usage.cachedTokens).toBe(second.usage.promptTokens - 1);
    expect(second.ids).toEqual(first.ids.slice(0, second.ids.length));
  });

  it("reads a prompt once that many ask at the same time", () => {
    const desk = new Desk({}, { dtype: "f32" });
    const prompt = Array.from({ length: 200 }, (_, i) => 100 + ((i * 7) % 3000));
    const asked = [1, 2, 3, 4].map(() => desk.complete({ prompt, ...greedy }));
    desk.run();
    expect(asked.map(({ usage }) => usage.cachedTokens)).toEqual([0, 199, 199, 199]);
    for (const { ids } of asked) expect(ids).toEqual(asked[0].ids);
  });

  it("lets sequences give their rows up for older ones when there are too few, and go on later with the same tokens", () => {
    // Room for some 120 tokens: two of these at most.
    const desk = new Desk({}, { dtype: "f32", cacheBytes: 120 * MINNOW_ROW_BYTES });
    const settings = { ...greedy, maxTokens: 60, ignoreEos: true };
    const asked = prompts.slice(0, 5).map((prompt) => desk.complete({ prompt, ...settings }));
    desk.run();
    asked.forEach((one, i) => {
      expect(one.ids).toEqual(alone(prompts[i], settings).ids);
    });
    expect(desk.stats).toMatchObject({ running: 0, waiting: 0, usedRows: 0, cacheRows: 120 });
  });

  it("frees a cancelled request's place and rows at once, and tells that it ended", () => {
    const desk = new Desk({ maxRunning: 2 });
    const asked = prompts.slice(0, 4).map((prompt) => desk.complete({ prompt, maxTokens: 200, ignoreEos: true }));
    for (let i = 0; i < 5; i++) desk.models.step();
    expect(desk.stats).toMatchObject({ running: 2, waiting: 2 });
    for (const { id } of asked) desk.models.cancel(id);
    expect(desk.stats).toMatchObject({ running: 0, waiting: 0, usedRows: 0, aborted: 4 });
    expect(desk.models.step()).toBe(false);
    for (const { finishReason } of asked) expect(finishReason).toBe("abort");
    expect(asked[0].usage.completionTokens).toBeGreaterThan(0);
    expect(asked[3].usage.completionTokens).toBe(0);
    desk.models.cancel(asked[0].id);
    expect(desk.stats.aborted).toBe(4);
  });

  it("refuses what the queue has no room for, and says when to come again", () => {
    const desk = new Desk({ maxRunning: 1, maxWaiting: 2 });
    const first = desk.complete({ prompt: "A", maxTokens: 30 });
    desk.models.step();
    for (let i = 0; i < 2; i++) desk.complete({ prompt: "B", maxTokens: 3 });
    expect(() => desk.complete({ prompt: "C", maxTokens: 3 })).toThrow(
      expect.objectContaining({ kind: "overloaded", retryAfter: expect.any(Number) }),
    );
    expect(desk.stats).toMatchObject({ running: 1, waiting: 2, refused: 1 });
    desk.run();
    expect(first.finishReason).not.toBeNull();
    expect(desk.complete({ prompt: "C", maxTokens: 3 }).error).toBeNull();
  });

  it("lets clients take turns", () => {
    const desk = new Desk({ maxRunning: 1 });
    const many = Array.from({ length: 5 }, () => desk.complete({ prompt: "A", maxTokens: 4, client: "many" }));
    const one = desk.complete({ prompt: "B", maxTokens: 4, client: "one" });
    while (!one.finishReason) desk.models.step();
    expect(many.filter(({ finishReason }) => finishReason !== null)).toHaveLength(1);
    desk.run();
    for (const { finishReason } of many) expect(finishReason).not.toBeNull();
  });

  it("answers a short prompt, and goes on with streams, while a long one is read", () => {
    const desk = new Desk({ prefillTokens: 32 });
    const stream = desk.complete({ prompt: "A", maxTokens: 300, ignoreEos: true });
    for (let i = 0; i < 3; i++) desk.models.step();
    const long = desk.complete({ prompt: Array.from({ length: 800 }, (_, i) => 100 + (i % 3000)), maxTokens: 5 });
    const short = desk.complete({ prompt: "B", maxTokens: 5, ignoreEos: true });
    const before = stream.events.length;
    for (let i = 0; i < 8; i++) desk.models.step();
    expect(short.finishReason).toBe("length");
    expect(long.events).toHaveLength(0);
    expect(stream.events.length - before).toBeGreaterThan(3);
    desk.run();
    expect(long.finishReason).not.toBeNull();
  });

  it("ends at stop strings that lie across tokens, and passes nothing of them on", () => {
    const full = alone(prompts[0], { ...greedy, maxTokens: 40 });
    const from = Math.floor(full.text.length / 2);
    const stop = full.text.slice(from, from + 7);
    const stopped = alone(prompts[0], { ...greedy, maxTokens: 40, stop: [stop] });
    expect(stopped.text).toBe(full.text.slice(0, full.text.indexOf(stop)));
    expect(stopped.finishReason).toBe("stop");
  });

  it("reports log probabilities of prompt and answer as scoring does", () => {
    const model = loadModel(MINNOW, { dtype: "f32" });
    const asked = alone(prompts[5], { ...greedy, maxTokens: 5, topLogprobs: 3 });
    const desk = new Desk({}, { dtype: "f32" });
    const echoed = desk.complete({ prompt: prompts[5], echo: true, temperature: 0, maxTokens: 5, topLogprobs: 3 });
    desk.run();
    const prompt = echoed.events.flatMap((event) => (event.type === "prompt" ? event.tokens : []));
    const ids = [...model.tokenizer.encode(prompts[5], { addBos: true }), ...(asked.ids as number[])];
    const expected = score(model, ids).logprobs;
    const got = [null, ...prompt.map(({ logprob }) => logprob), ...asked.tokens.map(({ logprob }) => logprob)];
    expect(got).toHaveLength(expected.length);
    got.forEach((logprob, i) => {
      if (i > 0) expect(logprob).toBeCloseTo(expected[i]!, 3);
    });
    for (const { top, logprob } of asked.tokens) {
      expect(top).toHaveLength(3);
      expect(top[0].logprob).toBe(logprob);
      expect(top[1].logprob).toBeLessThanOrEqual(top[0].logprob);
    }
  });

  it("reports which experts fired", () => {
    const { numHiddenLayers, firstKDenseReplace, nRoutedExperts, numExpertsPerTok } = minnowConfig;
    const asked = alone("A", { ...greedy, maxTokens: 3, experts: true });
    for (const { experts } of asked.tokens) {
      expect(experts).toHaveLength(numHiddenLayers - firstKDenseReplace);
      for (const chosen of experts!) {
        expect(new Set(chosen).size).toBe(numExpertsPerTok);
        for (const expert of chosen) expect(expert >= 0 && expert < nRoutedExperts).toBe(true);
      }
    }
  });

  it("serves nothing but the prompt where no tokens are asked for", () => {
    const asked = alone("Once upon", { maxTokens: 0, echo: true });
    expect(asked.events.map(({ type }) => type)).toEqual(["start", "prompt", "end"]);
    expect(asked.finishReason).toBe("length");
    expect(asked.usage.completionTokens).toBe(0);
  });
});

describe("what is refused", () => {
  const desk = new Desk();
  it.each<[string, object, object]>([
    ["no prompt", { prompt: [] }, { kind: "invalid", param: "prompt" }],
    ["an id beyond the vocabulary", { prompt: [1, 4096] }, { kind: "invalid", param: "prompt" }],
    ["half an id", { prompt: [1, 0.5] }, { kind: "invalid", param: "prompt" }],
    [
      "a prompt without room for an answer",
      { prompt: Array(minnowConfig.maxPositionEmbeddings).fill(9) },
      { kind: "context_length", param: "prompt" },
    ],
    ["an unknown model", { prompt: "A", model: "other" }, { kind: "not_found", param: "model" }],
    ["no temperature", { prompt: "A", temperature: Number.NaN }, { kind: "invalid", param: "temperature" }],
    ["fewer tokens than none", { prompt: "A", maxTokens: -1 }, { kind: "invalid", param: "maxTokens" }],
    ["too many alternatives", { prompt: "A", topLogprobs: 21 }, { kind: "invalid", param: "topLogprobs" }],
    ["a bias on no token", { prompt: "A", logitBias: { 5000: 1 } }, { kind: "invalid", param: "logitBias" }],
    ["too many stops", { prompt: "A", stop: Array(17).fill("x") }, { kind: "invalid", param: "stop" }],
    [
      "a schema that cannot be kept to",
      { prompt: "A", responseFormat: { type: "json_schema", schema: { not: {} } } },
      { kind: "invalid", param: "responseFormat" },
    ],
  ])("%s", (_, request, error) => {
    expect(() => desk.complete(request as never)).toThrow(expect.objectContaining(error));
    expect(desk.stats).toMatchObject({ running: 0, waiting: 0 });
  });
});

describe("settings", () => {
  const base = { prompt: "The", temperature: 0, maxTokens: 20, ignoreEos: true, topLogprobs: 0 };
  it("a bias bans and forces", () => {
    const free = alone("The", base);
    const first = free.ids[0]!;
    expect(alone("The", { ...base, logitBias: { [first]: -100 } }).ids).not.toContain(first);
    expect(new Set(alone("The", { ...base, logitBias: { 300: 100 } }).ids)).toEqual(new Set([300]));
  });

  it("penalties keep tokens from coming again", () => {
    const forced = { ...base, logitBias: { 300: 50, 301: 48.5 } };
    expect(new Set(alone("The", { ...forced, logitBias: { 300: 50 } }).ids)).toEqual(new Set([300]));
    const { ids } = alone("The", { ...forced, frequencyPenalty: 2 });
    expect(ids.filter((id) => id === 300).length).toBeLessThan(15);
    expect(new Set(ids).size).toBeGreaterThan(1);
  });
});

describe("under whatever comes", () => {
  it("rows are never lost, and everybody is answered or told", () => {
    const random = new Random(17);
    const desk = new Desk(
      { maxRunning: 6, maxWaiting: 8, prefillTokens: 48 },
      { dtype: "int8", cacheBytes: 400 * 8 * 80 * 2 },
    );
    const asked: ReturnType<Desk["complete"]>[] = [];
    let refused = 0;
    for (let i = 0; i < 600; i++) {
      const what = random.below(10);
      if (what < 3) {
        const prompt = `${prompts[random.below(prompts.length)]} ${"and so on ".repeat(random.below(9))}`;
        const settings = {
          seed: i,
          maxTokens: 1 + random.below(60),
          draft: random.below(2) === 0,
          client: `${random.below(3)}`,
        };
        try {
          asked.push(desk.complete({ prompt, ignoreEos: true, ...settings }));
        } catch {
          refused++;
        }
      } else if (what === 3 && asked.length > 0) desk.models.cancel(asked[random.below(asked.length)].id);
      else desk.models.step();
      const { usedRows, keptRows, cacheRows } = desk.stats;
      expect(usedRows + keptRows).toBeLessThanOrEqual(cacheRows);
    }
    desk.run();
    expect(desk.stats).toMatchObject({ running: 0, waiting: 0, usedRows: 0, refused, requests: asked.length });
    expect(desk.stats.aborted).toBe(asked.filter(({ finishReason }) => finishReason === "abort").length);
    for (const one of asked) {
      expect(one.error).toBeNull();
      expect(one.finishReason).not.toBeNull();
      if (one.finishReason === "length") expect(one.usage.completionTokens).toBeGreaterThan(0);
    }
  });
});
