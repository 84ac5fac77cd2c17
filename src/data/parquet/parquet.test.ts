import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { type ColumnSource, parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, describe, expect, it } from "vitest";
import { BadFile } from "../containers/byte-reader.ts";
import { type DataRecord, type ReadOptions, readRecords } from "../index.ts";
import { readParquet } from "./parquet.ts";

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
  expect(skipped).toEqual([
    expect.stringMatching(/^chats\.parquet:2 has no question and solution as text \(but messages/),
  ]);
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
    [1, 2].map((row) => expect.stringMatching(`^numbers.parquet:${row} has no text or messages \\(but n;`)),
  ]);
});

/** A literal-only LZ4 block, as any compressor may write it. */
function lz4(bytes: Uint8Array): Uint8Array {
  const longer =
    bytes.length < 15 ? [] : [...Array(Math.floor((bytes.length - 15) / 255)).fill(255), (bytes.length - 15) % 255];
  return Uint8Array.from([Math.min(15, bytes.length) << 4, ...longer, ...bytes]);
}

it.each(["LZ4", "LZ4_RAW"] as const)("pages in %s", async (codec) => {
  const framed = (bytes: Uint8Array): Uint8Array => {
    const packed = lz4(bytes);
    const head = Buffer.alloc(codec === "LZ4" ? 8 : 0);
    if (codec === "LZ4") {
      head.writeUInt32BE(bytes.length);
      head.writeUInt32BE(packed.length, 4);
    }
    return new Uint8Array(Buffer.concat([head, packed]));
  };
  const path = join(dir, `${codec}.parquet`);
  const bytes = parquetWriteBuffer({ columnData: columns, codec, compressors: { [codec]: framed } });
  writeFileSync(path, new Uint8Array(bytes));
  const [records, skipped] = await readAll(path);
  expect(skipped).toEqual([]);
  expect(records.map(({ json }) => json.text)).toEqual(texts);
});

/** The same file with another number of rows in its footer. */
function claiming(bytes: Uint8Array, rows: bigint, claimed: bigint): Uint8Array {
  const varint = (value: bigint): number[] => {
    const zigzag = value * 2n;
    const out: number[] = [];
    for (let left = zigzag; ; left >>= 7n) {
      if (left < 128n) return [...out, Number(left)];
      out.push(Number(left & 127n) | 128);
    }
  };
  const length = new DataView(bytes.buffer).getUint32(bytes.length - 8, true);
  const footer = [...bytes.subarray(bytes.length - 8 - length, bytes.length - 8)];
  const old = varint(rows);
  // An i64 field (type 6) with that value.
  for (let at = footer.length - old.length; at > 0; at--)
    if ((footer[at - 1] & 15) === 6 && old.every((byte, i) => footer[at + i] === byte))
      footer.splice(at, old.length, ...varint(claimed));
  const end = Buffer.alloc(8, "PAR1");
  end.writeUInt32LE(footer.length);
  return new Uint8Array(Buffer.concat([bytes.subarray(0, bytes.length - 8 - length), Buffer.from(footer), end]));
}

describe("files that make a reader run away", () => {
  const small = () =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: "text", data: Array.from({ length: 60 }, (_, i) => `s${i % 7}`), type: "STRING" },
          { name: "n", data: Array.from({ length: 60 }, (_, i) => i), type: "INT32" },
        ],
        codec: "UNCOMPRESSED",
      }),
    );

  async function rowsOf(path: string, milliseconds: number): Promise<{ rows: number; why: string | null }> {
    let rows = 0;
    const why: string[] = [];
    try {
      for await (const _ of readParquet(path, { onBad: (_, reason) => why.push(reason), milliseconds })) rows++;
    } catch (error) {
      if (!(error instanceof BadFile)) throw error;
      why.push(error.message);
    }
    return { rows, why: why[0] ?? null };
  }

  it("any byte changed: rows or a reason, in bounded time, and the next file is read", {
    timeout: 60_000,
  }, async () => {
    const whole = small();
    const path = join(dir, "mutant.parquet");
    const check = async (at: number, value: number) => {
      const hurt = whole.slice();
      hurt[at] = value;
      writeFileSync(path, hurt);
      const began = performance.now();
      const { rows, why } = await rowsOf(path, 700);
      expect(performance.now() - began).toBeLessThan(5000);
      if (why === null) expect(rows).toBe(60);
      else expect(why).toMatch(/^[^\n]+$/);
    };
    // Bytes that made it loop for ever.
    for (const at of [74, 125]) await check(at, 0);
    const mutants = fc.sample(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { seed: 16, numRuns: 60 });
    for (const [at, value] of mutants) await check(at, value);
    writeFileSync(path, whole);
    expect(await rowsOf(path, 20_000)).toEqual({ rows: 60, why: null });
  });

  it("a few bytes that stand for more values than memory holds are refused", async () => {
    const path = join(dir, "many.parquet");
    const equal = (rows: number) =>
      new Uint8Array(
        parquetWriteBuffer({ columnData: [{ name: "text", data: Array(rows).fill("same") }], rowGroupSize: rows }),
      );
    writeFileSync(path, equal(300_000));
    expect(await rowsOf(path, 20_000)).toEqual({ rows: 300_000, why: null });
    // A column that claims 2^40 values, in the footer alone.
    writeFileSync(path, claiming(equal(100), 100n, 2n ** 40n));
    expect((await rowsOf(path, 20_000)).why).toMatch(/^rows of \d+ values together, above the limit of 33554432/);
  });

  it("Ctrl-C ends the reading of one that loops for ever", async () => {
    const hurt = small();
    hurt[74] = 0;
    const path = join(dir, "loop.parquet");
    writeFileSync(path, hurt);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("stopped")), 200);
    const reading = readParquet(path, { onBad: () => {}, signal: controller.signal });
    await expect(reading.next()).rejects.toThrow("stopped");
  });
});
