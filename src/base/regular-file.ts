/** Reading files of folders that others made: whatever stands under a name, a pipe, a device, a link to nowhere, nothing hangs or grows. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { InputError } from "./errors.ts";

/** What something that is no file is. */
function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a folder";
  if (stats.isFIFO()) return "a named pipe";
  if (stats.isSocket()) return "a socket";
  return stats.isCharacterDevice() || stats.isBlockDevice() ? "a device" : "no regular file";
}

/** Whether anything has this name, a link that leads nowhere included. */
export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Why something cannot be read, in words where the system has only a code. @param error what reading threw */
export function unreadable(path: string, error: unknown): InputError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" && isThere(path)) return new InputError(`${path}: is a link to a file that is not there`);
  if (code === "ENOENT") return new InputError(`${path}: there is no such file`);
  if (code === "EISDIR") return new InputError(`${path}: is a folder, where a file is expected`);
  return new InputError(`${path}: cannot be read (${code})`);
}

/** @throws InputError if it is no regular file, or links to none, or cannot be looked at */
export function checkRegular(path: string): Stats {
  let stats: Stats;
  try {
    stats = statSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (!stats.isFile()) throw new InputError(`${path}: is ${kindOf(stats)}, where a file is expected`);
  return stats;
}

/** The bytes of a regular file of at most `maxBytes`. @throws InputError naming the path */
export function readRegular(path: string, maxBytes: number): Buffer<ArrayBuffer> {
  checkRegular(path);
  // What was put in its place since then does not hang either.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new InputError(`${path}: is ${kindOf(stats)}, where a file is expected`);
    if (stats.size > maxBytes) throw new InputError(`${path}: larger than ${maxBytes} bytes`);
    const bytes = Buffer.alloc(stats.size);
    let length = 0;
    while (length < bytes.length) {
      const read = readSync(file, bytes, length, bytes.length - length, length);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

/** The text of a regular file, without a byte order mark. @throws InputError naming the path; also where it is not UTF-8 */
export function readRegularText(path: string, maxBytes: number): string {
  const bytes = readRegular(path, maxBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${path}: is not UTF-8 text`);
  }
}

/** A file that must hold a JSON object. @throws InputError naming the path */
export function readRegularJson(path: string, maxBytes: number): Record<string, unknown> {
  const text = readRegularText(path, maxBytes);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${path}: not valid JSON: ${(error as Error).message.split("\n")[0]}`);
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Record<string, unknown>;
  throw new InputError(`${path}: expected a JSON object`);
}
