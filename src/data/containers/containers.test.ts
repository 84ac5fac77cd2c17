/** Compressed files of any make: the same content however it was cut, packed and put together; what is damaged is never taken for whole. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, crc32, deflateRawSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { readDocuments } from "../index.ts";
import { BadFile, ByteReader } from "./byte-reader.ts";
import { unpackGzip } from "./gzip.ts";
import { unpackHadoopLz4, unpackLz4Block } from "./lz4.ts";
import { unpackZstd } from "./zstd.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-containers-"));
afterAll(() => rmSync(dir, { recursive: true }));

/** Unpacks bytes that arrive in pieces of a size: the content, and why it ended. */
async function unpack(
  kind: "gz" | "zst",
  bytes: Uint8Array,
  size = 1000,
): Promise<{ content: Buffer; why: string | null }> {
  const pieces = async function* () {
    for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
  };
  const parts: Buffer[] = [];
  try {
    for await (const part of (kind === "gz" ? unpackGzip : unpackZstd)(new ByteReader(pieces()))) parts.push(part);
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    return { content: Buffer.concat(parts), why: error.message };
  }
  return { content: Buffer.concat(parts), why: null };
}

const skippable = (bytes: number, kind = 0): Buffer => {
  const frame = Buffer.alloc(8 + bytes, 0x28);
  frame.writeUInt32LE(0x184d2a50 + kind);
  frame.writeUInt32LE(bytes, 4);
  return frame;
};

const checksummed = (content: Uint8Array) =>
  zstdCompressSync(content, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });

/** A member with everything that a header can hold. */
function decoratedMember(content: Uint8Array): Buffer {
  const header = Buffer.from([
    0x1f,
    0x8b,
    8,
    4 + 8 + 16,
    0,
    0,
    0,
    0,
    0,
    3,
    2,
    0,
    1,
    2,
    ...Buffer.from("name\0a comment\0"),
  ]);
  const end = Buffer.alloc(8);
  end.writeUInt32LE(crc32(content));
  end.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, deflateRawSync(content), end]);
}

const contents = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc
      .record({ byte: fc.nat(255), length: fc.nat(300_000) })
      .map(({ byte, length }) => new Uint8Array(length).fill(byte)),
  ),
  { minLength: 1, maxLength: 5 },
);

describe("put together of several parts", () => {
  it("zstd: all frames are read, checksummed or not, between frames that are skipped", async () => {
    await fc.assert(
      fc.asyncProperty(contents, fc.integer({ min: 1, max: 400 }), fc.nat(15), async (parts, size, kind) => {
        const packed = parts.flatMap((part, i) => [
          ...(i % 2 === kind % 2 ? [skippable(part.length % 50, kind)] : []),
          i % 3 === 0 ? checksummed(part) : zstdCompressSync(part),
        ]);
        const { content, why } = await unpack("zst", Buffer.concat([...packed, skippable(0)]), size);
        expect(why).toBeNull();
        expect(content.equals(Buffer.concat(parts))).toBe(true);
      }),
      { seed: 16, numRuns: 60 },
    );
  });

  it("gzip: all members are read, with names and comments, padded with zeros", async () => {
    await fc.assert(
      fc.asyncProperty(contents, fc.integer({ min: 1, max: 400 }), fc.nat(600), async (parts, size, padding) => {
        const packed = parts.flatMap((part, i) => [
          i % 2 === 0 ? gzipSync(part) : decoratedMember(part),
          Buffer.alloc(i % 2 === 0 ? padding : 0),
        ]);
        const { content, why } = await unpack("gz", Buffer.concat(packed), size);
        expect(why).toBeNull();
        expect(content.equals(Buffer.concat(parts))).toBe(true);
      }),
      { seed: 16, numRuns: 60 },
    );
  });

  it("a window as large as zstd makes it takes no more memory than the content", async () => {
    const packed = zstdCompressSync(Buffer.from("long"), { params: { [constants.ZSTD_c_windowLog]: 31 } });
    // Without the size of its content, a frame says only how large its window is: 2^31 bytes.
    const open = Buffer.concat([packed.subarray(0, 4), Buffer.of(0, 0xa8), packed.subarray(packed[4] & 0x20 ? 6 : 7)]);
    const before = process.memoryUsage().rss;
    expect((await unpack("zst", open)).content.toString()).toBe("long");
    expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
    const larger = Buffer.concat([open.subarray(0, 5), Buffer.of(0xb0), open.subarray(6)]);
    expect((await unpack("zst", larger)).why).toMatch(/needs a larger window .* at byte 0: pack it with --long=31/);
  });
});

describe("damage", () => {
  const text = Buffer.from(Array.from({ length: 4000 }, (_, i) => `line ${i} ${Math.sin(i)}\n`).join(""));

  it.each(["gz", "zst"] as const)(
    "%s cut off anywhere: what stands before is read, and the rest is told of",
    async (kind) => {
      const pack = kind === "gz" ? gzipSync : checksummed;
      const whole = Buffer.concat([pack(text), pack(text)]);
      for (let at = 5; at < whole.length; at += Math.floor(whole.length / 37)) {
        if (at === pack(text).length) continue;
        const { content, why } = await unpack(kind, whole.subarray(0, at));
        expect(why).toMatch(/^damaged compression \(.*byte \d+/);
        expect(Buffer.concat([text, text]).subarray(0, content.length).equals(content)).toBe(true);
        if (at > pack(text).length) expect(content.length).toBeGreaterThanOrEqual(text.length);
      }
    },
  );

  it.each(["gz", "zst"] as const)("%s with any byte changed is refused, or gives what it gave", async (kind) => {
    const pack = kind === "gz" ? gzipSync : checksummed;
    const whole = Buffer.concat([pack(text), pack(text)]);
    const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
    const right = hash(Buffer.concat([text, text]));
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const hurt = Buffer.from(whole);
        hurt[at] ^= change;
        const { content, why } = await unpack(kind, hurt);
        if (why === null) expect(hash(content)).toBe(right);
      }),
      { seed: 16, numRuns: 150 },
    );
  });

  it("bytes behind the end, and what can only be unpacked elsewhere, are called what they are", async () => {
    const behind = Buffer.from("PS: more");
    const gz = gzipSync(text);
    const zst = checksummed(text);
    expect(await unpack("gz", Buffer.concat([gz, behind]))).toEqual({
      content: text,
      why: `bytes behind the end of the gzip data (from byte ${gz.length} on)`,
    });
    expect(await unpack("zst", Buffer.concat([zst, behind]))).toEqual({
      content: text,
      why: `bytes behind the end of the zstd data (from byte ${zst.length} on)`,
    });
    const old = Buffer.from([0x27, 0xb5, 0x2f, 0xfd, 0, 0]);
    expect((await unpack("zst", old)).why).toMatch(/zstd of before version 0\.8/);
    const dictionary = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, 0, 0]);
    expect((await unpack("zst", dictionary)).why).toMatch(/compressed with a dictionary/);
  });
});

describe("LZ4 blocks", () => {
  /** "abcd", then 20 bytes from 4 before, then five literals. */
  const block = Uint8Array.from([0x4f, 97, 98, 99, 100, 4, 0, 1, 0x50, 101, 102, 103, 104, 105]);
  const content = Buffer.from(`${"abcd".repeat(6)}efghi`);

  it("overlapping repeats, raw and behind Hadoop's lengths, one or several", () => {
    expect(Buffer.from(unpackLz4Block(block, content.length))).toEqual(content);
    expect(Buffer.from(unpackHadoopLz4(block, content.length))).toEqual(content);
    const framed = Buffer.concat([Buffer.from([0, 0, 0, content.length, 0, 0, 0, block.length]), block]);
    expect(Buffer.from(unpackHadoopLz4(framed, content.length))).toEqual(content);
    expect(Buffer.from(unpackHadoopLz4(Buffer.concat([framed, framed]), 2 * content.length))).toEqual(
      Buffer.concat([content, content]),
    );
  });

  it("any damage is an error or another text of the same length, never a read outside", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(100), (bytes, length) => {
        try {
          expect(unpackLz4Block(bytes, length).length).toBe(length);
        } catch (error) {
          expect((error as Error).message).toMatch(/^LZ4 block is/);
        }
      }),
      { seed: 16, numRuns: 500 },
    );
  });
});

it("documents are the same however a file is packed and put together, whatever the case of its ending", async () => {
  const lines = Array.from({ length: 500 }, (_, i) => JSON.stringify({ text: `é ${i}` }));
  const text = Buffer.from(`\ufeff${lines.join("\n")}\n`);
  const halves = [text.subarray(0, 1), text.subarray(1, 3001), text.subarray(3001)];
  const files = {
    "a.jsonl": text,
    "b.JSONL.ZST": Buffer.concat(halves.map((half) => zstdCompressSync(half))),
    "c.Jsonlines.GZ": Buffer.concat(halves.map((half) => gzipSync(half))),
    "d.ndjson.zstd": zstdCompressSync(text),
    "e.json": Buffer.from(`[${lines.join(",\n")}]`),
    "f.JSON.gz": gzipSync(Buffer.from(`{"version": 1, "data": [${lines.join(",")}], "more": {"a": [1]}}`)),
    "g.json": text,
  };
  for (const [name, bytes] of Object.entries(files)) {
    writeFileSync(join(dir, name), bytes);
    const texts: string[] = [];
    for await (const document of readDocuments(join(dir, name), { onBad: "refuse" }))
      texts.push("text" in document ? document.text : "");
    expect([name, texts]).toEqual([name, lines.map((_, i) => `é ${i}`)]);
  }
});
