import { describe, expect, it, vi } from "vitest";
import { EngineError } from "../../infer/index.ts";
import { events, testServer } from "../testing/test-server.ts";

const path = "/v1/chat/completions";
const hello = { model: "fake", messages: [{ role: "user", content: "Hello there" }] };
const server = testServer();

describe("an answer at once", () => {
  it("has OpenAI's form, and tells cached and drafted tokens", async () => {
    const answer = await server.post(path, { ...hello, user: "ada", metadata: { a: "b" }, store: false, seed: null });
    expect(answer).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      object: "chat.completion",
      model: "fake",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "You said: Hello there", refusal: null },
          logprobs: null,
          finish_reason: "stop",
        },
      ],
      usage: {
        prompt_tokens: 2,
        completion_tokens: 4,
        total_tokens: 6,
        prompt_tokens_details: { cached_tokens: 1 },
        completion_tokens_details: {
          reasoning_tokens: 0,
          accepted_prediction_tokens: 2,
          rejected_prediction_tokens: 1,
        },
        prompt_cache_hit_tokens: 1,
        prompt_cache_miss_tokens: 1,
      },
    });
  });

  it("is the first model's where none is named", async () => {
    expect((await server.post(path, { messages: hello.messages })).model).toBe("fake");
  });

  it("hands every setting to the engine", async () => {
    await server.post(path, {
      ...hello,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      min_p: 0.05,
      repetition_penalty: 1.1,
      presence_penalty: 0.1,
      frequency_penalty: -0.1,
      logit_bias: { 7: -100 },
      seed: 3,
      stop: ["END", ""],
      max_completion_tokens: 9,
      max_tokens: 5,
      logprobs: true,
      top_logprobs: 2,
    });
    expect(server.engine.requests.at(-1)).toMatchObject({
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      minP: 0.05,
      repetitionPenalty: 1.1,
      presencePenalty: 0.1,
      frequencyPenalty: -0.1,
      logitBias: { 7: -100 },
      seed: 3,
      stop: ["END"],
      maxTokens: 9,
      topLogprobs: 2,
      continueFinal: false,
    });
  });

  it("gives n answers, each with a seed of its own, and counts the prompt once", async () => {
    const before = server.engine.requests.length;
    const answer = await server.post(path, { ...hello, n: 3, seed: 10 });
    expect(answer.choices.map(({ index }: { index: number }) => index)).toEqual([0, 1, 2]);
    expect(answer.usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 12 });
    expect(server.engine.requests.slice(before).map(({ seed }) => seed)).toEqual([10, 11, 12]);
  });

  it("ends at max_tokens and at a stop text", async () => {
    const cut = await server.post(path, { ...hello, max_tokens: 2 });
    expect(cut.choices[0]).toMatchObject({ message: { content: "You said:" }, finish_reason: "length" });
    const stopped = await server.post(path, { ...hello, stop: "there" });
    expect(stopped.choices[0]).toMatchObject({ message: { content: "You said: Hello" }, finish_reason: "stop" });
  });

  it("tells log probabilities with rivals and bytes", async () => {
    const answer = await server.post(path, { ...hello, logprobs: true, top_logprobs: 1 });
    expect(answer.choices[0].logprobs.content[0]).toEqual({
      token: "You",
      logprob: -0.25,
      bytes: [89, 111, 117],
      top_logprobs: [{ token: "You", logprob: -0.25, bytes: [89, 111, 117] }],
    });
  });

  it("tells what a model thought", async () => {
    const answer = await server.post(path, { ...hello, reasoning_effort: "high" });
    expect(answer.choices[0].message.reasoning_content).toBe("Let me think.");
    await server.post(path, { ...hello, thinking: { type: "disabled" } });
    expect(server.engine.requests.at(-1)).toMatchObject({ reasoning: false });
  });

  it("passes formats on", async () => {
    const json_schema = { name: "ok", schema: { type: "object" }, strict: true };
    const answer = await server.post(path, { ...hello, response_format: { type: "json_schema", json_schema } });
    expect(JSON.parse(answer.choices[0].message.content)).toEqual({ ok: true });
    expect(server.engine.requests.at(-1)!.responseFormat).toEqual({ type: "json_schema", ...json_schema });
  });

  it("holds json_object to the schema that comes with it, and refuses what it would not hold", async () => {
    const ask = (response_format: object) => server.send("POST", path, { ...hello, response_format });
    const schema = { type: "object", required: ["a"] };
    expect((await ask({ type: "json_object", schema })).status).toBe(200);
    expect(server.engine.requests.at(-1)!.responseFormat).toEqual({ type: "json_schema", schema });
    for (const format of [
      { type: "text", schema },
      { type: "json_object", json_schema: { schema } },
      { type: "json_schema", json_schema: { schema, shcema: {} } },
      { type: "json_schema", schema, json_schema: { schema } },
    ]) {
      const answer = await ask(format);
      expect(answer.status).toBe(400);
      expect(await answer.json()).toMatchObject({ error: { code: "unknown_parameter" } });
    }
  });

  it("hands on what is an upstream's, and every effort", async () => {
    const theirs = {
      user: "u",
      metadata: { a: "b" },
      service_tier: "flex",
      store: true,
      prediction: { type: "content" },
    };
    await server.post(path, { ...hello, ...theirs, parallel_tool_calls: false, max_completion_tokens: 7 });
    expect(server.engine.requests.at(-1)).toMatchObject({
      parallelToolCalls: false,
      upstream: { ...theirs, max_completion_tokens: 7 },
    });
    for (const effort of ["none", "minimal", "low", "medium", "high", "xhigh", "max"]) {
      await server.post(path, { ...hello, reasoning_effort: effort });
      expect(server.engine.requests.at(-1)).toMatchObject({ reasoning: effort !== "none", reasoningEffort: effort });
    }
  });

  it("hold json_object to a schema where one is given, and pass nothing over", async () => {
    const schema = { type: "object", properties: { a: { type: "boolean" } }, required: ["a"] };
    await server.post(path, { ...hello, response_format: { type: "json_object", schema } });
    expect(server.engine.requests.at(-1)!.responseFormat).toEqual({ type: "json_schema", schema });
    const refused = server.post(path, { ...hello, response_format: { type: "json_object", schemas: schema } });
    await expect(refused).rejects.toThrow(/unknown field 'response_format.schemas'/);
  });
});

describe("messages", () => {
  it("may be parts, a developer's, calls and their answers, and a prefix to go on from", async () => {
    const answer = await server.post(path, {
      model: "fake",
      messages: [
        { role: "developer", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "What is " },
            { type: "text", text: "the weather?" },
          ],
          name: "ada",
        },
        {
          role: "assistant",
          content: null,
          refusal: null,
          tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: "{}" } }],
        },
        { role: "tool", content: "rain", tool_call_id: "c1" },
        { role: "assistant", content: "It rains", reasoning_content: "hm", prefix: true },
      ],
    });
    expect(answer.choices[0].message.content).toBe(" and so on");
    expect(server.engine.requests.at(-1)).toMatchObject({
      continueFinal: true,
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "What is the weather?" },
        { role: "assistant", content: "", toolCalls: [{ id: "c1", name: "weather", arguments: "{}" }] },
        { role: "tool", content: "rain", toolCallId: "c1" },
        { role: "assistant", content: "It rains", reasoning: "hm" },
      ],
    });
  });
});

const weather = { type: "function", function: { name: "weather", parameters: { type: "object" }, strict: true } };
const ask = { model: "fake", messages: [{ role: "user", content: "please call" }], tools: [weather] };

describe("tools", () => {
  it("are called", async () => {
    const answer = await server.post(path, {
      ...ask,
      tool_choice: { type: "function", function: { name: "weather" } },
    });
    expect(answer.choices[0]).toMatchObject({
      message: {
        content: null,
        tool_calls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Paris"}' } }],
      },
      finish_reason: "tool_calls",
    });
    expect(server.engine.requests.at(-1)).toMatchObject({
      tools: [{ name: "weather", parameters: { type: "object" }, strict: true }],
      toolChoice: { name: "weather" },
    });
  });

  it("are called in pieces", async () => {
    const chunks = await events(await server.send("POST", path, { ...ask, stream: true }));
    const deltas = chunks.flatMap((chunk) => chunk.choices?.[0]?.delta?.tool_calls ?? []);
    expect(deltas[0]).toEqual({
      index: 0,
      id: "call_1",
      type: "function",
      function: { name: "weather", arguments: "" },
    });
    expect(deltas.map((delta) => delta.function.arguments).join("")).toBe('{"city":"Paris"}');
  });
});

describe("a stream", () => {
  it("begins with the role, ends with a reason, the usage and [DONE]", async () => {
    const body = { ...hello, stream: true, stream_options: { include_usage: true }, logprobs: true };
    const answer = await server.send("POST", path, body);
    expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const chunks = await events(answer);
    expect(chunks[0].choices[0].delta).toEqual({ role: "assistant", content: "" });
    expect(chunks.at(-3).choices[0]).toMatchObject({ delta: {}, finish_reason: "stop" });
    expect(chunks.at(-2)).toMatchObject({ choices: [], usage: { total_tokens: 6 } });
    expect(chunks.at(-1)).toBe("[DONE]");
    const words = chunks.slice(1, -3);
    expect(words.map((chunk) => chunk.choices[0].delta.content).join("")).toBe("You said: Hello there");
    expect(words.every((chunk) => chunk.choices[0].logprobs.content.length === 1)).toBe(true);
    expect(new Set(chunks.slice(0, -1).map(({ id }) => id)).size).toBe(1);
  });

  it("carries several answers and thoughts", async () => {
    const chunks = await events(
      await server.send("POST", path, { ...hello, n: 2, stream: true, thinking: { type: "enabled" } }),
    );
    for (const index of [0, 1]) {
      const own = chunks.filter((chunk) => chunk.choices?.[0]?.index === index).map((chunk) => chunk.choices[0].delta);
      expect(own.map((delta) => delta.content ?? "").join("")).toBe("You said: Hello there");
      expect(own.map((delta) => delta.reasoning_content ?? "").join("")).toBe("Let me think.");
    }
  });

  it("ends with an error where the engine breaks", async () => {
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const { send } = testServer({ failAfter: 2 });
    const chunks = await events(await send("POST", path, { ...hello, stream: true }));
    expect(log).toHaveBeenCalledOnce();
    log.mockRestore();
    expect(chunks.at(-1)).toMatchObject({ error: { type: "server_error", code: "internal_error" } });
  });

  it("is left when its reader leaves, and so is the engine", async () => {
    const { send, engine } = testServer({ pace: 5 });
    const answer = await send("POST", path, { ...hello, stream: true, n: 2 });
    const reader = answer.body!.getReader();
    await reader.read();
    expect(engine.running).toBe(2);
    await reader.cancel();
    await expect.poll(() => engine.running).toBe(0);
    expect(engine.aborted).toBe(2);
  });

  it("says so when the server stops in the middle", async () => {
    const { send, engine } = testServer({ pace: 5 });
    const answer = await send("POST", path, { ...hello, stream: true });
    await engine.close();
    expect((await events(answer)).at(-1).error).toMatchObject({ message: /stopping/, code: "unavailable" });
  });
});

describe("a refusal", () => {
  it.each([
    ["no messages", {}, "messages", /expected array/],
    ["empty messages", { messages: [] }, "messages", /at least one/],
    ["a wrong role", { messages: [{ role: "wizard", content: "x" }] }, "messages[0].role", /role/],
    [
      "an image",
      { messages: [{ role: "user", content: [{ type: "image_url" }] }] },
      "messages[0].content[0].type",
      /text alone/,
    ],
    ["a warm temperature", { ...hello, temperature: 3 }, "temperature", /<=2/],
    ["a text for a number", { ...hello, max_tokens: "9" }, "max_tokens", /expected number/],
    ["an unknown field", { ...hello, temprature: 1 }, "temprature", /did you mean temperature/],
    ["rivals without log probabilities", { ...hello, top_logprobs: 2 }, "top_logprobs", /needs/],
    ["a choice of no tools", { ...hello, tool_choice: "required" }, "tool_choice", /no tools/],
    [
      "a choice of another tool",
      { ...ask, tool_choice: { type: "function", function: { name: "x" } } },
      "tool_choice",
      /no tool is named x/,
    ],
    [
      "a prefix in the middle",
      { messages: [{ role: "assistant", content: "a", prefix: true }, ...hello.messages] },
      "messages[0].prefix",
      /last/,
    ],
    ["too many answers", { ...hello, n: 99 }, "n", /<=16/],
  ])("%s", async (_, body, param, message) => {
    const answer = await server.send("POST", path, body);
    const { error } = (await answer.json()) as { error: Record<string, unknown> };
    expect(answer.status).toBe(400);
    expect(error).toMatchObject({ type: "invalid_request_error", param, message: expect.stringMatching(message) });
  });

  it("of an unknown model names those that are there", async () => {
    const answer = await server.send("POST", path, { ...hello, model: "gpt-9" });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: "model_not_found", param: "model", message: /fake/ } });
  });

  it.each([
    [new EngineError("overloaded", "the queue is full", { retryAfter: 7 }), 429, "7", "rate_limit_error"],
    [new EngineError("unavailable", "stopping"), 503, "2", "server_error"],
    [new EngineError("context_length", "too long", { param: "messages" }), 400, null, "invalid_request_error"],
    [new EngineError("timeout", "late"), 504, null, "server_error"],
    [new EngineError("upstream", "it says no", { status: 422 }), 422, null, "invalid_request_error"],
    [new EngineError("upstream", "wrong key", { status: 401 }), 502, null, "server_error"],
  ])("%s has a status of its own, streamed or not", async (error, status, wait, type) => {
    const { send } = testServer({ refuse: () => error });
    for (const stream of [false, true]) {
      const answer = await send("POST", path, { ...hello, stream });
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([status, wait]);
      expect(await answer.json()).toMatchObject({ error: { type, message: error.message } });
    }
  });
});
