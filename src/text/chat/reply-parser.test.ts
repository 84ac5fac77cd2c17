import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ReplyForm, ReplyParser, type ReplyPart } from "./reply-parser.ts";

const CALLS =
  '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>search<｜tool▁sep｜>{"q":"a<b"}<｜tool▁call▁end｜>' +
  "<｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

/** The whole of each kind, when the text comes in these pieces. */
function parse(pieces: readonly string[], form: Partial<ReplyForm> = {}) {
  let ids = 0;
  const parser = new ReplyParser({ begins: "answer", calls: true, newId: () => `id${ids++}`, ...form });
  const parts: ReplyPart[] = [...pieces.flatMap((piece) => parser.push(piece)), ...parser.end()];
  const joined = (type: "text" | "reasoning") => parts.map((part) => (part.type === type ? part.text : "")).join("");
  const calls: string[][] = [];
  for (const part of parts) {
    if (part.type !== "tool_call") continue;
    if (part.id !== undefined) calls[part.index] = [part.id, part.name!, ""];
    calls[part.index][2] += part.arguments;
  }
  return { text: joined("text"), reasoning: joined("reasoning"), calls };
}

describe("ReplyParser", () => {
  it("parts an answer from the calls after it", () => {
    expect(parse([`Let me look.${CALLS}`])).toEqual({
      text: "Let me look.",
      reasoning: "",
      calls: [
        ["id0", "search", '{"q":"a<b"}'],
        ["id1", "now", "{}"],
      ],
    });
  });

  it("reads the calls of DeepSeek-V3, which are fenced", () => {
    const call =
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>search\n```json\n{"q":1}\n```<｜tool▁call▁end｜>';
    expect(parse([...call]).calls).toEqual([["id0", "search", '{"q":1}']]);
  });

  it("knows reasoning that the prompt began, that the reply begins, and that is not there", () => {
    const both = { text: "yes", reasoning: "hm\n", calls: [] };
    expect(parse(["hm\n</think>\n\nyes"], { begins: "reasoning" })).toEqual(both);
    expect(parse(["<think>\nhm\n</think>\n\nyes"], { begins: "either" })).toEqual(both);
    expect(parse(["<thin air"], { begins: "either" })).toEqual({ text: "<thin air", reasoning: "", calls: [] });
    expect(parse(["</think>"], { begins: "answer" }).text).toBe("</think>");
  });

  it("leaves calls in the text where there are no tools", () => {
    expect(parse([CALLS], { calls: false })).toEqual({ text: CALLS, reasoning: "", calls: [] });
  });

  it("shows nothing of a mark that may be coming, and all of what was none", () => {
    const parser = new ReplyParser({ begins: "answer", calls: true, newId: () => "" });
    expect(parser.push("a<｜tool")).toEqual([{ type: "text", text: "a" }]);
    expect(parser.push("box｜>")).toEqual([{ type: "text", text: "<｜toolbox｜>" }]);
    expect(parser.push("<｜tool▁calls")).toEqual([]);
    expect(parser.end()).toEqual([]);
    expect(parser.push("a <")).toEqual([{ type: "text", text: "a " }]);
    expect(parser.end()).toEqual([{ type: "text", text: "<" }]);
    // Where nothing but calls may come, the first character of a mark is one.
    expect(parse(["<"], { onlyCalls: true }).text).toBe("");
  });

  it("keeps what an answer that was cut off had given of a call", () => {
    expect(parse([CALLS.slice(0, CALLS.indexOf("a<b") + 1)]).calls).toEqual([["id0", "search", '{"q":"a']]);
    expect(parse([CALLS.slice(0, CALLS.indexOf("▁end｜>") + 2)]).calls).toEqual([["id0", "search", '{"q":"a<b"}']]);
  });

  it("gives the same however the text is cut", () => {
    const texts = [`<think>one</think>two${CALLS}three`, "<think>never ends", "no marks < at all <｜", CALLS + CALLS];
    const cuts = fc.array(fc.nat(300), { maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom(...texts), cuts, (text, cuts) => {
        const at = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, i) => text.slice(at[i], end));
        expect(parse(pieces, { begins: "either" })).toEqual(parse([text], { begins: "either" }));
      }),
      { seed: 8, numRuns: 500 },
    );
  });
});
