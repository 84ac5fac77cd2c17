/** A small writer of GGUF files for tests: what it is told, be it true or not. */
import { BLOCK_TYPES } from "../block-types.ts";

const KINDS = { u8: 0, u16: 2, u32: 4, i32: 5, f32: 6, bool: 7, text: 8, list: 9, u64: 10 } as const;

/** [kind, value]; of a list [kind of its items, items]. */
export type Field =
  | ["u8" | "u16" | "u32" | "i32" | "f32" | "u64", number]
  | ["bool", boolean]
  | ["text", string]
  | ["texts", readonly string[]]
  | ["i32s", readonly number[]];

export interface TensorToWrite {
  name: string;
  /** Outermost first. */
  shape: readonly number[];
  /** ggml's name of the type. */
  type: string;
  bytes: Uint8Array;
}

export interface GgufToWrite {
  metadata?: Record<string, Field>;
  tensors?: readonly TensorToWrite[];
  version?: number;
  alignment?: number;
}

export const idOfType = (name: string): number => [...BLOCK_TYPES.values()].find((type) => type.name === name)!.id;

/** Each after its length. */
function texts(values: readonly string[]): Buffer {
  const out = Buffer.alloc(values.reduce((sum, value) => sum + 8 + Buffer.byteLength(value), 0));
  let at = 0;
  for (const value of values) {
    const length = out.write(value, at + 8);
    out.writeUInt32LE(length, at);
    at += 8 + length;
  }
  return out;
}

export function ggufBytes({ metadata = {}, tensors = [], version = 3, alignment = 32 }: GgufToWrite): Buffer {
  const parts: Uint8Array[] = [];
  const number = (value: number, bytes: number) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(BigInt(value));
    parts.push(buffer.subarray(0, bytes));
  };
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    number(bytes.length, 8);
    parts.push(bytes);
  };
  const one = (kind: string, value: unknown) => {
    if (kind === "text") text(value as string);
    else if (kind === "f32") parts.push(Buffer.from(Float32Array.of(value as number).buffer));
    else number(Number(value), { u8: 1, u16: 2, bool: 1, u64: 8 }[kind] ?? 4);
  };
  const padded = (length: number) => Math.ceil(length / alignment) * alignment;
  const pad = () => {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    parts.push(new Uint8Array(padded(length) - length));
  };
  parts.push(Buffer.from("GGUF"));
  number(version, 4);
  number(tensors.length, 8);
  number(Object.keys(metadata).length, 8);
  for (const [key, [kind, value]] of Object.entries(metadata)) {
    text(key);
    if (kind === "texts" || kind === "i32s") {
      const item = kind.slice(0, -1) as "text" | "i32";
      number(KINDS.list, 4);
      number(KINDS[item], 4);
      number(value.length, 8);
      if (kind === "i32s") parts.push(Buffer.from(Int32Array.from(value).buffer));
      else parts.push(texts(value));
      continue;
    }
    number(KINDS[kind], 4);
    one(kind, value);
  }
  let offset = 0;
  for (const { name, shape, type, bytes } of tensors) {
    text(name);
    number(shape.length, 4);
    for (const extent of shape.toReversed()) number(extent, 8);
    number(idOfType(type), 4);
    number(offset, 8);
    offset = padded(offset + bytes.length);
  }
  pad();
  for (const { bytes } of tensors) {
    parts.push(bytes);
    pad();
  }
  return Buffer.concat(parts);
}
