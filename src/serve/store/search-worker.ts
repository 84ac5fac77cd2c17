/** The thread that searches: SQLite cannot be interrupted, and what it looks for may stand in every message. */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { type Asked, type Found, find } from "./search.ts";

const port = parentPort!;
const db = new DatabaseSync(workerData as string, { readOnly: true });

port.on("message", ({ id, search }: Asked) => {
  try {
    port.postMessage({ id, found: find(db, search) } satisfies Found);
  } catch (error) {
    port.postMessage({ id, found: (error as Error).message } satisfies Found);
  }
});
