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
});
