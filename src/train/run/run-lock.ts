/** One process at a time in a run's folder: two would write over each other's checkpoints and mix their ledgers. */
import { join } from "node:path";
import { type FileLock, InputError, lockFile } from "../../base/index.ts";

/** Takes a run's folder, which must be there, until it is closed or the process ends. @throws InputError if another works in it */
export function lockRun(out: string): FileLock {
  const path = join(out, "run.lock");
  let lock: FileLock | null;
  try {
    lock = lockFile(path);
  } catch (error) {
    throw new InputError(`${path}: cannot be locked: ${(error as Error).message}`);
  }
  if (!lock)
    throw new InputError(
      `${out}: another process trains in this folder; let it end, or name another folder with --out`,
    );
  return lock;
}
