/** JSON Lines to a file, compressed as its name says; the file is there when it is whole, and not before. */
import { createWriteStream, renameSync, rmSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip, createZstdCompress } from "node:zlib";
import { InputError, unwritable } from "../../base/index.ts";

/**
 * Writes each value as a line of `path` (.jsonl, .jsonl.gz or .jsonl.zst). If the values end in an error, nothing is left behind.
 * @throws InputError if the name is another or the file cannot be written
 */
export async function writeRecords(path: string, values: AsyncIterable<unknown>): Promise<void> {
  if (!/\.(jsonl|ndjson)(\.(gz|zst))?$/.test(path))
    throw new InputError(`${path}: records are written as .jsonl, .jsonl.gz or .jsonl.zst`);
  const temporary = `${path}.tmp-${process.pid}`;
  const pack = path.endsWith(".gz") ? [createGzip()] : path.endsWith(".zst") ? [createZstdCompress()] : [];
  try {
    await pipeline([Readable.from(lines(values)), ...pack, createWriteStream(temporary, { flush: true })]);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw unwritable(path, error);
  }
}

/** Lines in pieces of a sensible size for a stream. */
async function* lines(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  let piece = "";
  for await (const value of values) {
    piece += `${JSON.stringify(value)}\n`;
    if (piece.length < 2 ** 18) continue;
    yield piece;
    piece = "";
  }
  if (piece !== "") yield piece;
}
