/** One process at a time in a run's folder: two would write over each other's checkpoints and mix their ledgers. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";

/** Locks of this process. */
const held = new Set<string>();

const lockOf = (out: string) => join(out, "lock");

/** Takes a run's folder, which must be there, or takes it over from a process that is no more. @throws InputError if another works in it */
export function lockRun(out: string): void {
  const path = lockOf(out);
  while (!create(path)) {
    const owner = ownerOf(path);
    if (held.has(path) || (owner !== process.pid && isRunning(owner)))
      throw new InputError(
        `${out}: process ${owner} trains in this folder; let it end, or name another folder with --out (if it is no training run, delete ${path})`,
      );
    rmSync(path, { force: true });
  }
  held.add(path);
}

/** Gives a folder back, if this process has it. */
export function unlockRun(out: string): void {
  const path = lockOf(out);
  if (held.delete(path)) rmSync(path, { force: true });
}

/** False if the file is there already. */
function create(path: string): boolean {
  try {
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw new InputError(`${path}: cannot be written: ${(error as Error).message}`);
  }
}

/** The process named in a lock; 0 where there is none. */
function ownerOf(path: string): number {
  try {
    return Number(readFileSync(path, "utf8")) || 0;
  } catch {
    return 0;
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
