/** Writing where something may stand in the way: what it is, in words. */
import { mkdirSync } from "node:fs";
import { InputError } from "./errors.ts";

const REASONS: Record<string, string> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk is full",
  EACCES: "no permission",
  EPERM: "no permission",
  EROFS: "it can only be read from there",
  ENOENT: "its folder is not there; make it first",
  EISDIR: "a folder has this name",
  EEXIST: "a file stands in the way",
  ENOTDIR: "a file stands in the way",
};

/** Why something could not be written. */
export function whyNotWritten(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return Object.hasOwn(REASONS, code) ? REASONS[code] : message.split("\n")[0];
}

/** The error of a file that could not be written. @param error what writing threw */
export const unwritable = (path: string, error: unknown): InputError =>
  new InputError(`${path}: cannot be written: ${whyNotWritten(error)}`);

/** Makes a folder, and those above it. @throws InputError naming it */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new InputError(`${path}: cannot be made: ${whyNotWritten(error)}`);
  }
}
