/** Answers without end, and answers that are spoiled. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  asking,
  CHAT,
  data,
  EVENT_STREAM,
  HELLO,
  type Script,
  scriptedUpstream,
  streamOf,
  words,
} from "../testing/scripted-upstream.ts";

const up = await scriptedUpstream();
const { streamed, whole } = asking(up);

const more = (args: unknown, rest: object = {}) => ({ ...rest, function: { arguments: args } });
const calls = (...tool_calls: unknown[]) => ({ tool_calls });

describe("an answer without end", () => {
  const endless = (piece: string): Script => ({
    headers: EVENT_STREAM,
    body: {
      length: 1e9,
      *[Symbol.iterator]() {
        for (;;) yield piece;
      },
    } as unknown as string[],
  });

  it.each([1, 20])("is ended at what max_tokens: %i may have, with length", async (max_tokens) => {
    for (const piece of [words("word "), { reasoning_content: "hm " }, calls(more("1", { index: 0 }))]) {
      const script = endless(data({ choices: [{ index: 0, delta: piece, finish_reason: null }] }).repeat(100));
      for (const ask of [whole, streamed]) {
        const got = await ask(script, { max_tokens });
        expect(got).toMatchObject({ status: 200, finish: "length" });
        const length = got.content.length + got.reasoning.length + (got.calls[0]?.arguments.length ?? 0);
        expect(length).toBeLessThan(300 + 32 * max_tokens);
      }
    }
  });

  it.each([
    ["empty lines of data", "data:\n".repeat(10_000), /longer than/],
    ["one event", "data: x\n".repeat(10_000), /longer than/],
    ["comments", ": waiting\n\n".repeat(10_000), /nothing of an answer/],
    ["empty events", "data: {}\n\n".repeat(10_000), /nothing of an answer/],
    ["empty chunks", data({ choices: [{ delta: {} }] }).repeat(1000), /nothing of an answer/],
  ])(
    "of %s ends with an error",
    async (_, piece, message) => {
      expect((await whole(endless(piece))).error).toMatch(message);
    },
    60_000,
  );
});

describe("any answer", () => {
  const valid = [
    {
      choices: [
        {
          index: 0,
          delta: { role: "assistant", content: "Hi" },
          logprobs: {
            content: [
              { token: "Hi", logprob: -1, bytes: [72], top_logprobs: [{ token: "a", logprob: -2, bytes: null }] },
            ],
          },
          finish_reason: null,
        },
      ],
    },
    {
      choices: [
        {
          index: 0,
          delta: {
            reasoning_content: "hm",
            tool_calls: [{ index: 0, id: "a", type: "function", function: { name: "f", arguments: "{}" } }],
          },
        },
      ],
    },
    {
      choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
      usage: {
        prompt_tokens: 1,
        completion_tokens: 1,
        completion_tokens_details: { reasoning_tokens: 1 },
        prompt_tokens_details: { cached_tokens: 1 },
      },
    },
  ];
  const anything = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom<unknown>(
      null,
      -1,
      1e300,
      2 ** 32 - 2,
      "",
      "__proto__",
      [null],
      {},
      [[]],
      "<think>",
      true,
      "\ud800",
      300,
    ),
  );

  it("spoiled anywhere gives a proper answer or a proper error, and never one of ours", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(2), fc.nat(40), anything, fc.boolean(), async (which, place, value, stream) => {
        const chunks = valid.map((chunk, i) => (i === which ? spoiled(chunk, place, value) : chunk));
        up.answers({ headers: EVENT_STREAM, body: [...chunks.map(data), data("[DONE]")] });
        const answer = await up.send("POST", CHAT, { ...HELLO, stream, logprobs: true, top_logprobs: 1 });
        const body = await answer.text();
        expect([200, 400, 404, 409, 413, 422, 429, 502], body).toContain(answer.status);
        if (stream || answer.status !== 200) return;
        const { choices, usage } = JSON.parse(body);
        expect(typeof choices[0].message.content === "string" || choices[0].message.content === null).toBe(true);
        expect(["stop", "length", "tool_calls", "content_filter"]).toContain(choices[0].finish_reason);
        for (const number of [usage.prompt_tokens, usage.completion_tokens, usage.prompt_cache_miss_tokens])
          expect(Number.isInteger(number) && number >= 0).toBe(true);
        for (const call of choices[0].message.tool_calls ?? []) expect(typeof call.function.arguments).toBe("string");
      }),
      { numRuns: 120, seed: 5 },
    );
  });

  it("of words in any pieces, with thoughts or without, loses none of them", async () => {
    const word = fc.constantFrom("a", "<think>", "</think>", "<", "\n", " b", "</", "think>", "ö🦊");
    await fc.assert(
      fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 12 }), fc.boolean(), async (pieces, stream) => {
        const script = streamOf(pieces.map(words));
        const got = await (stream ? streamed : whole)(script, { reasoning_effort: "none" });
        const bare = (said: string) => said.replaceAll(/<\/?think>|\s/g, "");
        // A tag that came to be where one was taken out is none.
        expect(bare(`${got.reasoning}\u0001${got.content}`).replace("\u0001", "")).toBe(bare(pieces.join("")));
      }),
      { numRuns: 80, seed: 6 },
    );
  });
});

/** A copy with one value inside replaced. */
function spoiled(value: unknown, place: number, by: unknown): unknown {
  const copy = structuredClone(value);
  const places: [Record<string, unknown>, string][] = [];
  const walk = (at: unknown) => {
    if (at === null || typeof at !== "object") return;
    for (const key of Object.keys(at)) {
      places.push([at as Record<string, unknown>, key]);
      walk((at as Record<string, unknown>)[key]);
    }
  };
  walk(copy);
  const [parent, key] = places[place % places.length];
  parent[key] = by;
  return copy;
}
