/** Data that is not what it should be: skipped and counted, or refused with its place. */
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, describe, expect, it } from "vitest";
import { type Document, type ReadOptions, readDocuments, reasonOf } from "../index.ts";
import { splitLines, splitText } from "./bytes.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-bad-"));
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

/** The texts of a file, and what was skipped as "place reason". */
async function read(path: string, options: ReadOptions = {}): Promise<[string[], string[]]> {
  const skipped: string[] = [];
  const documents: Document[] = [];
  const onSkipped = (where: string, why: string) => skipped.push(`${where.slice(dir.length + 1)} ${reasonOf(why)}`);
  for await (const document of readDocuments(path, { ...options, onSkipped })) documents.push(document);
  return [documents.map((document) => ("text" in document ? document.text : "chat")), skipped];
}

/** Read as it is skipped and as it is refused: both must agree on the first place. */
async function both(path: string, options: ReadOptions = {}): Promise<[string[], string[]]> {
  const result = await read(path, options);
  const place = result[1][0].split(" ")[0];
  await expect(read(path, { ...options, onBad: "refuse" })).rejects.toThrow(join(dir, place));
  return result;
}

describe("lines", () => {
  it("each bad one is counted by its reason, and the rest is read", async () => {
    const lines: (string | Buffer)[] = [
      '{"text": "good"}',
      "{broken",
      "[1]",
      '{"text": ""}',
      '{"text": 4}',
      '{"messages": []}',
      '{"messages": [{"role": "robot", "content": "x"}]}',
      '{"messages": [{"role": "toString", "content": "x"}]}',
      '{"messages": [null]}',
      Buffer.from([0x7b, 0xff, 0xfe, 0x7d]),
      "null",
      '{"text": "also good"}',
    ];
    const path = file("bad.jsonl", Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from("\n")])));
    expect(await both(path)).toEqual([
      ["good", "also good"],
      [
        "bad.jsonl:2 not valid JSON",
        "bad.jsonl:3 has no text or messages",
        "bad.jsonl:4 empty",
        "bad.jsonl:5 has no text or messages",
        "bad.jsonl:6 empty",
        "bad.jsonl:7 a message of the unknown role robot",
        "bad.jsonl:8 a message of the unknown role toString",
        "bad.jsonl:9 messages without a role",
        "bad.jsonl:10 not UTF-8",
        "bad.jsonl:11 not an object with text or messages or conversations",
      ],
    ]);
  });

  it("a line that is too long is passed over", async () => {
    const path = file("long.jsonl", `{"text": "a"}\n{"text": "${"b".repeat(5000)}"}\n{"text": "c"}`);
    expect(await both(path, { mostBytes: 1000 })).toEqual([["a", "c"], ["long.jsonl:2 line too long"]]);
  });

  it("one line of 300 MB takes no more memory than its limit", async () => {
    const chunk = Buffer.alloc(2 ** 20, "x");
    const stream = Readable.from(
      (function* () {
        yield Buffer.from("first\n");
        for (let i = 0; i < 300; i++) yield chunk;
        yield Buffer.from("\nlast");
      })(),
    );
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const lines: (string | null)[] = [];
    for await (const line of splitLines(stream, 2 ** 22)) {
      lines.push(line?.toString() ?? null);
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    }
    expect(lines).toEqual(["first", null, "last"]);
    expect(most).toBeLessThan(2 ** 24);
  });
});

describe("texts", () => {
  it("empty, binary and Latin-1 files are skipped", async () => {
    expect(await both(file("latin.txt", Buffer.from("caf\xe9", "latin1")))).toEqual([[], ["latin.txt not UTF-8"]]);
    expect(await both(file("void.txt", " \n"))).toEqual([[], ["void.txt empty"]]);
    expect(await both(file("nothing.md", ""))).toEqual([[], ["nothing.md empty"]]);
    expect(await both(file("zero.txt", "a\0b"))).toEqual([[], ["zero.txt not text"]]);
  });

  it("byte order marks are read: UTF-8 and UTF-16 in both orders, in JSONL too, and compressed", async () => {
    const little = (text: string) => Buffer.from(`\ufeff${text}`, "utf16le");
    const text = "Grüße 🐟\n".repeat(40_000);
    expect(await read(file("mark.txt", `\ufeff${text}`))).toEqual([[text], []]);
    expect(await read(file("little.txt", little(text)))).toEqual([[text], []]);
    expect(await read(file("big.txt.gz", gzipSync(little(text).swap16())))).toEqual([[text], []]);
    expect(await read(file("mark.jsonl", '\ufeff{"text": "ä"}\n{"text": "ö"}'))).toEqual([["ä", "ö"], []]);
    expect(await read(file("little.jsonl", little('{"text": "ä"}\n{"text": "ö"}')))).toEqual([["ä", "ö"], []]);
  });

  it("what begins as UTF-16 and is not, and UTF-32, are skipped", async () => {
    expect(await both(file("half.txt", Buffer.from([0xff, 0xfe, 0x41])))).toEqual([[], ["half.txt not UTF-16"]]);
    expect(await both(file("wide.txt", Buffer.from([0xff, 0xfe, 0, 0, 65, 0, 0, 0])))).toEqual([
      [],
      ["wide.txt is UTF-32"],
    ]);
  });

  it("a long one becomes several, cut at empty lines or line ends; a line that is longer is skipped", async () => {
    const paragraphs = Array.from({ length: 30 }, (_, i) => `Paragraph ${i}\nof two lines.\n\n`);
    const path = file("book.txt", paragraphs.join(""));
    const [pieces] = await read(path, { mostBytes: 100 });
    expect(pieces.join("")).toBe(paragraphs.join(""));
    for (const piece of pieces) expect(piece.length <= 100 && piece.endsWith("\n\n")).toBe(true);
    const line = file("line.txt", `a\n${"b".repeat(500)}\nc\n`);
    expect(await both(line, { mostBytes: 100 })).toEqual([["a\n", "c\n"], ["line.txt (piece 2) line too long"]]);
  });

  it("pieces are the same however the stream was cut, and no text is lost", async () => {
    const text = Buffer.from(`${"one line\n".repeat(50)}${"x".repeat(300)}\n${"two\n\n".repeat(40)}end`);
    const piecesOf = async (size: number) => {
      const pieces: (string | null)[] = [];
      const parts = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.subarray(i * size, (i + 1) * size),
      );
      for await (const piece of splitText(Readable.from(parts), 120)) pieces.push(piece?.toString() ?? null);
      return pieces;
    };
    const whole = await piecesOf(10_000);
    expect(whole.filter((piece) => piece === null).length).toBe(1);
    expect(whole.join("")).toBe(text.toString().replace(`${"x".repeat(300)}\n`, ""));
    for (const size of [1, 7, 64, 500]) expect((await piecesOf(size)).join("")).toBe(whole.join(""));
  });
});

describe("files", () => {
  const lines = Array.from({ length: 3000 }, (_, i) => JSON.stringify({ text: `line ${i} ${Math.sin(i)}` })).join("\n");

  it.each([
    ["gz", gzipSync(lines)],
    ["zst", zstdCompressSync(lines)],
  ])("truncated .%s: what stands before the damage is read, the rest is one skip", async (ending, packed) => {
    const [texts, skipped] = await both(file(`cut.jsonl.${ending}`, packed.subarray(0, packed.length * 0.7)));
    expect(texts.length).toBeLessThan(3000);
    expect(texts).toEqual(texts.map((_, i) => `line ${i} ${Math.sin(i)}`));
    expect(skipped).toEqual([expect.stringMatching(/damaged compression$/)]);
  });

  it("what is not compressed as its name says is skipped, and so is a text whose compression is cut", async () => {
    const packed = gzipSync("text ".repeat(10_000));
    expect(await both(file("cut.txt.gz", packed.subarray(0, packed.length / 2)))).toEqual([
      [],
      ["cut.txt.gz damaged compression"],
    ]);
    expect(await both(file("fake.txt.zst", "no zstd"))).toEqual([[], ["fake.txt.zst damaged compression"]]);
    expect(await both(file("plain.txt", packed))).toEqual([[], ["plain.txt is gzipped"]]);
    expect(await both(file("plain.jsonl", zstdCompressSync(lines)))).toEqual([
      [],
      ["plain.jsonl is compressed with zstd"],
    ]);
  });

  it("text named .parquet, and Parquet named .jsonl", async () => {
    const table = new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "text", data: ["a"] }] }));
    expect(await both(file("text.parquet", "only some text, and no table"))).toEqual([
      [],
      ["text.parquet not Parquet"],
    ]);
    expect(await both(file("table.jsonl", table))).toEqual([[], ["table.jsonl is Parquet"]]);
    expect(await both(file("cut.parquet", table.subarray(0, -9)))).toEqual([[], ["cut.parquet damaged Parquet"]]);
  });

  it("one that is not there is an error in any case", async () => {
    await expect(read(join(dir, "none.jsonl"))).rejects.toThrow(/none\.jsonl: cannot be read/);
    await expect(read(join(dir, "none.parquet"))).rejects.toThrow(/none\.parquet: cannot be read/);
  });

  it("a reader that stops early leaves no error behind", async () => {
    const path = join(dir, "much.jsonl.gz");
    const out = createWriteStream(path);
    out.end(gzipSync(lines));
    await finished(out);
    for await (const document of readDocuments(path)) {
      expect(document).toEqual({ text: "line 0 0" });
      break;
    }
  });
});
