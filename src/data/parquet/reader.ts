/** The process that reads Parquet files for another, one after the other: it can be ended whatever a damaged file makes it do. */
import { Worker } from "node:worker_threads";
import { InputError } from "../../base/index.ts";
import { BadFile } from "../containers/byte-reader.ts";
import { decodeParquet, type Part } from "./decode.ts";

export interface Question {
  /** The file to read from now on; without it, the next part of the one at work. */
  open?: { path: string; columns?: readonly string[] };
}

export type Answer =
  | Part
  | { kind: "end" }
  | { kind: "failed"; error: "bad file" | "input" | "other"; message: string };

let parts: AsyncGenerator<Part> | null = null;

process.on("message", async ({ open }: Question) => {
  try {
    if (open) {
      void parts?.return(undefined).catch(() => {});
      parts = decodeParquet(open.path, open.columns);
    }
    const { value, done } = await parts!.next();
    answer(done ? { kind: "end" } : value);
  } catch (error) {
    const kind = error instanceof BadFile ? "bad file" : error instanceof InputError ? "input" : "other";
    answer({ kind: "failed", error: kind, message: (error as Error).message.split("\n")[0] });
  }
});
process.on("disconnect", () => process.exit());
// Ctrl-C of a terminal reaches all of its processes; what becomes of this one is the other's to say.
process.on("SIGINT", () => {});

const answer = (message: Answer): void => void process.send!(message);

// If the other process is killed while this one runs away, nobody is left to end it but a thread of its own.
const watch = `setInterval(() => process.ppid === ${Number(process.argv[2])} || process.kill(process.pid, "SIGKILL"), 1000)`;
new Worker(watch, { eval: true }).unref();
