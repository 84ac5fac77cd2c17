/**
 * The GGUF container, versions 2 and 3: a magic word, counts, typed metadata, a table of tensors, then their bytes on aligned places.
 * Nothing in a file is trusted: counts, lengths and offsets are checked against named limits and the file before memory is taken.
 * Source: ggml's docs/gguf.md.
 */
import { type BlockType, blockType } from "./block-types.ts";
import { ByteReader, shown } from "./byte-reader.ts";

export const GGUF_LIMITS = {
  metadataKeys: 2 ** 16,
  /** Of a key and of a tensor's name, in bytes. */
  nameBytes: 2 ** 16 - 1,
  /** Of one text: a chat template is the longest. */
  textBytes: 16 * 2 ** 20,
  /** Items of all lists together: the largest vocabularies have a few hundred thousand tokens and as many merges. */
  listItems: 2 ** 23,
  listDepth: 2,
  tensors: 2 ** 18,
  dimensions: 4,
  alignment: 2 ** 20,
};

export type GgufValue = number | bigint | boolean | string | GgufValue[];
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

export interface GgufTensor {
  name: string;
  type: BlockType;
  /** Outermost first, as in Hugging Face's files; GGUF itself stores the innermost first. */
  shape: number[];
  /** Absolute offsets of its bytes in the file. */
  begin: number;
  end: number;
  path: string;
}

export interface GgufHeader {
  version: number;
  metadata: GgufMetadata;
  tensors: Map<string, GgufTensor>;
}

const ALIGNMENT = "general.alignment";
const DEFAULT_ALIGNMENT = 32;
const TEXT = 8;
const LIST = 9;
/** What an item takes in a file at least, by the id of its kind. */
const LEAST_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8];

/** Checks the header of a whole file in memory. @throws InputError naming file, key or tensor, and byte */
export function parseGguf(buffer: ArrayBuffer, path: string): GgufHeader {
  const reader = new ByteReader(buffer, path);
  if (reader.u32("the word GGUF") !== 0x46554747) reader.fail("the file does not begin with GGUF", 0);
  const version = reader.u32("the version");
  if ((version & 0xffff) === 0 && version !== 0) reader.fail("the file is big endian, which Shoal does not read;", 4);
  if (version !== 2 && version !== 3) reader.fail(`version ${version} is not supported (known are 2 and 3)`, 4);
  const tensorCount = reader.count("the number of tensors", GGUF_LIMITS.tensors, 24);
  const keyCount = reader.count("the number of keys", GGUF_LIMITS.metadataKeys, 13);
  const metadata = readMetadata(reader, keyCount);
  const alignment = metadata.get(ALIGNMENT) ?? DEFAULT_ALIGNMENT;
  if (!isPowerOfTwo(alignment) || alignment > GGUF_LIMITS.alignment)
    return reader.fail(`${ALIGNMENT} ${alignment} must be a power of two of at most ${GGUF_LIMITS.alignment};`);
  const table = Array.from({ length: tensorCount }, () => readEntry(reader, alignment));
  const start = Math.ceil(reader.at / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const { name, type, shape, offset, bytes, at } of table) {
    const begin = start + offset;
    if (begin + bytes > buffer.byteLength)
      reader.fail(
        `tensor ${shown(name)}: bytes ${begin} to ${begin + bytes} are outside the file's ${buffer.byteLength} (truncated?); its entry stands`,
        at,
      );
    if (tensors.has(name)) reader.fail(`tensor ${shown(name)}: the name occurs twice, again`, at);
    tensors.set(name, { name, type, shape, begin, end: begin + bytes, path });
  }
  const placed = [...tensors.values()].sort((a, b) => a.begin - b.begin);
  for (const [i, { name, begin }] of placed.entries()) {
    if (i > 0 && begin < placed[i - 1].end)
      reader.fail(`tensor ${shown(name)} overlaps tensor ${shown(placed[i - 1].name)}`, begin);
  }
  return { version, metadata, tensors };
}

function isPowerOfTwo(value: GgufValue): value is number {
  return typeof value === "number" && value >= 1 && Number.isInteger(Math.log2(value));
}

function readMetadata(reader: ByteReader, count: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  const budget = { items: GGUF_LIMITS.listItems };
  for (let i = 0; i < count; i++) {
    const at = reader.at;
    const key = reader.text(`key ${i}`, GGUF_LIMITS.nameBytes);
    if (metadata.has(key)) reader.fail(`key ${shown(key)} occurs twice, again`, at);
    metadata.set(key, readValue(reader, reader.u32(`the kind of ${shown(key)}`), shown(key), budget));
  }
  return metadata;
}

/** One value. budget: how many items lists may still have. */
function readValue(reader: ByteReader, kind: number, key: string, budget: { items: number }, depth = 0): GgufValue {
  switch (kind) {
    case 0:
      return reader.u8(key);
    case 1:
      return reader.i8(key);
    case 2:
      return reader.u16(key);
    case 3:
      return reader.i16(key);
    case 4:
      return reader.u32(key);
    case 5:
      return reader.i32(key);
    case 6:
      return reader.f32(key);
    case 7: {
      const flag = reader.u8(key);
      return flag < 2 ? flag === 1 : reader.fail(`${key} must be 0 or 1, not ${flag},`, reader.at - 1);
    }
    case TEXT:
      return reader.text(key, GGUF_LIMITS.textBytes);
    case LIST: {
      if (depth === GGUF_LIMITS.listDepth) reader.fail(`${key}: lists in lists deeper than ${GGUF_LIMITS.listDepth}`);
      const inner = reader.u32(`the kind of the items of ${key}`);
      if (LEAST_BYTES[inner] === undefined) reader.fail(`${key}: unknown kind ${inner} of items`, reader.at - 4);
      const length = reader.count(`the number of items of ${key}`, budget.items, LEAST_BYTES[inner]);
      budget.items -= length;
      return Array.from({ length }, () => readValue(reader, inner, key, budget, depth + 1));
    }
    case 10:
      return reader.u64(key);
    case 11:
      return reader.i64(key);
    case 12:
      return reader.f64(key);
    default:
      return reader.fail(`${key}: unknown kind ${kind}`, reader.at - 4);
  }
}

function readEntry(reader: ByteReader, alignment: number) {
  const at = reader.at;
  const name = reader.text("a tensor's name", GGUF_LIMITS.nameBytes);
  const what = `tensor ${shown(name)}`;
  const dimensions = reader.u32(`${what}: its dimensions`);
  if (dimensions < 1 || dimensions > GGUF_LIMITS.dimensions)
    reader.fail(`${what} has ${dimensions} dimensions; there must be 1 to ${GGUF_LIMITS.dimensions},`, reader.at - 4);
  const extents = Array.from({ length: dimensions }, () =>
    reader.count(`${what}: its extent`, Number.MAX_SAFE_INTEGER),
  );
  const count = extents.reduce((product, extent) => product * extent, 1);
  if (count < 1 || count > Number.MAX_SAFE_INTEGER)
    reader.fail(`${what} has the bad shape [${extents.join(", ")}],`, at);
  const type = blockType(reader.u32(`${what}: its type`), `${reader.path}: ${what}, whose entry stands at byte ${at},`);
  if (extents[0] % type.numbers)
    reader.fail(
      `${what} is ${type.name} with rows of ${extents[0]}, no whole number of blocks of ${type.numbers},`,
      at,
    );
  const offset = reader.count(`${what}: its offset`, Number.MAX_SAFE_INTEGER);
  if (offset % alignment) reader.fail(`${what}: offset ${offset} is no multiple of the alignment ${alignment},`, at);
  return { name, type, shape: extents.reverse(), offset, bytes: (count / type.numbers) * type.bytes, at };
}
