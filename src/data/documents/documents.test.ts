import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { type Document, type ReadOptions, readDocuments, readRecords } from "../index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-documents-"));
afterAll(() => rmSync(dir, { recursive: true }));

async function readAll(path: string, options?: ReadOptions): Promise<Document[]> {
  const documents: Document[] = [];
  for await (const document of readDocuments(path, options)) documents.push(document);
  return documents;
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

describe("formats", () => {
  it("text and Markdown are one document each", async () => {
    expect(await readAll(file("a.txt", "One\n\ntwo\n"))).toEqual([{ text: "One\n\ntwo\n" }]);
    expect(await readAll(file("a.md", "# Fish\n"))).toEqual([{ text: "# Fish\n" }]);
  });

  const messages = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
  ];
  const jsonl = `${JSON.stringify({ text: "première" })}\r\n\n${JSON.stringify({ messages, slice: "talk", id: 7 })}`;
  const expected = [{ text: "première" }, { messages, slice: "talk" }];

  it("JSONL holds texts and chats, with empty lines, CRLF and no last newline", async () => {
    expect(await readAll(file("b.jsonl", jsonl))).toEqual(expected);
  });

  it("the same gzipped and in zstd", async () => {
    expect(await readAll(file("b.jsonl.gz", gzipSync(jsonl)))).toEqual(expected);
    expect(await readAll(file("b.jsonl.zst", zstdCompressSync(jsonl)))).toEqual(expected);
    expect(await readAll(file("c.txt.gz", gzipSync("text")))).toEqual([{ text: "text" }]);
  });

  it("lines that cross the chunks of a stream stay whole", async () => {
    const texts = Array.from({ length: 50 }, (_, i) => "é🐟".repeat(3000 + i));
    const path = file("long.jsonl", texts.map((text) => JSON.stringify({ text })).join("\n"));
    expect((await readAll(path)).map((document) => "text" in document && document.text)).toEqual(texts);
  });
});

describe("where the document is", () => {
  const reply = { role: "assistant", content: "Yes." };
  const rows = [
    {
      body: "A text.",
      q: "Is it?",
      a: "It is.",
      turns: [
        { from: "human", value: "Hi" },
        { from: "gpt", value: "Yes." },
      ],
    },
    { text: "not asked for" },
  ];
  const path = () => file("fields.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));

  it("a named field is a text or a conversation, by what it holds", async () => {
    expect(await readAll(path(), { field: "body" })).toEqual([{ text: "A text." }]);
    expect(await readAll(path(), { field: "turns" })).toEqual([{ messages: [{ role: "user", content: "Hi" }, reply] }]);
  });

  it("a question's and a reply's field are a conversation", async () => {
    const messages = [
      { role: "user", content: "Is it?" },
      { role: "assistant", content: "It is." },
    ];
    expect(await readAll(path(), { promptField: "q", replyField: "a" })).toEqual([{ messages }]);
  });

  it("a record without it is skipped, and says what it lacks", async () => {
    const why: string[] = [];
    await readAll(path(), { field: "body", onSkipped: (_, reason) => why.push(reason) });
    await readAll(path(), { promptField: "q", replyField: "a", onSkipped: (_, reason) => why.push(reason) });
    await readAll(path(), { onSkipped: (_, reason) => why.push(reason) });
    expect(why).toEqual([
      "has no body (but text; its fields are named by field, or promptField and replyField)",
      "has no q and a as text (but text; its fields are named by field, or promptField and replyField)",
      "has no text or messages (but body, q, a, turns; its fields are named by field, or promptField and replyField)",
    ]);
  });

  it("conversations of {from, value} need no name", async () => {
    const shared = file("shared.jsonl", JSON.stringify({ conversations: rows[0].turns }));
    expect(await readAll(shared)).toEqual([{ messages: [{ role: "user", content: "Hi" }, reply] }]);
  });

  it("records come with everything that stood beside the document, and their place", async () => {
    const records: unknown[] = [];
    for await (const record of readRecords(file("beside.jsonl", '\n{"text": "a", "licence": "CC0"}')))
      records.push(record);
    expect(records).toEqual([
      { document: { text: "a" }, json: { text: "a", licence: "CC0" }, where: `${join(dir, "beside.jsonl")}:2` },
    ]);
  });
});
