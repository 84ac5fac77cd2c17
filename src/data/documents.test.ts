import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { type Document, expandPath, type ReadOptions, readDocuments } from "./index.ts";

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

/** The documents of a file and where something was skipped. */
async function withSkips(path: string): Promise<[Document[], string[]]> {
  const skipped: string[] = [];
  const documents = await readAll(path, {
    onSkipped: (where, why) => skipped.push(`${where.slice(dir.length + 1)} ${why}`),
  });
  return [documents, skipped];
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

describe("bad data", () => {
  it("is skipped and counted line by line, and the rest is read", async () => {
    const lines: (string | Buffer)[] = [
      '{"text": "good"}',
      "{broken",
      "[1]",
      '{"text": ""}',
      '{"text": 4}',
      '{"messages": []}',
      '{"messages": [{"role": "robot", "content": "x"}]}',
      '{"messages": [null]}',
      Buffer.from([0x7b, 0xff, 0xfe, 0x7d]),
      "null",
      '{"text": "also good"}',
    ];
    const [documents, skipped] = await withSkips(
      file("bad.jsonl", Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from("\n")]))),
    );
    expect(documents).toEqual([{ text: "good" }, { text: "also good" }]);
    expect(skipped.map((line) => line.split(" ")[0])).toEqual(
      [2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => `bad.jsonl:${n}`),
    );
    expect(skipped[0]).toMatch(/not valid JSON/);
    expect(skipped[7]).toMatch(/UTF-8/);
  });

  it("is refused with its place where that is asked for", async () => {
    const path = file("refused.jsonl", '{"text": "good"}\n{broken\n');
    await expect(readAll(path, { onBad: "refuse" })).rejects.toThrow(/refused\.jsonl:2: not valid JSON/);
  });

  it("a text that is not UTF-8, or empty, is skipped", async () => {
    expect(await withSkips(file("latin.txt", Buffer.from([0x63, 0xe9])))).toEqual([[], ["latin.txt not UTF-8"]]);
    expect(await withSkips(file("void.txt", " \n"))).toEqual([[], ["void.txt empty"]]);
  });

  it("damaged compression is an error that names the file", async () => {
    const packed = gzipSync("text ".repeat(10_000));
    await expect(readAll(file("cut.txt.gz", packed.subarray(0, packed.length / 2)))).rejects.toThrow(
      /cut\.txt\.gz: cannot be read/,
    );
    await expect(readAll(file("fake.txt.zst", "this is no zstd"))).rejects.toThrow(/fake\.txt\.zst: cannot be read/);
    await expect(readAll(join(dir, "none.jsonl"))).rejects.toThrow(/none\.jsonl: cannot be read/);
  });
});

describe("expandPath", () => {
  mkdirSync(join(dir, "tree", "deep"), { recursive: true });
  for (const name of ["b.txt", "a.jsonl", "deep/c.md.gz", "picture.png", "x+1.txt"]) file(join("tree", name), "");
  const under = (path: string) => expandPath(join(dir, path)).map((found) => found.slice(dir.length + 1));

  it("takes a file, a folder with all below it, or a pattern, in order of name", () => {
    expect(under("tree/b.txt")).toEqual(["tree/b.txt"]);
    expect(under("tree")).toEqual(["tree/a.jsonl", "tree/b.txt", "tree/deep/c.md.gz", "tree/x+1.txt"]);
    expect(under("tree/*.txt")).toEqual(["tree/b.txt", "tree/x+1.txt"]);
    expect(under("tree/x+*")).toEqual(["tree/x+1.txt"]);
  });

  it("says what it did not find", () => {
    mkdirSync(join(dir, "hollow"));
    expect(() => under("hollow")).toThrow(/hollow: holds no \.txt, \.md or \.jsonl/);
    expect(() => under("nowhere")).toThrow(/nowhere: there is no such file or folder/);
    expect(() => under("tree/*.csv")).toThrow(/\*\.csv: no file matches/);
  });
});
