/**
 * Telling files apart by what is in them. A file of weights is read whole once; its hash is then kept beside it, and believed for as long as
 * nothing of the file's times, number and size has moved and samples of its content are the same: times alone can be set by anybody.
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, mkdirSync, openSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { isThere, readRegularJson } from "../base/index.ts";
import { writeAtomically } from "./safetensors.ts";

const CHUNK = 16 * 2 ** 20;
const SAMPLES = 64;
const SAMPLE_BYTES = 4096;
const MAX_MEMO_BYTES = 2 ** 22;

/** What is remembered of a file: all of it must be so still. */
interface Memo {
  stamp: string;
  samples: string;
  hash: string;
}

/** A hash of the file's content. */
export function contentHash(path: string): string {
  const memoPath = join(dirname(path), ".shoal", "hashes.json");
  const memos = readMemos(memoPath);
  const file = openSync(path, "r");
  try {
    const { size, mtimeNs, ctimeNs, ino } = fstatSync(file, { bigint: true });
    const stamp = [size, mtimeNs, ctimeNs, ino].join(" ");
    const samples = samplesOf(file, Number(size));
    const known = memos[basename(path)];
    if (known?.stamp === stamp && known.samples === samples) return known.hash;
    const hash = hashOf(file);
    remember(memoPath, { ...memos, [basename(path)]: { stamp, samples, hash } });
    return hash;
  } finally {
    closeSync(file);
  }
}

/** SHA-256 over the CRC-32 of each chunk: many gigabytes a second, and no chance to miss a change of any chunk that is no attack. */
function hashOf(file: number): string {
  const hash = createHash("sha256");
  const chunk = Buffer.allocUnsafe(CHUNK);
  for (let at = 0; ; ) {
    const length = readFully(file, chunk, at);
    if (length === 0) return hash.digest("hex");
    hash.update(`${length} ${crc32(chunk.subarray(0, length))}\n`);
    at += length;
  }
}

/** A hash of pieces that are spread over the file evenly, its beginning and end among them. */
function samplesOf(file: number, size: number): string {
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(SAMPLE_BYTES);
  const last = Math.max(0, size - SAMPLE_BYTES);
  for (let i = 0; i < SAMPLES; i++) {
    const length = readFully(file, piece, Math.floor((last * i) / (SAMPLES - 1)));
    hash.update(piece.subarray(0, length));
  }
  return hash.digest("hex");
}

function readFully(file: number, into: Buffer, at: number): number {
  let length = 0;
  while (length < into.length) {
    const read = readSync(file, into, length, into.length - length, at + length);
    if (read === 0) break;
    length += read;
  }
  return length;
}

function readMemos(path: string): Record<string, Memo | undefined> {
  try {
    return isThere(path) ? (readRegularJson(path, MAX_MEMO_BYTES) as Record<string, Memo | undefined>) : {};
  } catch {
    // Damaged: files are read again.
    return {};
  }
}

function remember(path: string, memos: Record<string, Memo | undefined>): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeAtomically(path, `${JSON.stringify(memos, null, 1)}\n`);
  } catch {
    // A folder that cannot be written: the next start reads the files again.
  }
}
