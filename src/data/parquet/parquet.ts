/** Rows of Parquet files, read in a process of its own that is ended when it takes more time or memory than the content explains. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { InputError, workerFile } from "../../base/index.ts";
import { BadFile } from "../containers/byte-reader.ts";
import type { Row } from "./decode.ts";
import { PARQUET_LIMITS } from "./limits.ts";
import type { Answer, Question } from "./reader.ts";

export { PARQUET_LIMITS } from "./limits.ts";

export interface ParquetOptions {
  /** Columns to read, those of them that there are (default: all). */
  columns?: readonly string[];
  /** Told of each group of rows that is damaged. */
  onBad: (where: string, why: string) => void;
  onRead?: (bytes: number) => void;
  signal?: AbortSignal;
  /** Default: PARQUET_LIMITS.milliseconds. */
  milliseconds?: number;
}

/**
 * The rows as objects, each with its place ("file:row", from 1). Binary columns are left out, and whole numbers beyond 2⁵³ become text.
 * @throws InputError if the file cannot be read; BadFile if it is no Parquet, or cannot be read within PARQUET_LIMITS
 */
export async function* readParquet(
  path: string,
  { columns, onBad, onRead, signal, milliseconds = PARQUET_LIMITS.milliseconds }: ParquetOptions,
): AsyncGenerator<{ row: Row; where: string }> {
  const reader = idle.pop() ?? new Reader();
  let question: Question = { open: { path, columns } };
  let patience = milliseconds;
  let rowsSoFar = 0;
  try {
    for (;;) {
      const answer = await reader.ask(question, patience, signal);
      question = {};
      patience = milliseconds;
      if (answer.kind === "end") break;
      if (answer.kind === "failed") {
        if (answer.error === "bad file") throw new BadFile(answer.message);
        if (answer.error === "input") throw new InputError(answer.message);
        throw new BadFile(`damaged Parquet (${answer.message})`);
      }
      if (answer.kind === "begin")
        patience += (PARQUET_LIMITS.millisecondsPerMillion * (answer.bytes + answer.cells)) / 1e6;
      else if (answer.kind === "bad") onBad(answer.where, answer.why);
      else if (answer.kind === "read") onRead?.(answer.bytes);
      else {
        for (const [i, row] of answer.rows.entries()) yield { row, where: `${path}:${answer.first + i}` };
        rowsSoFar = answer.first + answer.rows.length - 1;
      }
    }
  } catch (error) {
    if (error instanceof GaveUp)
      throw new BadFile(`Parquet that cannot be read (${error.message}, behind row ${rowsSoFar}; is it damaged?)`);
    throw error;
  } finally {
    reader.release();
  }
}

/** One that has nothing to do is kept for the next file. */
const idle: Reader[] = [];

class GaveUp extends Error {}

class Reader {
  private readonly process: ChildProcess;
  private settle: ((result: Answer | Error) => void) | null = null;

  constructor() {
    this.process = fork(fileURLToPath(workerFile("reader", import.meta.url)), [String(process.pid)], {
      execArgv: [`--max-old-space-size=${PARQUET_LIMITS.heapMegabytes}`],
      serialization: "advanced",
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.process.on("message", (answer: Answer) => this.settle?.(answer));
    const ended = () => {
      const at = idle.indexOf(this);
      if (at >= 0) idle.splice(at, 1);
      this.settle?.(new GaveUp(`reading it takes more than ${PARQUET_LIMITS.heapMegabytes} MB`));
    };
    this.process.on("exit", ended);
    this.process.on("error", ended);
  }

  /** The next part. @throws GaveUp after so many milliseconds, or if the process ends itself; the signal's reason */
  async ask(question: Question, milliseconds: number, signal?: AbortSignal): Promise<Answer> {
    signal?.throwIfAborted();
    this.keep(true);
    const result = await new Promise<Answer | Error>((resolve) => {
      const giveUp = () =>
        this.settle?.(new GaveUp(`reading it takes longer than ${Math.round(milliseconds / 1000)} s`));
      const timer = setTimeout(giveUp, milliseconds);
      const abort = () => this.settle?.(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
      signal?.addEventListener("abort", abort, { once: true });
      this.settle = (answer) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        resolve(answer);
      };
      if (this.process.connected)
        this.process.send(question, (error) => error && this.settle?.(new GaveUp(error.message)));
      else this.settle(new GaveUp("its process ended"));
    });
    this.settle = null;
    if (!(result instanceof Error)) return result;
    this.process.kill("SIGKILL");
    throw result;
  }

  /** Nothing more is asked of this file. */
  release(): void {
    if (!this.process.connected || this.process.killed) return;
    if (idle.length > 0) this.process.kill("SIGKILL");
    else {
      idle.push(this);
      this.keep(false);
    }
  }

  /** A process that waits for work does not keep this one. */
  private keep(busy: boolean): void {
    const { channel } = this.process;
    if (busy) {
      this.process.ref();
      channel?.ref();
    } else {
      this.process.unref();
      channel?.unref();
    }
  }
}
