/**
 * The safetensors format: 8 bytes of header length, a JSON header of names, dtypes, shapes and offsets, then the tensors' bytes, without holes.
 * Nothing in a header is trusted: every size is checked against the file before a byte is touched.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { checkRegular, InputError, whyNotWritten } from "../base/index.ts";
import { mapFile } from "../tensor/index.ts";

export const SAFETENSORS_LIMITS = { headerBytes: 100 * 10 ** 6, tensors: 10 ** 6, dimensions: 16 };

const BYTES = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;
export type SafetensorsDtype = keyof typeof BYTES;

export interface TensorInfo {
  name: string;
  dtype: SafetensorsDtype;
  shape: number[];
  /** Absolute offsets of its bytes in the file. */
  begin: number;
  end: number;
  path: string;
}

export interface SafetensorsFile {
  path: string;
  metadata: Record<string, string>;
  tensors: Map<string, TensorInfo>;
  /** The tensor's bytes: a view of the mapped file, not a copy. `releaseMapped` gives the memory of a view back once it is read. */
  bytes(name: string): Uint8Array<ArrayBuffer>;
}

/**
 * Opens and checks a file.
 * @throws InputError naming the file, the tensor and the byte offset
 */
export function openSafetensors(path: string): SafetensorsFile {
  // A pipe would be waited for.
  checkRegular(path);
  let buffer: ArrayBuffer;
  try {
    buffer = mapFile(path);
  } catch (error) {
    throw new InputError(`${path}: cannot be read: ${(error as Error).message.replace(`${path}: `, "")}`);
  }
  const { tensors, metadata } = parseHeader(buffer, path);
  return {
    path,
    metadata,
    tensors,
    bytes(name) {
      const info = tensors.get(name);
      if (!info) throw new InputError(`${path}: there is no tensor "${name}"`);
      return new Uint8Array(buffer, info.begin, info.end - info.begin);
    },
  };
}

/** Checks the header of a whole file in memory. */
export function parseHeader(
  buffer: ArrayBuffer,
  path: string,
): { tensors: Map<string, TensorInfo>; metadata: Record<string, string> } {
  const fail = (message: string): never => {
    throw new InputError(`${path}: ${message}; the file is damaged or not safetensors`);
  };
  if (buffer.byteLength < 8) fail(`only ${buffer.byteLength} bytes, where 8 bytes of header length should stand`);
  const headerLength = new DataView(buffer).getBigUint64(0, true);
  if (headerLength > BigInt(SAFETENSORS_LIMITS.headerBytes))
    fail(`header length ${headerLength} at byte 0 is above the limit of ${SAFETENSORS_LIMITS.headerBytes}`);
  const dataStart = 8 + Number(headerLength);
  if (dataStart > buffer.byteLength)
    fail(`the header should end at byte ${dataStart}, but the file ends at ${buffer.byteLength} (truncated?)`);
  const header = parseJson(new Uint8Array(buffer, 8, Number(headerLength)), fail);
  const metadata: Record<string, string> = {};
  const tensors = new Map<string, TensorInfo>();
  const data = { start: dataStart, length: buffer.byteLength - dataStart };
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      if (!isObject(value)) fail("__metadata__ must be an object");
      for (const [key, text] of Object.entries(value as object)) metadata[key] = String(text);
      continue;
    }
    if (tensors.size >= SAFETENSORS_LIMITS.tensors) fail(`more than ${SAFETENSORS_LIMITS.tensors} tensors`);
    tensors.set(name, parseTensor(name, value, data, path, fail));
  }
  checkLayout([...tensors.values()], dataStart, buffer.byteLength, fail);
  return { tensors, metadata };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(bytes: Uint8Array, fail: (message: string) => never): Record<string, unknown> {
  let header: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    header = JSON.parse(text);
    if (isObject(header) && countTopLevelKeys(text) !== Object.keys(header).length)
      fail("a tensor name occurs twice in the header");
  } catch (error) {
    if (error instanceof InputError) throw error;
    fail(`the header at byte 8 is not valid JSON in UTF-8 (${(error as Error).message.split("\n")[0].slice(0, 100)})`);
  }
  if (!isObject(header)) fail("the header must be a JSON object");
  return header as Record<string, unknown>;
}

/** Keys of the outermost object of valid JSON, repetitions included, which JSON.parse silently drops. */
function countTopLevelKeys(text: string): number {
  let depth = 0;
  let keys = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
      let next = i + 1;
      while (/\s/.test(text[next] ?? "")) next++;
      if (depth === 1 && text[next] === ":") keys++;
    } else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
  }
  return keys;
}

function parseTensor(
  name: string,
  value: unknown,
  data: { start: number; length: number },
  path: string,
  fail: (message: string) => never,
): TensorInfo {
  if (!isObject(value)) fail(`tensor "${name}" must be an object of dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (typeof dtype !== "string" || !Object.hasOwn(BYTES, dtype))
    fail(`tensor "${name}": unknown dtype ${JSON.stringify(dtype)}`);
  const isCount = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
  if (!Array.isArray(shape) || shape.length > SAFETENSORS_LIMITS.dimensions || !shape.every(isCount))
    fail(`tensor "${name}": bad shape ${JSON.stringify(shape)?.slice(0, 100)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    fail(`tensor "${name}": bad data_offsets ${JSON.stringify(offsets)?.slice(0, 100)}`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > data.length)
    fail(`tensor "${name}": bytes ${begin} to ${end} are outside the file's ${data.length} bytes of data`);
  const bytes = bytesIn(dtype as SafetensorsDtype, shape);
  if (bytes !== end - begin)
    fail(
      `tensor "${name}": ${dtype} of shape [${(shape as number[]).join(", ")}] takes ${bytes} bytes, but data_offsets give it ${end - begin}`,
    );
  return {
    name,
    dtype: dtype as SafetensorsDtype,
    shape: shape as number[],
    begin: data.start + begin,
    end: data.start + end,
    path,
  };
}

/** Tensors must follow each other without overlap or hole, to the end of the file. */
function checkLayout(
  tensors: TensorInfo[],
  dataStart: number,
  fileEnd: number,
  fail: (message: string) => never,
): void {
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = dataStart;
  for (const { name, begin, end } of tensors) {
    if (begin < at) fail(`tensor "${name}" at byte ${begin} overlaps the one before, which ends at ${at}`);
    if (begin > at) fail(`bytes ${at} to ${begin}, before tensor "${name}", belong to no tensor`);
    at = end;
  }
  if (at !== fileEnd) fail(`bytes ${at} to ${fileEnd}, after the last tensor, belong to no tensor`);
}

export interface TensorToWrite {
  name: string;
  dtype: SafetensorsDtype;
  shape: readonly number[];
  /** Its bytes, or what makes them when their turn comes: only until the next tensor's are asked for. */
  data: ArrayBufferView | (() => ArrayBufferView);
}

/** The data begin on such a border, so that typed arrays and vectors can look at them where they are mapped. */
const DATA_ALIGN = 64;

/**
 * Writes a file at once or not at all: beside it first, then renamed into place.
 * @throws InputError naming the path and the bytes needed when the disk is full or the folder cannot be written
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Record<string, string> = { format: "pt" },
): void {
  const list = [...tensors];
  let at = 0;
  const entries = list.map(({ name, dtype, shape }) => {
    const begin = at;
    at += bytesIn(dtype, shape);
    return [name, { dtype, shape, data_offsets: [begin, at] }] as const;
  });
  const header = Object.fromEntries<unknown>([["__metadata__", metadata], ...entries]);
  // Spaces after the header fill up to the border.
  const json = JSON.stringify(header);
  const length = Math.ceil((8 + Buffer.byteLength(json)) / DATA_ALIGN) * DATA_ALIGN - 8;
  const head = Buffer.alloc(8 + length, " ");
  head.writeBigUInt64LE(BigInt(length));
  head.write(json, 8);
  writeParts(path, [() => head, ...list.map(partOf)], head.byteLength + at);
}

/** The bytes that a tensor takes. */
export function bytesIn(dtype: SafetensorsDtype, shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, BYTES[dtype]);
}

type Part = () => ArrayBufferView;

function partOf({ name, dtype, shape, data }: TensorToWrite): Part {
  return () => {
    const made = typeof data === "function" ? data() : data;
    if (made.byteLength !== bytesIn(dtype, shape))
      throw new Error(`tensor "${name}" has ${made.byteLength} bytes, not those of ${dtype} [${shape.join(", ")}]`);
    return made;
  };
}

/** CRC-32 of a tensor's bytes. */
export function checksum(data: ArrayBufferView): number {
  return crc32(bytesOf(data));
}

function bytesOf(part: ArrayBufferView): Uint8Array {
  return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
}

/** Writes a text file at once or not at all, as writeSafetensors does. */
export function writeAtomically(path: string, text: string): void {
  const bytes = Buffer.from(text);
  writeParts(path, [() => bytes], bytes.byteLength);
}

/** Writes parts, `bytes` in all, beside `path`, flushes them to the disk and renames them into place; on failure nothing is left behind. */
function writeParts(path: string, parts: readonly Part[], bytes: number): void {
  const temporary = `${path}.tmp-${process.pid}`;
  let file: number | null = null;
  try {
    file = openSync(temporary, "w");
    for (const make of parts) {
      const part = make();
      for (let at = 0; at < part.byteLength; )
        at += writeSync(file, bytesOf(part), at, Math.min(part.byteLength - at, 1 << 28));
    }
    fsyncSync(file);
    closeSync(file);
    file = null;
    renameSync(temporary, path);
  } catch (error) {
    if (file !== null) closeSync(file);
    rmSync(temporary, { force: true });
    if (error instanceof InputError) throw error;
    throw new InputError(`${path}: cannot be written (${bytes} bytes needed): ${whyNotWritten(error)}`);
  }
}
