import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { ChatRequest, Engine, EngineEvent } from "../../infer/index.ts";
import { joinEngines } from "../router.ts";
import { FakeEngine } from "../testing/fake-engine.ts";
import { collected, testServer } from "../testing/test-server.ts";
import { createUpstream, type UpstreamOptions } from "./upstream.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void | Promise<void>;

/** A server that answers as it is told, and remembers what it was asked. */
async function fakeUpstream(answer: Answer, options: Partial<UpstreamOptions> = {}) {
  const asked: { path: string; body: Record<string, unknown>; headers: IncomingMessage["headers"] }[] = [];
  const left: string[] = [];
  const http: Server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    asked.push({ path: request.url!, body: body ? JSON.parse(body) : {}, headers: request.headers });
    response.on("close", () => response.writableFinished || left.push(request.url!));
    await answer(request, response, body);
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  afterAll(() => {
    http.closeAllConnections();
    http.close();
  });
  const lines: string[] = [];
  const onChange = (line: string) => lines.push(line);
  return { ...createUpstream({ url, name: "up", onChange, ...options }), asked, left, url, http, lines };
}

const sse = (response: ServerResponse) => response.writeHead(200, { "content-type": "text/event-stream" });
const data = (value: unknown) => `data: ${typeof value === "string" ? value : JSON.stringify(value)}\n\n`;
const delta = (piece: object, finish_reason: string | null = null) =>
  data({ choices: [{ index: 0, delta: piece, finish_reason }] });
const request: ChatRequest = { model: "m", messages: [{ role: "user", content: "Hi" }] };
const ask = (engine: Engine, over: Partial<ChatRequest> = {}, signal?: AbortSignal) =>
  collected(engine.chat({ ...request, ...over }, signal));
const textOf = (events: EngineEvent[]) => events.map((event) => (event.type === "text" ? event.text : "")).join("");

describe("an upstream's answer", () => {
  it("comes as events, with thoughts, calls, log probabilities and usage", async () => {
    const { engine, asked } = await fakeUpstream(
      (_, response) => {
        sse(response);
        response.write(": ping\n\n");
        response.write(delta({ role: "assistant", content: "" }));
        response.write(delta({ reasoning_content: "hm" }));
        const top_logprobs = [{ token: "Hi", logprob: -0.1, bytes: [72, 105] }];
        const logprobs = { content: [{ token: "Hi", logprob: -0.1, bytes: null, top_logprobs }] };
        response.write(data({ choices: [{ index: 0, delta: { content: "Hi" }, logprobs }] }));
        response.write(delta({ tool_calls: [{ index: 0, id: "c", function: { name: "f", arguments: "" } }] }));
        response.write(delta({ tool_calls: [{ index: 0, function: { arguments: "{}" } }] }));
        response.write(delta({}, "tool_calls"));
        const usage = {
          prompt_tokens: 5,
          completion_tokens: 3,
          prompt_cache_hit_tokens: 2,
          completion_tokens_details: { reasoning_tokens: 1 },
        };
        response.write(data({ choices: [], usage }));
        response.end(data("[DONE]"));
      },
      { key: "sk-secret" },
    );
    const bytes = [72, 105];
    expect(await ask(engine, { temperature: 0.5, topLogprobs: 1, maxTokens: 9, stop: ["x"] })).toEqual([
      // By the text, until the server has counted.
      { type: "start", promptTokens: 5, cachedTokens: 0 },
      { type: "reasoning", text: "hm" },
      {
        type: "text",
        text: "Hi",
        tokens: [{ id: null, text: "Hi", bytes, logprob: -0.1, top: [{ id: null, text: "Hi", bytes, logprob: -0.1 }] }],
      },
      { type: "tool_call", index: 0, id: "c", name: "f", arguments: "" },
      { type: "tool_call", index: 0, arguments: "{}" },
      {
        type: "end",
        finishReason: "tool_calls",
        usage: expect.objectContaining({
          promptTokens: 5,
          cachedTokens: 2,
          completionTokens: 3,
          reasoningTokens: 1,
          decodeSeconds: null,
        }),
      },
    ]);
    expect(asked[0]).toMatchObject({
      path: "/v1/chat/completions",
      headers: { authorization: "Bearer sk-secret" },
      body: {
        model: "m",
        stream: true,
        stream_options: { include_usage: true },
        temperature: 0.5,
        max_tokens: 9,
        logprobs: true,
        top_logprobs: 1,
        stop: ["x"],
      },
    });
    expect(Object.keys(asked[0].body)).not.toContain("seed");
  });

  it("is passed on piece by piece, without waiting for the next", async () => {
    let next: (piece: string) => void = () => {};
    const { engine } = await fakeUpstream((_, response) => {
      sse(response);
      response.write(delta({ content: "first" }));
      next = (piece) => response.end(piece);
    });
    const events = engine.chat(request)[Symbol.asyncIterator]();
    expect((await events.next()).value.type).toBe("start");
    expect((await events.next()).value).toEqual({ type: "text", text: "first" });
    next(delta({ content: " second" }, "stop") + data("[DONE]"));
    expect((await events.next()).value).toEqual({ type: "text", text: " second" });
    expect((await events.next()).value).toMatchObject({
      type: "end",
      finishReason: "stop",
      usage: { completionTokens: 2 },
    });
  });

  it("may come at once instead of as a stream, and from completions", async () => {
    const { engine, asked } = await fakeUpstream((incoming, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const logprobs = { tokens: ["a"], token_logprobs: [-1], top_logprobs: [{ b: -2, a: -1 }] };
      const choice = incoming.url!.endsWith("/chat/completions")
        ? { message: { content: "whole" } }
        : { text: "a", logprobs };
      response.end(
        JSON.stringify({
          choices: [{ ...choice, finish_reason: "length" }],
          usage: { prompt_tokens: 1, completion_tokens: 1 },
        }),
      );
    });
    expect(textOf(await ask(engine))).toBe("whole");
    const events = await collected(engine.complete({ model: "m", prompt: [1, 2], echo: true, topLogprobs: 2 }));
    expect(events[1]).toMatchObject({
      text: "a",
      tokens: [{ text: "a", logprob: -1, top: [{ text: "a" }, { text: "b" }] }],
    });
    expect(asked[1]).toMatchObject({ path: "/v1/completions", body: { prompt: [1, 2], echo: true, logprobs: 2 } });
  });

  it("goes on from a prefix in every server's way", async () => {
    const { engine, asked } = await fakeUpstream(
      (_, response) => void sse(response).end(delta({ content: "x" }, "stop")),
    );
    const messages = [...request.messages, { role: "assistant" as const, content: "Once" }];
    await ask(engine, {
      messages,
      continueFinal: true,
      reasoning: false,
      toolChoice: { name: "f" },
      responseFormat: { type: "json_schema", schema: {} },
    });
    expect(asked[0].body).toMatchObject({
      messages: [{ role: "user" }, { role: "assistant", content: "Once", prefix: true }],
      continue_final_message: true,
      add_generation_prompt: false,
      chat_template_kwargs: { thinking: false },
      tool_choice: { type: "function", function: { name: "f" } },
      response_format: { type: "json_schema", json_schema: { schema: {}, strict: true } },
    });
  });
});

describe("an upstream that fails", () => {
  it.each([
    [
      400,
      { error: { message: "bad top_k", param: "top_k" } },
      { kind: "upstream", status: 400, param: "top_k", message: "up answered 400: bad top_k" },
    ],
    [400, { message: "This model's maximum context length is 9" }, { kind: "context_length" }],
    [
      401,
      { error: { message: "key sk-secret is wrong" } },
      { kind: "upstream", status: 401, message: "up demands a key; name its variable with --upstream-key-env (401)" },
    ],
    [
      429,
      { error: "slow down" },
      { kind: "upstream", status: 429, retryAfter: 7, message: "up answered 429: slow down" },
    ],
    [500, "<html>nginx</html>", { kind: "upstream", status: 500, message: "up answered 500" }],
    [503, { detail: "loading" }, { kind: "upstream", message: "up answered 503: loading" }],
  ])("with %i is read, and not asked again", async (status, body, error) => {
    const { engine, asked } = await fakeUpstream((_, response) => {
      response.writeHead(status, { "retry-after": "7" });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
    await expect(ask(engine)).rejects.toMatchObject({ name: "EngineError", ...error });
    expect(asked).toHaveLength(1);
  });

  it.each([
    [
      "breaks off",
      (response: ServerResponse) => sse(response).write(delta({ content: "a" }), () => response.destroy()),
      { kind: "unavailable", message: /broke off/ },
    ],
    [
      "ends without a reason",
      (response: ServerResponse) => sse(response).end(delta({ content: "a" })),
      { kind: "upstream", message: /broke off in the middle/ },
    ],
    [
      "tells an error in the stream",
      (response: ServerResponse) => sse(response).end(data({ error: { message: "out of memory" } })),
      { kind: "upstream", message: /out of memory/ },
    ],
    [
      "sends no JSON",
      (response: ServerResponse) => sse(response).end(data("{oops")),
      { kind: "upstream", message: /not JSON/ },
    ],
    [
      "is no such server",
      (response: ServerResponse) => response.end("<html>"),
      { kind: "upstream", message: /not JSON/ },
    ],
    [
      "sends elsewhere",
      (response: ServerResponse) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
      { kind: "unavailable" },
    ],
    ["never begins", () => {}, { kind: "timeout", message: /silent for 0 s/ }],
    [
      "falls silent",
      (response: ServerResponse) => void sse(response).write(delta({ content: "a" })),
      { kind: "timeout" },
    ],
  ])("and %s", async (_, answer, { kind, message }: { kind: string; message?: RegExp }) => {
    const { engine } = await fakeUpstream((_request, response) => void answer(response), {
      timeouts: { firstByte: 150, idle: 150 },
    });
    await expect(ask(engine)).rejects.toMatchObject({
      kind,
      ...(message && { message: expect.stringMatching(message) }),
    });
  });

  it("because it is not there is tried again, and its list is empty until it is", async () => {
    const gone = await fakeUpstream(() => {});
    gone.http.closeAllConnections();
    await new Promise((resolve) => gone.http.close(resolve));
    const { engine } = createUpstream({ url: gone.url, listMs: 1, onChange: () => {} });
    await expect(ask(engine)).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(/cannot be reached \(ECONNREFUSED\)/),
    });
    expect(await joinEngines([{ name: "gone", engine }]).models()).toEqual([]);
  });

  it("is asked again for its list, which changes nothing", async () => {
    let failures = 2;
    const { engine, asked } = await fakeUpstream((_, response) => {
      if (failures-- > 0) return void response.writeHead(503).end();
      response.end(JSON.stringify({ data: [{ id: "m", created: 5, max_model_len: 4096 }, { nonsense: true }] }));
    });
    expect(await engine.models()).toMatchObject([{ id: "m", owner: "up", created: 5, context: 4096, price: null }]);
    expect(asked).toHaveLength(3);
    await engine.models();
    expect(asked).toHaveLength(3);
  });
});

describe("an upstream's list", () => {
  it("is there at once after the first time, and follows what the upstream has", async () => {
    let ids = ["a"];
    let wait = Promise.resolve();
    const { engine } = await fakeUpstream(
      async (_, response) => {
        await wait;
        response.end(JSON.stringify({ data: ids.map((id) => ({ id })) }));
      },
      { listMs: 0 },
    );
    const names = async () => (await engine.models()).map(({ id }) => id);
    expect(await names()).toEqual(["a"]);
    const gate = Promise.withResolvers<void>();
    wait = gate.promise;
    ids = ["b"];
    expect(await names()).toEqual(["a"]);
    gate.resolve();
    await expect.poll(names).toEqual(["b"]);
  });

  it("is not waited for long: others are asked meanwhile", async () => {
    const silent = await fakeUpstream(() => {});
    const engine = joinEngines([{ name: "local", engine: new FakeEngine({ models: [{ id: "m" }] }) }, silent]);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const asked = ask(engine);
    await vi.advanceTimersByTimeAsync(2000);
    vi.useRealTimers();
    expect(textOf(await asked)).toBe("You said: Hi");
  });
});

describe("leaving an upstream", () => {
  it.each(["the signal", "the iteration", "closing"])("by %s closes its connection", async (how) => {
    const { engine, left } = await fakeUpstream((_, response) => void sse(response).write(delta({ content: "a" })));
    const controller = new AbortController();
    const seen: EngineEvent[] = [];
    for await (const event of engine.chat(request, controller.signal)) {
      seen.push(event);
      if (event.type !== "text") continue;
      if (how === "the iteration") break;
      if (how === "closing") await engine.close();
      else controller.abort();
    }
    if (how !== "the iteration") expect(seen.at(-1)).toMatchObject({ type: "end", finishReason: "abort" });
    await expect.poll(() => left).toEqual(["/v1/chat/completions"]);
    expect((await engine.stats()).m).toMatchObject({ running: 0, requests: 1 });
  });
});

describe("an upstream's address", () => {
  it.each([
    ["", "/v1/chat/completions"],
    ["/", "/v1/chat/completions"],
    ["/v1/", "/v1/chat/completions"],
    ["/openai/v1", "/openai/v1/chat/completions"],
  ])("%j is asked at %s", async (path, expected) => {
    const upstream = await fakeUpstream((_, response) => void sse(response).end(delta({ content: "x" }, "stop")));
    await ask(createUpstream({ url: upstream.url + path }).engine);
    expect(upstream.asked[0].path).toBe(expected);
  });

  it.each(["ftp://x", "x", "http://user:pass@host/"])("%s is refused", (url) => {
    expect(() => createUpstream({ url })).toThrow(/--upstream/);
  });
});

describe("several engines", () => {
  const first = new FakeEngine({ models: [{ id: "a" }, { id: "b" }] });
  const second = new FakeEngine({ models: [{ id: "b", owner: "up" }, { id: "c" }] });
  const engine = joinEngines([
    { name: "local", engine: first },
    { name: "up", engine: second },
  ]);

  it("have one list, in which the later of two like names stands with its engine's", async () => {
    expect((await engine.models()).map(({ id }) => id)).toEqual(["a", "b", "up/b", "c"]);
    const { get } = testServer({}, { engine });
    expect((await get("/v1/models/up/b")).status).toBe(200);
  });

  it("are asked by their own names", async () => {
    await ask(engine, { model: "up/b" });
    expect(second.requests.at(-1)!.model).toBe("b");
    await ask(engine, { model: "b" });
    expect(first.requests.at(-1)!.model).toBe("b");
    await expect(ask(engine, { model: "d" })).rejects.toMatchObject({ kind: "not_found" });
    expect(Object.keys(await engine.stats())).toEqual(["a", "b", "up/b", "c"]);
  });

  it("are closed together", async () => {
    await engine.close();
    expect([first.closed, second.closed]).toEqual([true, true]);
  });
});
