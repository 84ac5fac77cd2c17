/**
 * The file of a tokenised corpus: safetensors, written as the tokens come, so that a corpus may be larger than the memory, and mapped when it
 * is read. tokens [T] U16 or I32, mask [T] U8, starts [documents + 1] I32.
 */
import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { InputError, whyNotWritten } from "../../base/index.ts";
import { openSafetensors } from "../../checkpoint/index.ts";
import type { FoundFiles } from "../documents/files.ts";
import type { Encoded } from "./encode.ts";

export interface Corpus {
  /** Every document's tokens, one after the other. A document is bos, text, eos; a chat as its template has it. */
  tokens: Uint16Array | Int32Array;
  /** 1 where a token counts when only the assistant's words do; all 1 for plain documents. */
  mask: Uint8Array;
  /** Where each document begins, and the end of the last: [documents + 1]. */
  starts: Int32Array;
  /** Documents, lines and files that could not be read, in all and by reason. */
  skipped: number;
  skippedBy: Record<string, number>;
  /** What stood in records and was not used, by what it is. */
  noted?: Record<string, number>;
  /** What of a folder is not read. */
  passedOver?: FoundFiles["passedOver"];
  /** Bytes of text that the tokens stand for. */
  textBytes: number;
}

/** The header is written last, into the space that is left for it. */
const HEADER_BYTES = 2 ** 16;
const COPY_BYTES = 2 ** 22;

/** Writes a corpus beside its path, and renames it into place when it is whole. */
export class CorpusWriter {
  private readonly path: string;
  private readonly temporary: string;
  private readonly wide: boolean;
  private readonly main: number;
  private readonly masks: number;
  private starts = new Int32Array(1024);
  private end = HEADER_BYTES;
  /** CRC-32 of the parts so far. */
  private readonly sums = { tokens: 0, mask: 0 };
  documents = 0;
  tokens = 0;
  textBytes = 0;

  /** @throws InputError if the folder cannot be written */
  constructor(path: string, wide: boolean) {
    this.path = path;
    this.temporary = `${path}.tmp-${process.pid}`;
    this.wide = wide;
    this.main = this.guard(() => openSync(this.temporary, "w+"));
    this.masks = this.guard(() => openSync(`${this.temporary}.mask`, "w+"));
  }

  append({ tokens, mask, lengths, textBytes }: Encoded): void {
    if (this.tokens + tokens.length > 2 ** 31 - 1)
      throw new InputError(`${this.path}: more than 2³¹ tokens in one source; split it into several`);
    for (const length of lengths) {
      if (this.documents + 2 > this.starts.length) {
        const larger = new Int32Array(this.starts.length * 2);
        larger.set(this.starts);
        this.starts = larger;
      }
      this.starts[this.documents + 1] = this.starts[this.documents] + length;
      this.documents++;
    }
    this.write(tokens);
    this.guard(() => writeWhole(this.masks, mask, this.tokens));
    this.sums.tokens = sumOfBytes(tokens, this.sums.tokens);
    this.sums.mask = sumOfBytes(mask, this.sums.mask);
    this.tokens += tokens.length;
    this.textBytes += textBytes;
  }

  /** Puts the parts together under the file's name. @throws InputError if the disk is full */
  finish(skippedBy: Record<string, number>, noted: Record<string, number> = {}): void {
    const starts = this.starts.subarray(0, this.documents + 1);
    const buffer = new Uint8Array(COPY_BYTES);
    for (let at = 0; at < this.tokens; ) {
      const count = this.guard(() => readSync(this.masks, buffer, 0, buffer.length, at));
      this.write(buffer.subarray(0, count));
      at += count;
    }
    this.write(starts);
    const width = this.wide ? 4 : 2;
    const ends = [this.tokens * width, this.tokens * (width + 1), this.tokens * (width + 1) + starts.byteLength];
    const header = JSON.stringify({
      __metadata__: {
        skipped: String(sumOf(skippedBy)),
        skippedBy: JSON.stringify(fewest(skippedBy)),
        noted: JSON.stringify(fewest(noted)),
        checksums: JSON.stringify({ ...this.sums, starts: sumOfBytes(starts) }),
        textBytes: String(this.textBytes),
      },
      tokens: { dtype: this.wide ? "I32" : "U16", shape: [this.tokens], data_offsets: [0, ends[0]] },
      mask: { dtype: "U8", shape: [this.tokens], data_offsets: [ends[0], ends[1]] },
      starts: { dtype: "I32", shape: [starts.length], data_offsets: [ends[1], ends[2]] },
    });
    const head = Buffer.alloc(HEADER_BYTES, " ");
    head.writeBigUInt64LE(BigInt(HEADER_BYTES - 8));
    head.write(header, 8);
    this.guard(() => {
      writeWhole(this.main, head, 0);
      fsyncSync(this.main);
      renameSync(this.temporary, this.path);
    });
    this.close();
  }

  /** Leaves nothing behind. */
  abort(): void {
    this.close();
    rmSync(this.temporary, { force: true });
  }

  private close(): void {
    closeSync(this.main);
    closeSync(this.masks);
    rmSync(`${this.temporary}.mask`, { force: true });
  }

  private write(part: ArrayBufferView): void {
    this.guard(() => writeWhole(this.main, part, this.end));
    this.end += part.byteLength;
  }

  private guard<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw new InputError(`${this.path}: cannot be written after ${this.tokens} tokens: ${whyNotWritten(error)}`);
    }
  }
}

function writeWhole(file: number, part: ArrayBufferView, position: number): void {
  const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, position + at);
}

export const sumOf = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);

const sumOfBytes = (part: ArrayBufferView, before = 0): number =>
  crc32(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), before);

/** Reasons can name what strangers wrote: as many as the header has room for. */
const MAX_REASONS = 100;

function fewest(counts: Record<string, number>): Record<string, number> {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const rest = sorted.slice(MAX_REASONS).reduce((sum, [, count]) => sum + count, 0);
  return Object.fromEntries([
    ...sorted.slice(0, MAX_REASONS).map(([reason, count]) => [reason.slice(0, 160), count] as const),
    ...(rest > 0 ? [["other reasons", rest] as const] : []),
  ]);
}

/** Maps the file of a corpus, and compares all of it with its checksums. @throws InputError if it is damaged */
export function openCorpus(path: string): Corpus {
  const file = openSafetensors(path);
  const damaged = (what: string): InputError =>
    new InputError(`${path}: is damaged (${what}); delete it, and it is made again`);
  const { skippedBy, noted, checksums, skipped, textBytes } = file.metadata;
  let sums: Record<string, unknown>;
  let counts: Record<string, number>[];
  try {
    sums = JSON.parse(checksums);
    counts = [JSON.parse(skippedBy), JSON.parse(noted)];
  } catch {
    throw damaged("its header is not what was written");
  }
  const part = (name: string) => {
    const info = file.tensors.get(name);
    const bytes = info && file.bytes(name);
    if (!bytes || crc32(bytes) !== sums[name]) throw damaged(`its ${name} do not match their checksum`);
    return { bytes, info };
  };
  const { bytes, info } = part("tokens");
  const tokens =
    info.dtype === "U16"
      ? new Uint16Array(bytes.buffer, bytes.byteOffset, info.shape[0])
      : new Int32Array(bytes.buffer, bytes.byteOffset, info.shape[0]);
  const starts = part("starts");
  // Behind the other parts, the starts need not stand on a border of four bytes.
  const aligned = starts.bytes.byteOffset % 4 === 0 ? starts.bytes : starts.bytes.slice();
  return {
    tokens,
    mask: part("mask").bytes,
    starts: new Int32Array(aligned.buffer, aligned.byteOffset, starts.info.shape[0]),
    skipped: Number(skipped),
    skippedBy: counts[0],
    noted: counts[1],
    textBytes: Number(textBytes),
  };
}
