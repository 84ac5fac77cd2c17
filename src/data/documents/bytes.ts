/** The bytes of a file as a stream: decompressed, and as UTF-8 without a byte order mark, whole or line by line. */
import { createReadStream } from "node:fs";
import { TextDecoder } from "node:util";
import { InputError } from "../../base/index.ts";
import { BadFile, ByteReader } from "../containers/byte-reader.ts";
import { unpackGzip } from "../containers/gzip.ts";
import { unpackZstd } from "../containers/zstd.ts";
import { packingOf } from "./files.ts";

const startsWith = (bytes: Uint8Array, ...first: number[]) => first.every((byte, i) => bytes[i] === byte);

/**
 * The file's bytes, decompressed by its name, chunk by chunk. `onRead` is told of the bytes read from the disk.
 * @throws InputError if it cannot be read, BadFile if its compression is damaged
 */
export async function* rawChunks(path: string, onRead?: (bytes: number) => void): AsyncGenerator<Buffer> {
  const packing = packingOf(path);
  const file = fileChunks(path, onRead);
  if (packing === null) {
    yield* file;
    return;
  }
  const reader = new ByteReader(file);
  try {
    yield* packing === "zst" ? unpackZstd(reader) : unpackGzip(reader);
  } finally {
    await reader.close();
  }
}

async function* fileChunks(path: string, onRead?: (bytes: number) => void): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: 2 ** 18 });
  try {
    for await (const chunk of file) {
      onRead?.(chunk.length);
      yield chunk as Buffer;
    }
  } catch (error) {
    throw new InputError(`${path}: cannot be read: ${(error as Error).message.split("\n")[0]}`);
  } finally {
    file.destroy();
  }
}

/**
 * The file's text as UTF-8, chunk by chunk: UTF-16 is known by its byte order mark and converted, a UTF-8 mark is left out.
 * @throws InputError if it cannot be read; BadFile if it is damaged, or is something else than its name says
 */
export async function* chunks(path: string, onRead?: (bytes: number) => void): AsyncGenerator<Buffer> {
  let decoder: TextDecoder | null = null;
  const decode = (bytes?: Buffer): Buffer => {
    try {
      return Buffer.from(bytes ? decoder!.decode(bytes, { stream: true }) : decoder!.decode());
    } catch {
      throw new BadFile("not UTF-16 (though it begins with its mark)");
    }
  };
  for await (const chunk of withWholeHead(rawChunks(path, onRead))) {
    let bytes = chunk.bytes;
    if (chunk.head) {
      const wrong = mislabelled(bytes);
      if (wrong) throw new BadFile(wrong);
      if (startsWith(bytes, 0xff, 0xfe)) decoder = new TextDecoder("utf-16le", { fatal: true });
      else if (startsWith(bytes, 0xfe, 0xff)) decoder = new TextDecoder("utf-16be", { fatal: true });
      else if (startsWith(bytes, 0xef, 0xbb, 0xbf)) bytes = bytes.subarray(3);
    }
    yield decoder ? decode(bytes) : bytes;
  }
  if (decoder) yield decode();
}

/** Bytes at the beginning that tell what a file is. */
const HEAD_BYTES = 8;

/** The same bytes, of which the first piece is not too short to tell what they are, however the file was packed. */
async function* withWholeHead(chunks: AsyncIterable<Buffer>): AsyncGenerator<{ bytes: Buffer; head: boolean }> {
  let head: Buffer | null = Buffer.alloc(0);
  for await (const bytes of chunks) {
    if (head === null) {
      yield { bytes, head: false };
      continue;
    }
    head = Buffer.concat([head, bytes]);
    if (head.length < HEAD_BYTES) continue;
    yield { bytes: head, head: true };
    head = null;
  }
  if (head !== null && head.length > 0) yield { bytes: head, head: true };
}

const SIGNATURES: readonly (readonly [bytes: readonly number[], what: string])[] = [
  [[0x50, 0x41, 0x52, 0x31], "is Parquet (name it .parquet)"],
  [[0x1f, 0x8b], "is gzipped (let its name end in .gz)"],
  [[0x28, 0xb5, 0x2f, 0xfd], "is compressed with zstd (let its name end in .zst)"],
  [[0xff, 0xfe, 0, 0], "is UTF-32 (convert it to UTF-8)"],
  [[0, 0, 0xfe, 0xff], "is UTF-32 (convert it to UTF-8)"],
  [[0x42, 0x5a, 0x68, 0x39, 0x31, 0x41, 0x59], "is compressed with bzip2 (unpack it first)"],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], "is compressed with xz (unpack it first)"],
  [[0x04, 0x22, 0x4d, 0x18], "is compressed with lz4 (unpack it first)"],
  [[0x50, 0x4b, 0x03, 0x04], "is a zip archive (unpack it first)"],
  [[0x25, 0x50, 0x44, 0x46, 0x2d], "is a PDF (turn it into text first)"],
];

/** Why the first bytes of what should be text are those of something else, or null. */
const mislabelled = (bytes: Uint8Array): string | null =>
  SIGNATURES.find(([signature]) => startsWith(bytes, ...signature))?.[1] ?? null;

/** Lines without their ends; null in place of one that is longer than `most` bytes. Memory stays below a few times that. */
export async function* splitLines(bytes: AsyncIterable<Buffer>, most: number): AsyncGenerator<Buffer | null> {
  let parts: Buffer[] = [];
  let length = 0;
  const take = (): Buffer | null => {
    const line = length > most ? null : parts.length === 1 ? parts[0] : Buffer.concat(parts, length);
    parts = [];
    length = 0;
    return line;
  };
  const add = (part: Buffer): void => {
    length += part.length;
    if (length > most) parts = [];
    else parts.push(part);
  };
  for await (const chunk of bytes) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      add(chunk.subarray(from, end));
      yield take();
      from = end + 1;
    }
    if (from < chunk.length) add(chunk.subarray(from));
  }
  if (length > 0) yield take();
}

/**
 * A text in pieces of at most `most` bytes, cut after an empty line or else at a line's end; null in place of a line that is longer.
 * A text that is short enough is one piece.
 */
export async function* splitText(bytes: AsyncIterable<Buffer>, most: number): AsyncGenerator<Buffer | null> {
  let parts: Buffer[] = [];
  let length = 0;
  let inLongLine = false;
  for await (const chunk of bytes) {
    let rest = chunk;
    if (inLongLine) {
      const end = rest.indexOf(10);
      if (end < 0) continue;
      rest = rest.subarray(end + 1);
      inLongLine = false;
    }
    parts.push(rest);
    length += rest.length;
    while (length > most) {
      const whole = Buffer.concat(parts, length);
      const head = whole.subarray(0, most);
      const end = Math.max(head.lastIndexOf("\n\n") + 1, 0) || head.lastIndexOf(10);
      if (end > 0) {
        yield whole.subarray(0, end + 1);
        rest = whole.subarray(end + 1);
      } else {
        yield null;
        const next = whole.indexOf(10, most);
        inLongLine = next < 0;
        rest = inLongLine ? whole.subarray(whole.length) : whole.subarray(next + 1);
      }
      parts = [rest];
      length = rest.length;
    }
  }
  if (length > 0) yield Buffer.concat(parts, length);
}
