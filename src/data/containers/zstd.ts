/**
 * Zstandard, all frames of a file: Node's decompressor stops behind the first. Frames and blocks say how long they are (RFC 8878, section 3), so
 * they are found without unpacking, and places of damage can be named.
 */
import { constants, createZstdDecompress } from "node:zlib";
import { BadFile, type ByteReader, damaged } from "./byte-reader.ts";
import { Unpacker } from "./unpacker.ts";

export const ZSTD_LIMITS = {
  /** log₂ of the largest window: what `zstd --long=31` needs, and the most that libzstd takes. Memory is used only as far as content fills it. */
  windowLog: 31,
};

const MAGIC = 0xfd2fb528;
/** Blocks unpacked at a time: each gives 128 KiB at most. */
const BLOCKS_AT_ONCE = 8;
const MAX_BLOCK_BYTES = 2 ** 17;
const RLE_BLOCK = 1;

/** The content of all frames. @throws BadFile for what is cut off, damaged or no frame */
export async function* unpackZstd(reader: ByteReader): AsyncGenerator<Buffer> {
  const unpacker = new Unpacker(
    createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_LIMITS.windowLog } }),
  );
  try {
    for (let frames = 0; ; frames++) {
      const start = reader.at;
      const magic = await reader.upTo(4);
      if (magic.length === 0 && frames > 0) return;
      const number = magic.length < 4 ? 0 : magic.readUInt32LE();
      // Skippable frames hold what others keep beside the content: pzstd's sizes, seek tables.
      if ((number & 0xfffffff0) >>> 0 === 0x184d2a50) await reader.skip((await reader.exactly(4)).readUInt32LE());
      else if (number === MAGIC) yield* frame(reader, magic, start, unpacker);
      else throw notFrame(number, start);
    }
  } finally {
    unpacker.close();
  }
}

function notFrame(number: number, start: number): BadFile {
  if (number >= 0xfd2fb51e && number < MAGIC)
    return new BadFile(`zstd of before version 0.8 (at byte ${start}: unpack it with zstd)`);
  return start === 0
    ? damaged("not zstd")
    : new BadFile(`bytes behind the end of the zstd data (from byte ${start} on)`);
}

/** One frame, a few blocks at a time. */
async function* frame(reader: ByteReader, magic: Buffer, start: number, unpacker: Unpacker): AsyncGenerator<Buffer> {
  const [descriptor] = await reader.exactly(1);
  const single = (descriptor & 0x20) !== 0;
  const idBytes = [0, 1, 2, 4][descriptor & 3];
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const rest = await reader.exactly((single ? 0 : 1) + idBytes + sizeBytes);
  // A frame in a single segment is its own window.
  const content = rest.subarray(rest.length - sizeBytes);
  const window = single
    ? sizeBytes === 8
      ? Number(content.readBigUInt64LE())
      : content.readUIntLE(0, sizeBytes)
    : 2 ** (10 + (rest[0] >> 3)) * (1 + (rest[0] & 7) / 8);
  if (window > 2 ** ZSTD_LIMITS.windowLog)
    throw new BadFile(
      `needs a larger window to be unpacked than 2^${ZSTD_LIMITS.windowLog} bytes (${window} at byte ${start}: pack it with --long=31 or less)`,
    );
  const id = rest.subarray(single ? 0 : 1).subarray(0, idBytes);
  if (id.some((byte) => byte !== 0))
    throw new BadFile(`was compressed with a dictionary (at byte ${start}: unpack it with zstd -D)`);
  let parts = [magic, Buffer.of(descriptor), rest];
  let blocks = 0;
  const take = async (): Promise<Buffer[]> => {
    const piece = Buffer.concat(parts);
    parts = [];
    blocks = 0;
    try {
      return (await unpacker.unpack(piece)).parts;
    } catch (error) {
      throw damaged(`${(error as Error).message.split("\n")[0]}, in the frame at byte ${start}`);
    }
  };
  for (let last = false; !last; ) {
    const head = await orRest(reader.exactly(3));
    if (!head) {
      yield* await take();
      throw damaged(`cut off at byte ${reader.at}`);
    }
    const header = head.readUIntLE(0, 3);
    const [type, size] = [(header >> 1) & 3, header >> 3];
    if (type === 3 || size > MAX_BLOCK_BYTES) throw damaged(`no block at byte ${reader.at - 3}`);
    last = (header & 1) === 1;
    const body = await reader.upTo(type === RLE_BLOCK ? 1 : size);
    const whole = body.length === (type === RLE_BLOCK ? 1 : size);
    if (whole) parts.push(head, body);
    if (whole && last && descriptor & 4) {
      const checksum = await reader.upTo(4);
      parts.push(checksum);
      if (checksum.length < 4) {
        yield* await take();
        throw damaged(`cut off at byte ${reader.at}`);
      }
    }
    if (!whole || last || ++blocks === BLOCKS_AT_ONCE) yield* await take();
    if (!whole) throw damaged(`cut off at byte ${reader.at}`);
  }
}

/** Null for what is cut off. */
const orRest = (bytes: Promise<Buffer>): Promise<Buffer | null> => bytes.catch(() => null);
