/** How answers end and are counted, whatever a server says of it. */
import { describe, expect, it } from "vitest";
import {
  asking,
  data,
  EVENT_STREAM,
  type Script,
  scriptedUpstream,
  streamOf,
  wholeOf,
  words,
} from "../testing/scripted-upstream.ts";

const up = await scriptedUpstream();
const { expectBoth, streamed, whole } = asking(up);

const f = (args: unknown, more: object = {}) => ({ ...more, function: { name: "f", arguments: args } });
const calls = (...tool_calls: unknown[]) => ({ tool_calls });

describe("the end of an answer", () => {
  it.each([
    ["stop", "stop"],
    ["eos", "stop"],
    ["end_turn", "stop"],
    ["STOP", "stop"],
    ["FinishReason.STOP", "stop"],
    ["stop_sequence", "stop"],
    ["whatever", "stop"],
    ["length", "length"],
    ["max_tokens", "length"],
    ["MAX_TOKENS", "length"],
    ["FINISH_REASON_MAX_TOKENS", "length"],
    ["model_length", "length"],
    ["time_limit", "length"],
    ["content_filter", "content_filter"],
    ["SAFETY", "content_filter"],
    ["sensitive", "content_filter"],
    ["IMAGE_SAFETY", "content_filter"],
    ["tool_calls", "stop"],
    ["function_call", "stop"],
  ])("called %s is %s", async (word, finish) => {
    await expectBoth(streamOf([words("so")], word), { content: "so", finish });
    await expectBoth(wholeOf(words("so"), word), { content: "so", finish });
  });

  it.each(["tool_use", "function_call", "stop", "eos", "STOP"])(
    "called %s after a call is tool_calls",
    async (word) => {
      await expectBoth(streamOf([calls(f("{}", { id: "a" }))], word), { calls: [["f", "{}"]], finish: "tool_calls" });
    },
  );

  it.each([
    "insufficient_system_resource",
    "error",
    "abort",
    "timeout",
    "network_error",
    "FinishReason.ERROR",
    "MALFORMED_FUNCTION_CALL",
  ])("called %s is an error, and what came before it stays", async (word) => {
    const got = await streamed(streamOf([words("half")], word));
    expect(got).toMatchObject({ content: "half", finish: null, error: `up gave its answer up (${word})` });
    expect(await whole(streamOf([words("half")], word))).toMatchObject({
      status: 502,
      error: expect.stringContaining(word),
    });
  });

  const chunk = (delta: object, rest: object = {}) => data({ choices: [{ index: 0, delta, ...rest }] });
  it.each<[string, Script]>([
    ["[DONE] alone", { headers: EVENT_STREAM, body: [chunk(words("hello"), { finish_reason: null }), data("[DONE]")] }],
    ["[DONE] alone, without finish_reason", { headers: EVENT_STREAM, body: [chunk(words("hello")), "data:[DONE]\n"] }],
    ["[DONE] and blanks", { headers: EVENT_STREAM, body: [chunk(words("hello")), "data:  [DONE] \r\n\r\n"] }],
    [
      "an empty reason",
      { headers: EVENT_STREAM, body: [chunk(words("hello"), { finish_reason: "" }), data("[DONE]")] },
    ],
    ["a reason alone", { headers: EVENT_STREAM, body: [chunk(words("hello"), { finish_reason: "stop" })] }],
    [
      "its usage alone",
      {
        headers: EVENT_STREAM,
        body: [chunk(words("hello")), data({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 1 } })],
      },
    ],
    ["a message without a reason", wholeOf(words("hello"), undefined)],
    ["a message whose reason is null", wholeOf(words("hello"), null)],
  ])("that is told by %s is an end", async (_, script) => {
    await expectBoth(script, { content: "hello", finish: "stop" });
  });

  it("is one though the connection breaks off after it", async () => {
    const script = streamOf([words("so")]);
    const got = await streamed({
      ...script,
      body: [...script.body.slice(0, -1), ": pause\n".repeat(20_000)],
      breaks: true,
    });
    expect(got).toMatchObject({ content: "so", finish: "stop", error: null });
  });

  it("that is told by nothing is an error that says so, whichever way the connection ends", async () => {
    for (const breaks of [false, true]) {
      const script = { headers: EVENT_STREAM, body: [chunk(words("hello"))], breaks };
      expect(await streamed(script)).toMatchObject({ content: "hello", error: expect.stringMatching(/broke off/) });
      expect(await whole(script)).toMatchObject({
        status: expect.any(Number),
        error: expect.stringMatching(/broke off/),
      });
    }
  });
});

describe("usage", () => {
  const told = { prompt_tokens: 5, completion_tokens: 3 };
  it.each<[string, Script]>([
    ["in the last chunk", streamOf([words("so")], "stop", told)],
    [
      "in a chunk of its own",
      {
        headers: EVENT_STREAM,
        body: [
          data({ choices: [{ delta: words("so"), finish_reason: "stop" }], usage: null }),
          data({ choices: [], usage: told }),
          data("[DONE]"),
        ],
      },
    ],
    [
      "in every chunk",
      {
        headers: EVENT_STREAM,
        body: [
          data({ choices: [{ delta: words("so") }], usage: { ...told, completion_tokens: 1 } }),
          data({ choices: [{ delta: {}, finish_reason: "stop" }], usage: told }),
        ],
      },
    ],
    [
      "in the choice",
      {
        headers: EVENT_STREAM,
        body: [data({ choices: [{ delta: words("so"), finish_reason: "stop", usage: told }] })],
      },
    ],
    [
      "as Groq tells it",
      {
        headers: EVENT_STREAM,
        body: [data({ choices: [{ delta: words("so"), finish_reason: "stop" }], x_groq: { usage: told } })],
      },
    ],
    ["in other words", streamOf([words("so")], "stop", { input_tokens: 5, output_tokens: 3 })],
    ["of a whole message", wholeOf(words("so"), "stop", told)],
  ])("%s is what the server counted", async (_, script) => {
    for (const ask of [whole, streamed]) {
      const { usage } = await ask(script);
      expect(usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 });
      expect(usage).not.toHaveProperty("estimated");
    }
  });

  it.each<[string, object | undefined]>([
    ["none", undefined],
    ["nothing", {}],
    ["zeros", { prompt_tokens: 0, completion_tokens: 0 }],
    ["nulls", { prompt_tokens: null, completion_tokens: null }],
    ["texts", { prompt_tokens: "5", completion_tokens: "x" }],
    [
      "numbers below 0",
      { prompt_tokens: -5, completion_tokens: -3, completion_tokens_details: { reasoning_tokens: -1 } },
    ],
    ["no numbers", { prompt_tokens: Number.MAX_VALUE, completion_tokens: 1e300 }],
  ])("of which there is %s is estimated, and says so", async (_, usage) => {
    const sentence = "one two three four five six";
    for (const script of [
      streamOf(sentence.split(/(?= )/).map(words), "stop", usage),
      wholeOf(words(sentence), "stop", usage),
    ]) {
      for (const ask of [whole, streamed]) {
        const got = (await ask(script)).usage;
        expect(got.estimated).toBe(true);
        expect(got.prompt_tokens).toBeGreaterThan(2);
        expect(got.prompt_tokens).toBeLessThan(20);
        expect(got.completion_tokens).toBeGreaterThan(4);
        expect(got.completion_tokens).toBeLessThan(12);
        expect(got.total_tokens).toBe(got.prompt_tokens + got.completion_tokens);
      }
    }
  });
});
