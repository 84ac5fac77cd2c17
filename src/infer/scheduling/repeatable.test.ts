/** The same request gives the same text, whatever the cache holds of its prompt. */
import { describe, expect, it } from "vitest";
import { availableIsas } from "../../tensor/index.ts";
import { Desk } from "../testing/ask.ts";

const words = (count: number, step = 7919) => Array.from({ length: count }, (_, i) => 50 + ((i * step) % 4000));
const greedy = { temperature: 0, maxTokens: 4, ignoreEos: true, topLogprobs: 2 };

type Spec = Pick<NonNullable<ConstructorParameters<typeof Desk>[1]>, "dtype" | "cache">;
type Isa = ReturnType<typeof availableIsas>[number];

/** What a request gives, to the last bit, after others by themselves, one after the other. */
function answerAfter(history: object[], request: { prompt: number[] }, spec: Spec, isa?: Isa) {
  const desk = new Desk({ isa }, spec);
  for (const former of history) {
    desk.complete({ ...greedy, ...request, ...former });
    desk.run();
  }
  const asked = desk.complete({ ...greedy, ...request });
  desk.run();
  const tokens = asked.tokens.map(({ id, logprob, top }) => [id, logprob, top.map((rival) => rival.logprob)]);
  return { tokens, cached: asked.usage.cachedTokens, ids: asked.ids };
}

/** What a cache may hold of a prompt: all of it, its beginning, a turn with its reply, what was drawn or drafted, and what goes on otherwise. */
const historiesOf = (prompt: number[]) => [
  [{}],
  [{ prompt: prompt.slice(0, Math.ceil(prompt.length * 0.7)) }, { prompt: [...prompt, ...words(30, 31)], draft: true }],
  [
    { prompt: prompt.slice(0, Math.ceil(prompt.length / 2)), maxTokens: 20 },
    { temperature: 1 },
    { prompt: [...prompt.slice(0, Math.ceil(prompt.length * 0.95)), ...words(40, 77)] },
  ],
];

function expectSame(prompt: number[], spec: Spec, isa?: Isa): number {
  const cold = answerAfter([], { prompt }, spec, isa);
  let cached = 0;
  for (const history of historiesOf(prompt)) {
    const warm = answerAfter(history, { prompt }, spec, isa);
    cached += warm.cached;
    expect(warm.tokens).toEqual(cold.tokens);
  }
  return cached;
}

describe("a warm prompt", () => {
  const grid = (["f32", "bf16", "int8", "int4"] as const).flatMap((dtype) =>
    (["f32", "bf16", "int8"] as const).map((cache): [string, Spec] => [`${dtype} over ${cache}`, { dtype, cache }]),
  );

  it.each(grid.slice(1))("%s: gives the log probabilities of a cold one, to the bit", (_, spec) => {
    expect(expectSame(words(280), spec)).toBeGreaterThan(280);
  });

  it.each(availableIsas().filter((isa) => isa !== "reference"))("on %s, too", (isa) => {
    expect(expectSame(words(300), { dtype: "bf16" }, isa)).toBeGreaterThan(0);
    expect(expectSame(words(140), { dtype: "int8", cache: "int8" }, isa)).toBeGreaterThan(0);
  });

  it("is as good as a cold one where it is as short as a step of decoding, or hardly longer", () => {
    for (const length of [5, 20, 33, 40, 65, 70]) expectSame(words(length), { dtype: "bf16" });
  });

  it("f32 throughout: gives the text of a cold one, and its log probabilities but for the rounding of f32", () => {
    const prompt = words(280);
    const spec: Spec = { dtype: "f32", cache: "f32" };
    const cold = answerAfter([], { prompt }, spec);
    for (const history of historiesOf(prompt)) {
      const warm = answerAfter(history, { prompt }, spec);
      expect(warm.ids).toEqual(cold.ids);
      warm.tokens.forEach(([, logprob], i) => {
        expect(logprob).toBeCloseTo(cold.tokens[i][1] as number, 4);
      });
    }
  });

  it("goes on with a conversation as if it were read anew", () => {
    const first = words(60);
    const reply = answerAfter([], { prompt: first }, { dtype: "bf16" }).ids as number[];
    const prompt = [...first, ...reply, ...words(50, 13)];
    const cold = answerAfter([], { prompt }, { dtype: "bf16" });
    const warm = answerAfter([{ prompt: first }], { prompt }, { dtype: "bf16" });
    expect(warm.tokens).toEqual(cold.tokens);
  });

  it("takes over every row, replies included, where nothing has to come again", () => {
    const desk = new Desk({}, { dtype: "bf16" });
    const free = { maxTokens: 30, ignoreEos: true, topLogprobs: 0 };
    const first = desk.complete({ prompt: words(60), ...free });
    desk.run();
    const next = desk.complete({ prompt: [...words(60), ...(first.ids as number[]), 77], ...free });
    const seeded = desk.complete({ prompt: [...words(60), ...(first.ids as number[]), 77], ...free, seed: 1 });
    desk.run();
    expect(next.usage.cachedTokens).toBe(89);
    expect(seeded.usage.cachedTokens).toBeLessThanOrEqual(60);
  });

  it("draws the same text for the same seed", () => {
    const request = { prompt: words(200), temperature: 1, topP: 1, seed: 4, maxTokens: 40 };
    const cold = answerAfter([], request, { dtype: "bf16" });
    for (const history of [[{}], [{}, {}], [{ seed: undefined }]])
      expect(answerAfter(history, request, { dtype: "bf16" }).tokens).toEqual(cold.tokens);
  });
});
