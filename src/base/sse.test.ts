import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eventData, LONGEST_EVENT } from "./sse.ts";

async function collected<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function parse(...chunks: (string | Uint8Array)[]): Promise<string[]> {
  const bytes = chunks.map((chunk) => (typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk));
  return await collected(
    eventData(
      (async function* () {
        yield* bytes;
      })(),
    ),
  );
}

describe("server-sent events", () => {
  it.each([
    ["plain", "data: a\n\ndata: b\n\n", ["a", "b"]],
    ["CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]],
    ["CR alone", "data: a\r\rdata: b\r\r", ["a", "b"]],
    ["comments, names, ids", ": hello\nevent: x\nid: 1\nretry: 5\ndata: a\n\n:\n\n", ["a"]],
    ["several data lines", "data: a\ndata:b\ndata\n\n", ["a\nb\n"]],
    ["no space", "data:a\n\n", ["a"]],
    ["a byte order mark", "\uFEFFdata: a\n\n", ["a"]],
    ["no last empty line", "data: a\n\ndata: [DONE]", ["a", "[DONE]"]],
    ["nothing", "", []],
  ])("%s", async (_, text, expected) => expect(await parse(text)).toEqual(expected));

  it("may be split anywhere, also inside a character and a line ending", async () => {
    const bytes = new TextEncoder().encode('data: {"t":"你好 🐟"}\r\n\r\n: x\r\ndata: b\r\n\r\ndata: [DONE]\n\n');
    const expected = ['{"t":"你好 🐟"}', "b", "[DONE]"];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(bytes.length), { maxLength: 20 }), async (places) => {
        const cuts = [0, ...places.toSorted((a, b) => a - b), bytes.length];
        const chunks = cuts.slice(1).map((end, i) => bytes.slice(cuts[i], end));
        expect(await parse(...chunks)).toEqual(expected);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it("has a limit", async () => {
    const piece = "x".repeat(1 << 20);
    await expect(parse("data: ", ...Array(LONGEST_EVENT / piece.length + 1).fill(piece))).rejects.toThrow(RangeError);
    for (const line of ["data:\n", "data\n", "data: x\r\n"])
      await expect(parse(...Array(40).fill(line.repeat(50_000)))).rejects.toThrow(RangeError);
  });
});
