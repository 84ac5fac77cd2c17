/** Generation, chat and scores on a tiny model that was trained for the occasion. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Chat, type GenerateOptions, type Generation, generate, loadModel, score } from "../src/infer/index.ts";
import { createKernels } from "../src/tensor/index.ts";
import { encodeChat } from "../src/text/index.ts";
import { parseRecipe, train } from "../src/train/index.ts";
import { sentences, temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
writeTinyData(join(dir, "data"));
const { model: folder } = await train(parseRecipe(tinyRecipe(8192)), {
  out: join(dir, "run"),
  data: join(dir, "data"),
  kernels: createKernels(),
});
const model = loadModel(folder!, { dtype: "f32" });
const encode = (text: string) => model.tokenizer.encode(text, { addBos: true });

async function all(prompt: ArrayLike<number>, options: GenerateOptions): Promise<Generation & { streamed: string }> {
  const tokens = generate(model, prompt, options);
  let streamed = "";
  for (;;) {
    const next = await tokens.next();
    if (next.done) return { ...next.value, streamed };
    streamed += next.value.text;
  }
}

describe("generate", () => {
  const prompt = encode("Ada sees");
  const greedy = { temperature: 0, maxTokens: 24, ignoreEos: true, draft: false };

  it("greedy: each token is the likeliest after those before it, by the naive pass", async () => {
    const { ids, text, streamed, finishReason } = await all(prompt, greedy);
    expect(ids.length).toBe(24);
    expect(finishReason).toBe("length");
    expect(streamed).toBe(text);
    expect(model.tokenizer.decode(ids, { skipSpecial: true })).toBe(text);
    const V = model.config.vocabSize;
    const whole = [...prompt, ...ids];
    score(model, whole, (logits, from) => {
      for (let row = 0; row < logits.length / V; row++) {
        const next = from + row + 1;
        if (next < prompt.length || next >= whole.length) continue;
        const own = logits.subarray(row * V, (row + 1) * V);
        expect(own[whole[next]]).toBeGreaterThanOrEqual(Math.max(...own) - 1e-4);
      }
    });
  });

  it("the same seed gives the same text, another seed another", async () => {
    const texts = await Promise.all(
      [5, 5, 6].map(async (seed) => (await all(prompt, { temperature: 1.5, seed, maxTokens: 30 })).text),
    );
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toBe(texts[2]);
  });

  it("stops before a stop string", async () => {
    const { text } = await all(prompt, greedy);
    const stop = text.slice(4, 7);
    const cut = await all(prompt, { ...greedy, stop: [stop] });
    expect(cut).toMatchObject({ text: text.slice(0, text.indexOf(stop)), finishReason: "stop" });
    expect(cut.streamed).toBe(cut.text);
  });

  it("stops at an end token, which is no part of the text", async () => {
    const { ids } = await all(prompt, greedy);
    const cut = await all(prompt, { ...greedy, stopTokenIds: [ids[3]] });
    expect(cut).toMatchObject({ ids: ids.slice(0, ids.indexOf(ids[3])), finishReason: "stop" });
  });

  it("ends where the context does", async () => {
    const full = encode(sentences(60, 1)).slice(0, 120);
    const { ids, finishReason } = await all(full, { temperature: 0, ignoreEos: true });
    expect({ length: ids.length, finishReason }).toEqual({ length: 128 - 120, finishReason: "length" });
    for (const length of [128, 129])
      await expect(all(encode(sentences(60, 1)).slice(0, length), greedy)).rejects.toThrow(
        new RegExp(`the prompt has ${length} tokens, which leaves no room in the context of 128`),
      );
  });

  it("ends when it is aborted, keeping what was said", async () => {
    const controller = new AbortController();
    const tokens = generate(model, prompt, { ...greedy, maxTokens: 100, signal: controller.signal });
    let count = 0;
    let next = await tokens.next();
    for (; !next.done; next = await tokens.next()) if (++count === 3) controller.abort();
    expect(next.value).toMatchObject({ finishReason: "abort" });
    expect(next.value.ids.length).toBe(3);
  });

  it("refuses ids that are not in the vocabulary, and nothing at all", async () => {
    await expect(all([0, 320], greedy)).rejects.toThrow(/prompt\[1\]: 320 is not an id of the vocabulary \(0 to 319\)/);
    await expect(all([-1], greedy)).rejects.toThrow(/prompt\[0\]: -1/);
    await expect(all([], greedy)).rejects.toThrow(/give at least one token/);
  });
});

describe("drafting with the MTP depth", () => {
  it("greedy text is the same to the token, and some guesses are right", async () => {
    let accepted = 0;
    for (const text of ["Ada sees", "Bo", "Fay draws the blue", "x"]) {
      const options = { temperature: 0, maxTokens: 60, ignoreEos: true, draft: false };
      const [plain, drafted] = [await all(encode(text), options), await all(encode(text), { ...options, draft: true })];
      expect(drafted.ids).toEqual(plain.ids);
      expect(drafted.text).toBe(plain.text);
      expect(drafted.usage.draftedTokens).toBeGreaterThan(20);
      accepted += drafted.usage.acceptedTokens;
    }
    expect(accepted).toBeGreaterThan(40);
  });

  it("to the end of the context, too", async () => {
    const prompt = encode(sentences(60, 1)).slice(0, 100);
    const options = { temperature: 0, ignoreEos: true, draft: false };
    expect((await all(prompt, { ...options, draft: true })).ids).toEqual((await all(prompt, options)).ids);
  });

  it("sampled text is the same for the same seed", async () => {
    const prompt = encode("Ada sees");
    let drafted = 0;
    for (let seed = 0; seed < 40; seed++) {
      const options = { temperature: 0.8, seed, maxTokens: 12, ignoreEos: true };
      const [plain, guessed] = await Promise.all([false, true].map((draft) => all(prompt, { ...options, draft })));
      expect(guessed.ids).toEqual(plain.ids);
      drafted += guessed.usage.acceptedTokens;
    }
    expect(drafted).toBeGreaterThan(40);
  });

  it("a chat goes on from a drafted reply", async () => {
    const [plain, drafting] = [new Chat(model), new Chat(model)];
    for (const text of ["Who is number 2?", "Who is number 4?", "Who is number 5?"]) {
      const replies = await Promise.all(
        [plain, drafting].map(async (chat) => {
          const tokens = chat.send(text, { temperature: 0, maxTokens: 6, draft: chat === drafting });
          for (;;) {
            const next = await tokens.next();
            if (next.done) return next.value.text;
          }
        }),
      );
      expect(replies[1]).toBe(replies[0]);
    }
  });
});

describe("chat", () => {
  const send = async (chat: Chat, text: string) => {
    const tokens = chat.send(text, { temperature: 0, maxTokens: 8 });
    for (;;) {
      const next = await tokens.next();
      if (next.done) return next.value;
    }
  };

  it("reads only what is new, and says what it would have said without a cache", async () => {
    const chat = new Chat(model, "You know names.");
    const first = await send(chat, "Who is number 2?");
    const second = await send(chat, "Who is number 3?");
    expect(second.usage.cachedTokens).toBeGreaterThan(first.usage.promptTokens);
    const { ids } = encodeChat(model.tokenizer, chat.messages.slice(0, -1), { addGenerationPrompt: true });
    expect((await all(ids, { temperature: 0, maxTokens: 8 })).text).toBe(second.text);
    expect(chat.messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user", "assistant"]);
  });

  it("leaves out the oldest turns when the context is full", async () => {
    const chat = new Chat(model);
    for (let i = 0; i < 12; i++)
      expect((await send(chat, `Who is number ${i % 6}?`)).usage.promptTokens).toBeLessThanOrEqual(96);
    expect(chat.messages.length).toBe(24);
  });
});

describe("score", () => {
  it("log probabilities of each token, and bits per byte of the text", () => {
    const ids = encode("Ada sees a red fish.");
    const { logprobs, bitsPerByte, tokens } = score(model, ids);
    expect(tokens.slice(1).join("")).toBe("Ada sees a red fish.");
    expect(logprobs[0]).toBeNull();
    const V = model.config.vocabSize;
    score(model, ids, (logits, from) => {
      for (let row = 0; row < logits.length / V && from + row + 1 < ids.length; row++) {
        const own = logits.subarray(row * V, (row + 1) * V);
        const total = Math.log(own.reduce((sum, x) => sum + Math.exp(x), 0));
        expect(logprobs[from + row + 1]).toBeCloseTo(own[ids[from + row + 1]] - total, 4);
      }
    });
    const nats = logprobs.reduce<number>((sum, x) => sum - (x ?? 0), 0);
    expect(bitsPerByte).toBeCloseTo(nats / Math.LN2 / 20, 10);
  });

  it("finds text like what it learnt likelier than noise", () => {
    const bits = (text: string) => score(model, encode(text)).bitsPerByte!;
    expect(bits("Eli finds the blue boat.")).toBeLessThan(bits("zq#x vvkj 9!w pqz") / 2);
  });

  it("one token has no bits per byte; none, too many and foreign ones are errors", () => {
    expect(score(model, [0])).toMatchObject({ logprobs: [null], bitsPerByte: null });
    expect(() => score(model, [])).toThrow(/nothing to score/);
    expect(() => score(model, new Int32Array(129))).toThrow(/129 tokens are more than the model's context of 128/);
    expect(() => score(model, [0, 999])).toThrow(/token id 999 at place 1/);
    expect(() => score(model, [0.5])).toThrow(/token id 0.5/);
  });
});
