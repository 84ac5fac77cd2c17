/** One download of a blob at a time, over all processes: a file that its owner touches as long as it lives. */
import { closeSync, mkdirSync, openSync, rmSync, statSync, utimesSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** Milliseconds without a sign of life after which an owner counts as gone; it touches its file four times as often. */
const STALE = 20_000;

/** Runs `work` while no other process does so under the same lock. `onWait` is called once where another one is at it. */
export async function withBlobLock<Result>(
  path: string,
  work: () => Promise<Result>,
  { onWait, signal }: { onWait?: () => void; signal?: AbortSignal } = {},
): Promise<Result> {
  mkdirSync(dirname(path), { recursive: true });
  for (let waits = 0; !take(path); waits++) {
    if (waits === 0) onWait?.();
    await wait(200, undefined, { signal });
  }
  const beat = setInterval(() => touch(path), STALE / 4);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    rmSync(path, { force: true });
  }
}

function take(path: string): boolean {
  try {
    const handle = openSync(path, "wx");
    writeSync(handle, String(process.pid));
    closeSync(handle);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    try {
      if (Date.now() - statSync(path).mtimeMs > STALE) rmSync(path, { force: true });
    } catch {
      // Its owner has just removed it.
    }
    return false;
  }
}

function touch(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // Somebody took it for dead; the hash still guards what is written.
  }
}
