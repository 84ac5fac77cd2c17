import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import { type ColumnSource, parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, expect, it } from "vitest";
import { type DataRecord, type ReadOptions, readRecords } from "../index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-parquet-"));
afterAll(() => rmSync(dir, { recursive: true }));

type Codec = "SNAPPY" | "GZIP" | "ZSTD" | "BROTLI" | "UNCOMPRESSED";
const compressors = {
  GZIP: (bytes: Uint8Array) => gzipSync(bytes),
  ZSTD: (bytes: Uint8Array) => zstdCompressSync(bytes),
  BROTLI: (bytes: Uint8Array) => brotliCompressSync(bytes),
};

function table(name: string, columnData: ColumnSource[], codec: Codec = "SNAPPY"): string {
  const path = join(dir, name);
  const bytes = new Uint8Array(parquetWriteBuffer({ columnData, codec, compressors, rowGroupSize: 100 }));
  writeFileSync(path, name.endsWith(".gz") ? gzipSync(bytes) : bytes);
  return path;
}

async function readAll(path: string, options?: ReadOptions): Promise<[DataRecord[], string[]]> {
  const records: DataRecord[] = [];
  const skipped: string[] = [];
  const onSkipped = (where: string, why: string) => skipped.push(`${where.slice(dir.length + 1)} ${why}`);
  for await (const record of readRecords(path, { ...options, onSkipped })) records.push(record);
  return [records, skipped];
}

const texts = Array.from({ length: 250 }, (_, i) => `Text number ${i}. `.repeat(1 + (i % 7)));
const columns: ColumnSource[] = [
  { name: "id", data: texts.map((_, i) => BigInt(i)), type: "INT64" },
  { name: "text", data: texts, type: "STRING" },
];

it.each<Codec>(["SNAPPY", "GZIP", "ZSTD", "BROTLI", "UNCOMPRESSED"])(
  "pages in %s, over several groups of rows",
  async (codec) => {
    const path = table(`${codec}.parquet`, columns, codec);
    const [records, skipped] = await readAll(path);
    expect(skipped).toEqual([]);
    expect(records.map(({ json }) => json)).toEqual(texts.map((text, id) => ({ id, text })));
    expect(records[249].where).toBe(`${path}:250`);
  },
);

it("a table that is itself gzipped", async () => {
  const [records] = await readAll(table("packed.parquet.gz", columns));
  expect(records.map(({ document }) => document)).toEqual(texts.map((text) => ({ text })));
});

it("conversations are lists of structures, and any column can be the document", async () => {
  const messages = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
  ];
  const path = table("chats.parquet", [
    { name: "messages", data: [messages, messages], type: "JSON" },
    { name: "question", data: ["Q1", "Q2"], type: "STRING" },
    { name: "solution", data: ["A1", null], type: "STRING" },
  ]);
  expect((await readAll(path))[0].map(({ document }) => document)).toEqual([{ messages }, { messages }]);
  const [records, skipped] = await readAll(path, { promptField: "question", replyField: "solution" });
  expect(records.map(({ document }) => document)).toEqual([
    {
      messages: [
        { role: "user", content: "Q1" },
        { role: "assistant", content: "A1" },
      ],
    },
  ]);
  expect(skipped).toEqual(["chats.parquet:2 has no question and solution as text"]);
  expect((await readAll(path, { field: "question" }))[0].map(({ document }) => document)).toEqual([
    { text: "Q1" },
    { text: "Q2" },
  ]);
});

it("a damaged group of rows is one skip, and the others are read; without the columns there is nothing to read", async () => {
  const bytes = new Uint8Array(
    parquetWriteBuffer({ columnData: columns, rowGroupSize: 100, codec: "GZIP", compressors }),
  );
  // Somewhere inside the pages of the first hundred texts.
  bytes.fill(0x5a, 500, 560);
  const path = join(dir, "hurt.parquet");
  writeFileSync(path, bytes);
  const [records, skipped] = await readAll(path);
  expect(records.map(({ json }) => json.text)).toEqual(texts.slice(100));
  expect(skipped).toEqual([expect.stringMatching(/^hurt\.parquet:1-100 damaged Parquet \(/)]);
  const numbers = table("numbers.parquet", [{ name: "n", data: [1, 2] }]);
  expect(await readAll(numbers)).toEqual([
    [],
    ["numbers.parquet:1 has no text or messages", "numbers.parquet:2 has no text or messages"],
  ]);
});
