import { describe, expect, it } from "vitest";
import type { TokenInfo } from "../../infer/index.ts";
import { events, testServer } from "../testing/test-server.ts";
import { Collected } from "./answers.ts";
import { Offsets } from "./completions.ts";

const path = "/v1/completions";
const server = testServer();

describe("/v1/completions", () => {
  it("continues a text, by default with 16 tokens", async () => {
    const answer = await server.post(path, { model: "fake", prompt: "Once upon a time" });
    expect(answer).toMatchObject({
      object: "text_completion",
      choices: [{ index: 0, text: " and then it ended.", logprobs: null, finish_reason: "stop" }],
      usage: { prompt_tokens: 4, completion_tokens: 4 },
    });
    expect(server.engine.requests.at(-1)).toMatchObject({ prompt: "Once upon a time", maxTokens: 16 });
  });

  it("takes several prompts and answers, prompt by prompt, and token ids", async () => {
    const answer = await server.post(path, { prompt: ["a b", "c"], n: 2 });
    expect(answer.choices).toHaveLength(4);
    expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 16 });
    await server.post(path, { prompt: [5, 6, 7] });
    expect(server.engine.requests.at(-1)!).toMatchObject({ prompt: [5, 6, 7] });
    await server.post(path, { prompt: [[5], [6]] });
    expect(server.engine.requests.slice(-2).map((request) => "prompt" in request && request.prompt)).toEqual([
      [5],
      [6],
    ]);
  });

  it("echoes the prompt, with the log probabilities of its tokens and their places", async () => {
    const { choices } = await server.post(path, { prompt: "Once upon", echo: true, logprobs: 2, max_tokens: 1 });
    expect(choices[0].text).toBe("Once upon and");
    expect(choices[0].logprobs).toMatchObject({
      tokens: ["Once", " upon", " and"],
      token_logprobs: [-0.25, -0.25, -0.25],
      text_offset: [0, 4, 9],
    });
    expect(choices[0].logprobs.top_logprobs[0]).toEqual({ Once: -0.25, "?": -2 });
  });

  it("only scores a prompt", async () => {
    const { choices } = await server.post(path, { prompt: [3, 4], echo: true, logprobs: 0, max_tokens: 0 });
    expect(choices[0]).toMatchObject({ text: " t3 t4", finish_reason: "length", logprobs: { tokens: [" t3", " t4"] } });
  });

  it("streams, echo first", async () => {
    const body = { prompt: "Once upon", echo: true, stream: true, stream_options: { include_usage: true } };
    const chunks = await events(await server.send("POST", path, body));
    const texts = chunks.flatMap((chunk) => chunk.choices?.[0]?.text ?? []);
    expect(texts[0]).toBe("Once upon");
    expect(texts.join("")).toBe("Once upon and then it ended.");
    expect(chunks.at(-2)).toMatchObject({ choices: [], usage: { total_tokens: 6 } });
    expect(chunks.at(-1)).toBe("[DONE]");
  });

  it.each([
    [{}, "prompt"],
    [{ prompt: "x", best_of: 4 }, "best_of"],
    [{ prompt: "x", max_tokens: 0 }, "max_tokens"],
    [{ prompt: "x", suffix: "end" }, "suffix"],
    [{ prompt: [1.5] }, "prompt[0]"],
    [{ prompt: Array(60).fill("x"), n: 2 }, "n"],
  ])("refuses %j", async (body, param) => {
    const answer = await server.send("POST", path, body);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { param } });
  });
});

describe("text_offset", () => {
  it("counts code points, and leaves out special tokens of an answer", () => {
    const token = (bytes: number[], special = false): TokenInfo => ({
      ...{ id: 1, text: new TextDecoder().decode(Uint8Array.from(bytes)), bytes, logprob: -1, top: [] },
      ...(special && { special }),
    });
    const bytes = (text: string) => [...new TextEncoder().encode(text)];
    const fox = bytes(" 🦊");
    const prompt = [token(bytes("Zü")), token(bytes("ri")), token(bytes("ch")), ...fox.map((byte) => token([byte]))];
    const made = [token(bytes(" x")), token(bytes("<end>"), true), token(bytes("y"))];
    expect(new Offsets(0).of([token(bytes("<b>"), true), ...prompt], made).text_offset).toEqual([
      ...[0, 3, 5, 7, 9, 10, 10, 10, 10],
      ...[11, 13, 13],
    ]);
  });
});

it("a prompt of very many tokens is echoed", () => {
  const token: TokenInfo = { id: 1, text: "a", bytes: [97], logprob: -1, top: [] };
  const collected = new Collected();
  for (let i = 0; i < 2; i++) collected.add({ type: "prompt", tokens: Array(200_000).fill(token) });
  expect(collected.prompt).toHaveLength(400_000);
});
