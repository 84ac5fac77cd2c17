/** Answers and errors in the forms that servers give them. */
import { describe, expect, it } from "vitest";
import {
  asking,
  CHAT,
  data,
  EVENT_STREAM,
  HELLO,
  JSON_BODY,
  type Script,
  scriptedUpstream,
  streamOf,
  wholeOf,
  words,
} from "../testing/scripted-upstream.ts";

const up = await scriptedUpstream({ key: "sk-very-secret-key" });
const { expectBoth, streamed, whole } = asking(up);

describe("the form of an answer", () => {
  const plain = streamOf([words("so")]).body.join("");
  it.each<[string, Script]>([
    ["a stream called JSON", { headers: JSON_BODY, body: [plain] }],
    ["a stream called nothing", { body: [plain] }],
    ["a stream called text", { headers: { "content-type": "text/plain; charset=utf-8" }, body: [plain] }],
    ["JSON called a stream", { ...wholeOf(words("so")), headers: EVENT_STREAM }],
    ["JSON after blank lines", { headers: JSON_BODY, body: ["\n \n", ...wholeOf(words("so")).body] }],
    [
      "a chunk on each line",
      { headers: JSON_BODY, body: [plain.replaceAll("data: ", "").replaceAll("\n\n", "\n").replace("[DONE]\n", "")] },
    ],
    ["events with names", { headers: EVENT_STREAM, body: [plain.replaceAll("data:", "event: chunk\nid: 7\ndata:")] }],
    ["events with CRLF", { headers: EVENT_STREAM, body: [plain.replaceAll("\n", "\r\n")] }],
    ["events with CR", { headers: EVENT_STREAM, body: [plain.replaceAll("\n", "\r")] }],
    ["events byte by byte", { headers: EVENT_STREAM, body: [...plain] }],
    ["events without blanks", { headers: EVENT_STREAM, body: [plain.replaceAll("data: ", "data:")] }],
    [
      "events among comments and empty ones",
      { headers: EVENT_STREAM, body: [`: hello\n\nretry: 3\n\ndata:\n\ndata: \n\n: more\n${plain}`] },
    ],
    [
      "chunks without choices in between",
      {
        headers: EVENT_STREAM,
        body: [
          data({}),
          data({ id: "x" }),
          data({ type: "ping" }),
          data({ choices: [] }),
          data({ choices: null }),
          plain,
        ],
      },
    ],
    [
      "choices as an object",
      { headers: EVENT_STREAM, body: [data({ choices: { index: 0, delta: words("so"), finish_reason: "stop" } })] },
    ],
    [
      "several choices",
      {
        headers: EVENT_STREAM,
        body: [
          data({
            choices: [
              { index: 1, delta: words("no") },
              { index: 0, delta: words("so"), finish_reason: "stop" },
            ],
          }),
        ],
      },
    ],
    [
      "a completion's text",
      { headers: EVENT_STREAM, body: [data({ choices: [{ text: "so", finish_reason: "stop" }] })] },
    ],
  ])("may be %s", async (_, script) => {
    await expectBoth(script, { content: "so", finish: "stop" });
  });

  it.each<[string, Script, RegExp, number]>([
    ["a page", { body: ["<!DOCTYPE html><html><title>Welcome</title>"] }, /web page, not JSON.*http:\/\/127/, 502],
    ["no JSON", { headers: EVENT_STREAM, body: [data("{oops")] }, /not JSON/, 502],
    ["nothing", { body: [] }, /no choices/, 502],
    ["only [DONE]", { headers: EVENT_STREAM, body: [data("[DONE]")] }, /no choices/, 502],
    ["something else", { headers: JSON_BODY, body: ['{"hello":"there"}'] }, /no choices/, 502],
    ["an error", { headers: JSON_BODY, body: ['{"error":{"message":"out of memory"}}'] }, /out of memory/, 502],
    [
      "an error in a stream",
      { headers: EVENT_STREAM, body: [data({ error: { message: "slow down", code: 429 } })] },
      /slow down/,
      429,
    ],
    [
      "an error that is a text",
      { headers: EVENT_STREAM, body: [data({ error: "no such model" })] },
      /no such model/,
      502,
    ],
    [
      "an error as an event",
      { headers: EVENT_STREAM, body: [`event: error\n${data({ message: "too long" })}`] },
      /too long/,
      502,
    ],
    [
      "an error of old vLLM",
      { headers: EVENT_STREAM, body: [data({ object: "error", message: "bad top_k", code: 400 })] },
      /bad top_k/,
      400,
    ],
    [
      "an error of FastAPI",
      { headers: EVENT_STREAM, body: [data({ detail: [{ loc: ["body", "x"], msg: "bad" }] })] },
      /x: bad/,
      502,
    ],
    ["a list of errors", { headers: JSON_BODY, body: ['[{"error":{"message":"quota","status":429}}]'] }, /quota/, 429],
    [
      "an error after words",
      { headers: EVENT_STREAM, body: [data({ error: { message: "context length exceeded" } })] },
      /context length/,
      400,
    ],
  ])("that is %s is told as an error", async (_, script, message, status) => {
    expect(await whole(script)).toMatchObject({ status, error: expect.stringMatching(message) });
    const got = await streamed(script);
    expect(got.error).toMatch(message);
  });

  it.each<[string, Script, number, RegExp]>([
    [
      "422 of FastAPI",
      { status: 422, body: ['{"detail":[{"loc":["body","messages",0,"x"],"msg":"field required"}]}'] },
      422,
      /answered 422: messages\.0\.x: field required/,
    ],
    [
      "422 without places",
      { status: 422, body: ['{"detail":[{"msg":"field required"}]}'] },
      422,
      /422: field required/,
    ],
    [
      "401",
      { status: 401, body: ['{"error":{"message":"Incorrect API key"}}'] },
      502,
      /does not accept the key .*\(401\)/,
    ],
    ["403", { status: 403, body: ["no"] }, 502, /does not accept the key .*\(403\)/],
    [
      "404 of no path",
      { status: 404, body: ['{"detail":"Not Found"}'] },
      502,
      /no OpenAI-compatible API at http.*\/v1\/chat\/completions/,
    ],
    ["404 of a page", { status: 404, body: ["<html><title>404 Not Found</title>"] }, 502, /no OpenAI-compatible API/],
    [
      "404 of a model",
      { status: 404, body: ['{"error":{"message":"The model `m` does not exist"}}'] },
      404,
      /The model `m` does not exist/,
    ],
    ["429", { status: 429, headers: { "retry-after": "7" }, body: ['{"error":{"message":"slow"}}'] }, 429, /slow/],
    [
      "500 with a page",
      { status: 500, body: ["<html><head><title>502 Bad\nGateway</title>"] },
      502,
      /answered 500: 502 Bad Gateway/,
    ],
    ["503 with nothing", { status: 503, body: [] }, 502, /answered 503$/],
    [
      "302",
      { status: 302, headers: { location: "https://elsewhere.example/x?y" }, body: [] },
      503,
      /sends elsewhere \(https:\/\/elsewhere\.example\)/,
    ],
    ["418", { status: 418, body: ["teapot\r\nwith\u0000 lines"] }, 502, /answered 418: teapot with lines/],
  ])("%s is explained in one line", async (_, script, status, message) => {
    for (const ask of [whole, streamed]) {
      const got = await ask(script);
      expect(got).toMatchObject({ status, error: expect.stringMatching(message) });
      expect(got.error).not.toMatch(/[\r\n]/);
    }
  });

  it("says when to come back, in whichever form it was told", async () => {
    for (const [headers, seconds] of [
      [{ "retry-after": "7" }, 7],
      [{ "retry-after-ms": "2500" }, 3],
      [{ "retry-after": new Date(Date.now() + 60_000).toUTCString() }, 60],
      [{ "retry-after": "soon" }, 2],
    ] as const) {
      up.answers({ status: 429, headers: { ...headers }, body: ["{}"] });
      const answer = await up.send("POST", CHAT, HELLO);
      expect(answer.status).toBe(429);
      expect(Math.abs(Number(answer.headers.get("retry-after")) - seconds)).toBeLessThan(3);
    }
  });

  it("gives nobody the key, wherever an upstream repeats it", async () => {
    for (const [status, body] of [
      [400, '{"error":{"message":"key sk-very-secret-key is odd","param":"sk-very-secret-key"}}'],
      [404, "no sk-very-secret-key here"],
      [500, "<html><title>sk-very-secret-key</title>"],
      [200, '{"error":{"message":"sk-very-secret-key"}}'],
      [200, data({ error: "sk-very-secret-key" })],
    ] as const) {
      up.answers({ status, body: [body] });
      for (const stream of [false, true])
        expect(await (await up.send("POST", CHAT, { ...HELLO, stream })).text()).not.toContain("very-secret");
    }
  });
});
