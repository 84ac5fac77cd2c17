/** The bytes of a file as a stream: decompressed, and as UTF-8 without a byte order mark, whole or line by line. */
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { TextDecoder } from "node:util";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { InputError } from "../../base/index.ts";

/** A file whose content is not what its name says, from here on. Readers skip and count it, or refuse it. */
export class BadFile extends Error {}

const startsWith = (bytes: Uint8Array, ...first: number[]) => first.every((byte, i) => bytes[i] === byte);

/**
 * The file's bytes, decompressed by its name, chunk by chunk. `onRead` is told of the bytes read from the disk.
 * @throws InputError if it cannot be read, BadFile if its compression is damaged
 */
export async function* rawChunks(path: string, onRead?: (bytes: number) => void): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: 2 ** 18 });
  if (onRead) file.on("data", (chunk) => onRead(chunk.length));
  const unpack = path.endsWith(".zst") ? createZstdDecompress() : path.endsWith(".gz") ? createGunzip() : null;
  const stream = unpack ? pipeline(file, unpack, () => {}) : file;
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    const { syscall, message } = error as NodeJS.ErrnoException;
    if (syscall !== undefined) throw new InputError(`${path}: cannot be read: ${message.split("\n")[0]}`);
    throw new BadFile(`damaged compression (${message.split("\n")[0]})`);
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
  let first = true;
  const decode = (bytes?: Buffer): Buffer => {
    try {
      return Buffer.from(bytes ? decoder!.decode(bytes, { stream: true }) : decoder!.decode());
    } catch {
      throw new BadFile("not UTF-16 (though it begins with its mark)");
    }
  };
  for await (const chunk of rawChunks(path, onRead)) {
    let bytes = chunk;
    if (first) {
      first = false;
      const wrong = mislabelled(chunk);
      if (wrong) throw new BadFile(wrong);
      if (startsWith(chunk, 0xef, 0xbb, 0xbf)) bytes = chunk.subarray(3);
      else if (startsWith(chunk, 0xff, 0xfe)) decoder = new TextDecoder("utf-16le", { fatal: true });
      else if (startsWith(chunk, 0xfe, 0xff)) decoder = new TextDecoder("utf-16be", { fatal: true });
    }
    yield decoder ? decode(bytes) : bytes;
  }
  if (decoder) yield decode();
}

/** Why the first bytes of what should be text are those of something else, or null. */
function mislabelled(bytes: Uint8Array): string | null {
  if (startsWith(bytes, 0x50, 0x41, 0x52, 0x31)) return "is Parquet (name it .parquet)";
  if (startsWith(bytes, 0x1f, 0x8b)) return "is gzipped (let its name end in .gz)";
  if (startsWith(bytes, 0x28, 0xb5, 0x2f, 0xfd)) return "is compressed with zstd (let its name end in .zst)";
  if (startsWith(bytes, 0xff, 0xfe, 0, 0) || startsWith(bytes, 0, 0, 0xfe, 0xff))
    return "is UTF-32 (convert it to UTF-8)";
  return null;
}

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
