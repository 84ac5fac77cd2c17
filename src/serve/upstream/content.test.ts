/** Words and thoughts of an answer as servers give them, and what a client of this server gets of each. */
import { describe, expect, it } from "vitest";
import {
  asking,
  data,
  EVENT_STREAM,
  scriptedUpstream,
  streamOf,
  type Want,
  wholeOf,
  words,
} from "../testing/scripted-upstream.ts";

const up = await scriptedUpstream();
const { expectBoth, streamed, whole } = asking(up);

describe("words", () => {
  it.each<[string, object[], Want]>([
    [
      "in parts",
      [
        {
          content: [
            { type: "text", text: "par" },
            { type: "text", text: "ts" },
          ],
        },
      ],
      { content: "parts" },
    ],
    ["in parts as texts", [{ content: ["par", "ts"] }], { content: "parts" }],
    ["as an object", [{ content: { type: "text", text: "parts" } }], { content: "parts" }],
    ["as output_text", [{ content: [{ type: "output_text", text: "parts" }] }], { content: "parts" }],
    [
      "in parts, some of them thoughts",
      [
        {
          content: [
            { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
            { type: "text", text: "so" },
          ],
        },
      ],
      { content: "so", reasoning: "hm" },
    ],
    [
      "in parts that cannot be shown",
      [
        {
          content: [
            { type: "image_url", image_url: { url: "x" } },
            { type: "text", text: " so" },
          ],
        },
      ],
      { content: "[image_url: not shown] so" },
    ],
    ["as what was spoken", [{ audio: { id: "a", data: "AAAA", transcript: "spoken" } }], { content: "spoken" }],
    [
      "beside pictures",
      [{ content: "so ", images: [{ type: "image_url", image_url: { url: "x" } }] }],
      { content: "so [image: not shown]" },
    ],
    [
      "beside a call among their parts",
      [
        {
          content: [
            { type: "text", text: "so" },
            { type: "tool_use", id: "a", name: "f", input: { x: 1 } },
          ],
        },
      ],
      { content: "so", calls: [["f", '{"x":1}']], finish: "tool_calls" },
    ],
    ["as a number", [{ content: 42 }], { content: "42" }],
    ["as a refusal", [{ refusal: "I cannot" }], { content: "I cannot" }],
    ["as a refusal in pieces", [{ content: null, refusal: "I " }, { refusal: "cannot" }], { content: "I cannot" }],
    ["as thoughts of DeepSeek", [{ reasoning_content: "hm" }, words("so")], { reasoning: "hm", content: "so" }],
    ["as thoughts of vLLM", [{ reasoning: "hm" }, words("so")], { reasoning: "hm", content: "so" }],
    [
      "as thoughts of OpenRouter",
      [{ reasoning: "hm", reasoning_details: [{ type: "reasoning.text", text: "hm" }] }, words("so")],
      { reasoning: "hm", content: "so" },
    ],
    [
      "as details of thoughts",
      [
        {
          reasoning_details: [
            { type: "reasoning.summary", summary: "h" },
            { type: "reasoning.text", text: "m" },
            { type: "reasoning.encrypted", data: "x" },
          ],
        },
        words("so"),
      ],
      { reasoning: "hm", content: "so" },
    ],
    ["as thinking", [{ thinking: "hm" }, words("so")], { reasoning: "hm", content: "so" }],
    ["as thoughts in an object", [{ reasoning: { content: "hm" } }, words("so")], { reasoning: "hm", content: "so" }],
    [
      "under both names",
      [{ reasoning: "hm", reasoning_content: "hm" }, words("so")],
      { reasoning: "hm", content: "so" },
    ],
    ["with thoughts in tags", [words("<think>abc</think>\n\nans")], { reasoning: "abc", content: "ans" }],
    [
      "with thoughts in tags that are split",
      [..."\n<think>\nabc\n</think>\n\nans"].map(words),
      { reasoning: "abc\n", content: "ans" },
    ],
    ["with thoughts in other tags", [words("[THINK]abc"), words("[/THINK]ans")], { reasoning: "abc", content: "ans" }],
    ["with a thought in Gemini's tags", [words("<thought>abc</thought>ans")], { reasoning: "abc", content: "ans" }],
    ["with a thought in Kimi's marks", [words("◁think▷abc◁/think▷ans")], { reasoning: "abc", content: "ans" }],
    ["with thinking in tags", [words("<thinking>abc</thinking>"), words("ans")], { reasoning: "abc", content: "ans" }],
    ["with thoughts that are not closed", [words("<think>abc"), words(" def</th")], { reasoning: "abc def</th" }],
    ["with an empty thought", [words("<think>\n\n</think>\n\nans")], { content: "ans" }],
    ["with what looks like a tag", [words("<"), words("thin>k</think> ok")], { content: "<thin>k</think> ok" }],
    [
      "with a tag that is talked about",
      [words("Use `<think>` and `</think>`.")],
      { content: "Use `<think>` and `</think>`." },
    ],
    ["that are only blank", [words(" \n")], { content: " \n" }],
    ["that end in what could begin a tag", [words("<thi")], { content: "<thi" }],
  ])("%s arrive", async (_, deltas, want) => {
    await expectBoth(streamOf(deltas), { finish: "stop", ...want });
    const merged: Record<string, unknown> = {};
    for (const delta of deltas)
      for (const [field, value] of Object.entries(delta))
        merged[field] =
          typeof value === "string" && typeof merged[field] === "string"
            ? merged[field] + value
            : (value ?? merged[field]);
    await expectBoth(wholeOf(merged), { finish: "stop", ...want });
  });

  it("before a thought's end that nothing opened are thoughts, from the second streamed answer on", async () => {
    const script = streamOf([words("abc"), words("\n</think>"), words("\n\nans")]);
    expect(await whole(script)).toMatchObject({ reasoning: "abc", content: "ans" });
    expect(await streamed(script)).toMatchObject({ reasoning: "abc\n", content: "ans" });
    // An answer that does not think is an answer all the same, and so are those that follow.
    expect(await streamed(streamOf([words("plain")]))).toMatchObject({ content: "plain" });
    expect(await streamed(streamOf([words("plain")]))).toMatchObject({ content: "plain", reasoning: "" });
    // Nobody lost a word of the first stream either.
    expect(await streamed(script)).toMatchObject({ content: "abc\n</think>\n\nans" });
    expect(await streamed(script, { reasoning_effort: "none" })).toMatchObject({ content: "abc\n</think>\n\nans" });
    expect(await streamed(streamOf([words("plain")]))).toMatchObject({ content: "plain" });
  });

  it("come once, though a message repeats them at the end", async () => {
    const repeated = data({
      choices: [{ index: 0, message: { role: "assistant", content: "so" }, finish_reason: "stop" }],
    });
    await expectBoth(
      { headers: EVENT_STREAM, body: [data({ choices: [{ delta: words("so") }] }), repeated, data("[DONE]")] },
      { content: "so", finish: "stop" },
    );
  });

  it("of messages in a stream arrive once, whether each holds all so far or what is added", async () => {
    for (const pieces of [
      ["Hel", "lo", " you"],
      ["Hel", "Hello", "Hello you", "Hello you"],
    ]) {
      const body = pieces.map((content) =>
        data({ choices: [{ index: 0, message: { content }, finish_reason: null }] }),
      );
      const end = data({ choices: [{ index: 0, message: { content: "" }, finish_reason: "stop" }] });
      await expectBoth({ headers: EVENT_STREAM, body: [...body, end, data("[DONE]")] }, { content: "Hello you" });
    }
  });

  it("and calls that only the message at the end has arrive", async () => {
    const message = { content: "so", tool_calls: [{ id: "a", function: { name: "f", arguments: "{}" } }] };
    const end = data({ choices: [{ index: 0, delta: {}, message, finish_reason: "stop" }] });
    await expectBoth(
      { headers: EVENT_STREAM, body: [data({ choices: [{ delta: words("so") }] }), end, data("[DONE]")] },
      { content: "so", calls: [["f", "{}"]], finish: "tool_calls" },
    );
  });

  it("in parts within parts are named where they are too deep to be read", async () => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"text":', "}"],
    ]) {
      const content = `${open.repeat(5000)}"x"${close.repeat(5000)}`;
      const body = [`data: {"choices":[{"delta":{"content":${content}},"finish_reason":"stop"}]}\n\n`];
      await expectBoth({ headers: EVENT_STREAM, body }, { content: "[a part: not shown]" });
    }
  });

  it("in very many parts arrive", async () => {
    const parts = Array(300_000).fill("a");
    for (const delta of [{ content: parts }, { refusal: parts }])
      expect((await whole(streamOf([delta]))).content).toHaveLength(300_000);
  });

  it("are not kept from their reader by reports of tokens that nobody asked for", async () => {
    const content = Array.from({ length: 70_000 }, () => ({ token: "x", logprob: -1 }));
    const body = [data({ choices: [{ delta: { content: "" }, logprobs: { content } }] })];
    const script = streamOf([words("so")]);
    await expectBoth({ ...script, body: [...body, ...script.body] }, { content: "so", finish: "stop" });
    expect(await whole({ ...script, body: [...body, ...script.body] }, { logprobs: true })).toMatchObject({
      finish: "length",
    });
  });
});
