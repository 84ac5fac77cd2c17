/** Gzip, all members of a file (RFC 1952), each checked against its checksum, and what stands behind them. */
import { crc32, createInflateRaw } from "node:zlib";
import { BadFile, type ByteReader, damaged } from "./byte-reader.ts";
import { Unpacker } from "./unpacker.ts";

/** Compressed bytes unpacked at a time: they give 16 MiB at most. */
const PIECE_BYTES = 2 ** 14;
/** The longest name or comment in a header. */
const MAX_NAME_BYTES = 2 ** 16;

const [HAS_CRC, HAS_EXTRA, HAS_NAME, HAS_COMMENT] = [2, 4, 8, 16];

/** The content of all members. Zeros behind one are padding. @throws BadFile for what is cut off, damaged or no member */
export async function* unpackGzip(reader: ByteReader): AsyncGenerator<Buffer> {
  for (let members = 0; ; members++) {
    if (members > 0) await skipZeros(reader);
    const start = reader.at;
    const magic = await reader.upTo(2);
    if (magic.length === 0 && members > 0) return;
    if (magic[0] !== 0x1f || magic[1] !== 0x8b) {
      if (members === 0) throw damaged("not gzip");
      throw new BadFile(`bytes behind the end of the gzip data (from byte ${start} on)`);
    }
    await header(reader);
    yield* member(reader);
  }
}

async function skipZeros(reader: ByteReader): Promise<void> {
  for (;;) {
    const part = await reader.some(PIECE_BYTES);
    if (part === null) return;
    const content = part.findIndex((byte) => byte !== 0);
    if (content < 0) continue;
    reader.unread(part.subarray(content));
    return;
  }
}

async function header(reader: ByteReader): Promise<void> {
  const [method, flags] = await reader.exactly(8);
  if (method !== 8) throw new BadFile(`gzip of an unknown method (${method})`);
  if (flags & HAS_EXTRA) await reader.skip((await reader.exactly(2)).readUInt16LE());
  for (const part of [HAS_NAME, HAS_COMMENT]) {
    if (!(flags & part)) continue;
    for (let length = 0; (await reader.exactly(1))[0] !== 0; length++)
      if (length > MAX_NAME_BYTES) throw damaged(`no end of a name at byte ${reader.at}`);
  }
  if (flags & HAS_CRC) await reader.skip(2);
}

async function* member(reader: ByteReader): AsyncGenerator<Buffer> {
  const unpacker = new Unpacker(createInflateRaw());
  let sum = 0;
  let length = 0;
  const checked = (part: Buffer): Buffer => {
    sum = crc32(part, sum);
    length = (length + part.length) % 2 ** 32;
    return part;
  };
  try {
    while (!unpacker.ended) {
      const piece = await reader.some(PIECE_BYTES);
      let parts: Buffer[];
      try {
        if (piece === null) parts = await unpacker.finish();
        else {
          const unpacked = await unpacker.unpack(piece);
          parts = unpacked.parts;
          if (unpacker.ended) reader.unread(piece.subarray(piece.length - unpacked.unused));
        }
      } catch (error) {
        throw damaged(`${(error as Error).message.split("\n")[0]}, before byte ${reader.at}`);
      }
      for (const part of parts) yield checked(part);
    }
  } finally {
    unpacker.close();
  }
  const end = await reader.exactly(8);
  if (end.readUInt32LE(0) !== sum || end.readUInt32LE(4) !== length)
    throw damaged(`a wrong checksum at byte ${reader.at - 8}`);
}
