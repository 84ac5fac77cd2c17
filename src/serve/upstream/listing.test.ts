/** Lists of models as servers give them, and why an upstream's models cannot be asked. */
import { describe, expect, it } from "vitest";
import { joinEngines } from "../router.ts";
import { FakeEngine } from "../testing/fake-engine.ts";
import {
  CHAT,
  EVENT_STREAM,
  HELLO,
  JSON_BODY,
  type Script,
  scriptedUpstream,
  streamOf,
  words,
} from "../testing/scripted-upstream.ts";
import { testServer } from "../testing/test-server.ts";

const json = (value: unknown): Script => ({ headers: JSON_BODY, body: [JSON.stringify(value)] });

describe("a list of models", () => {
  it.each<[string, unknown]>([
    ["as OpenAI's", { object: "list", data: [{ id: "a" }, { id: "b" }] }],
    ["as a bare array", [{ id: "a" }, { id: "b" }]],
    ["as names", ["a", "b"]],
    ["as names in data", { data: ["a", "b"] }],
    ["as Ollama's", { models: [{ name: "a", model: "a" }, { model: "b" }] }],
    ["as a map", { data: { a: { context: 1 }, b: {} } }],
    ["as results", { success: true, result: [{ name: "a" }, { name: "b" }] }],
    [
      "with doubles and nonsense",
      {
        data: [
          { id: "a" },
          null,
          7,
          { id: 7 },
          {},
          { id: "a" },
          { id: "b" },
          { id: "" },
          { id: "x\ny" },
          "x".repeat(600),
        ],
      },
    ],
    [
      "with odd dates",
      {
        data: [
          { id: "a", created: 1e300 },
          { id: "b", created: -1 },
        ],
      },
    ],
  ])("may be %s", async (_, list) => {
    const up = await scriptedUpstream();
    up.lists(json(list));
    expect((await up.engine.models()).map(({ id }) => id)).toEqual(["a", "b"]);
    expect(up.engine.upstreams?.()).toEqual([{ name: "up", url: `${up.url}/v1`, error: null }]);
    expect(up.lines).toEqual([]);
    expect((await up.get("/api/tags")).status).toBe(200);
    up.answers(streamOf([words("so")]));
    expect((await up.send("POST", CHAT, { ...HELLO, model: "b" })).status).toBe(200);
  });

  it.each<[string, unknown, number | null]>([
    ["max_model_len", { max_model_len: 4096 }, 4096],
    ["context_length", { context_length: 4096 }, 4096],
    ["context_window", { context_window: 4096 }, 4096],
    ["llama.cpp's meta", { meta: { n_ctx_train: 4096 } }, 4096],
    ["no number", { max_model_len: "4096", context_length: -1 }, null],
  ])("tells the context by %s", async (_, fields, context) => {
    const up = await scriptedUpstream();
    up.lists(json({ data: [{ id: "a", ...(fields as object) }] }));
    expect(await up.engine.models()).toMatchObject([{ context }]);
  });
});

describe("why an upstream has no models", () => {
  it.each<[string, Script, RegExp]>([
    ["a wrong key", { status: 401, body: ['{"error":{"message":"Incorrect API key"}}'] }, /up demands a key.*\(401\)/],
    ["a forbidden one", { status: 403, body: [] }, /\(403\)/],
    [
      "a wrong path",
      { status: 404, body: ['{"detail":"Not Found"}'] },
      /answered 404: there is no OpenAI-compatible API at http.*\/v1\/models/,
    ],
    ["a page", { body: ["<html><title>Welcome to nginx!</title>"] }, /web page, not JSON/],
    ["no list", json({ hello: "there" }), /no list of models/],
    ["an empty list", json({ data: [] }), /lists no models/],
    ["no JSON", { body: ["hello"] }, /not JSON/],
    ["a failure", { status: 500, body: ['{"error":"out of memory"}'] }, /answered 500: out of memory/],
    [
      "a redirect",
      { status: 301, headers: { location: "https://other.example/v1/models" }, body: [] },
      /sends elsewhere \(https:\/\/other\.example\)/,
    ],
    ["a connection that breaks", { body: [], breaks: true }, /broke off|cannot be reached/],
  ])("is told for %s in the log, to the site, and to whoever asks", async (_, list, reason) => {
    const up = await scriptedUpstream();
    up.lists(list);
    const local = new FakeEngine();
    const joined = joinEngines([
      { name: "local", engine: local },
      { name: "up", engine: up.engine },
    ]);
    const both = testServer({}, { engine: joined });
    expect((await (await both.get("/v1/models")).json()) as object).toMatchObject({ data: [{ id: "fake" }] });
    const { upstreams } = (await (await both.get("/api/info")).json()) as { upstreams: object[] };
    expect(upstreams).toEqual([{ name: "up", url: `${up.url}/v1`, error: expect.stringMatching(reason) }]);
    const missing = await both.send("POST", CHAT, { ...HELLO, model: "m" });
    expect(await missing.json()).toMatchObject({ error: { message: expect.stringMatching(reason) } });
    const alone = testServer({}, { engine: joinEngines([{ name: "up", engine: up.engine }]) });
    const none = await alone.send("POST", CHAT, { messages: HELLO.messages });
    expect(none.status).toBe(503);
    expect(await none.json()).toMatchObject({ error: { message: expect.stringMatching(reason) } });
    expect(up.lines).toHaveLength(1);
    expect(up.lines[0]).toMatch(reason);
    expect(up.lines[0]).not.toMatch(/[\r\n]/);
  });

  it("is told once, and once more when it is over", async () => {
    const up = await scriptedUpstream();
    up.lists({ status: 401, body: [] });
    for (let i = 0; i < 5; i++) await up.engine.models().catch(() => {});
    expect(up.lines).toHaveLength(1);
    up.lists(json(["a"]));
    await expect.poll(() => up.engine.models().catch(() => [])).toMatchObject([{ id: "a" }]);
    expect(up.lines).toHaveLength(2);
    expect(up.lines[1]).toMatch(/can be asked again/);
  });
});

describe("what an upstream is sent", () => {
  it("is what its client sent, whatever of it changes nothing here", async () => {
    const up = await scriptedUpstream();
    up.answers(streamOf([words("so")]));
    const theirs = {
      user: "u",
      metadata: { a: "b" },
      service_tier: "flex",
      store: false,
      prediction: { type: "content", content: "x" },
      safety_identifier: "s",
      prompt_cache_key: "p",
      verbosity: "low",
      parallel_tool_calls: false,
      max_completion_tokens: 9,
      response_format: {
        type: "json_schema",
        json_schema: { name: "person", description: "d", schema: {}, strict: false },
      },
      messages: [
        { role: "system", content: "s", name: "sys" },
        { role: "user", content: "Hi", name: "ada" },
      ],
    };
    await up.send("POST", CHAT, { model: "m", ...theirs });
    expect(up.last().body).toMatchObject(theirs);
    expect(up.last().body).not.toHaveProperty("max_tokens");
    for (const effort of ["none", "minimal", "low", "medium", "high", "xhigh", "max"]) {
      await up.send("POST", CHAT, { ...HELLO, reasoning_effort: effort, max_tokens: 3 });
      expect(up.last().body).toMatchObject({ reasoning_effort: effort, max_tokens: 3 });
    }
    await up.send("POST", CHAT, { ...HELLO, thinking: { type: "disabled", budget: 3 } });
    expect(up.last().body).toMatchObject({ thinking: { type: "disabled", budget: 3 } });
    await up.send("POST", "/v1/responses", {
      model: "m",
      input: "Hi",
      reasoning: { effort: "max" },
      parallel_tool_calls: false,
      user: "u",
    });
    expect(up.last().body).toMatchObject({ reasoning_effort: "max", parallel_tool_calls: false, user: "u" });
    const plain = await up.send("POST", CHAT, HELLO);
    expect(plain.status).toBe(200);
    expect(Object.keys(up.last().body).sort()).toEqual(["messages", "model", "stream", "stream_options"]);
  });
});

it("an upstream whose encoding cannot be undone is an error, and the server goes on", async () => {
  const up = await scriptedUpstream();
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on("unhandledRejection", note);
  for (const encoding of ["gzip, gzip, gzip, gzip, gzip, gzip", "gzip", "br", "deflate, gzip"])
    for (let i = 0; i < 3; i++) {
      up.answers({ ...streamOf([words("so")]), headers: { ...EVENT_STREAM, "content-encoding": encoding } });
      const answer = await up.send("POST", CHAT, HELLO);
      expect([502, 503]).toContain(answer.status);
    }
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
  up.answers(streamOf([words("so")]));
  expect((await up.send("POST", CHAT, HELLO)).status).toBe(200);
});
