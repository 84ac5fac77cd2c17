/**
 * Runs JavaScript that a model wrote: in QuickJS inside WebAssembly, which has no way to files, network or this process, and in a thread of its
 * own, because some loops inside the interpreter do not answer its interrupts and can only be ended with their thread.
 */
import { Worker } from "node:worker_threads";
import { workerFile } from "../../base/index.ts";

export const SANDBOX_LIMITS = {
  memoryBytes: 32 * 2 ** 20,
  stackBytes: 256 * 2 ** 10,
  /** Interrupts (one about every 10,000 steps of the interpreter) before a run is ended: the same on every machine. */
  interrupts: 1000,
  /** For what does not answer interrupts. */
  milliseconds: 5000,
  sourceLength: 2 ** 16,
};

export interface Program {
  source: string;
  /** The function to call. */
  entryPoint: string;
  /** The arguments of each call: what JSON can hold. */
  calls: readonly (readonly unknown[])[];
}

/** What a call returned (null for undefined, as JSON has it), or why it did not. */
export type Outcome = { value: unknown } | { error: string };

export type SandboxLimits = typeof SANDBOX_LIMITS;

interface Job {
  program: Program;
  limits: SandboxLimits;
  resolve: (outcome: Outcome[]) => void;
  reject: (error: Error) => void;
}

const waiting: Job[] = [];
let worker: Worker | null = null;
let running: Job | null = null;
let deadline: NodeJS.Timeout | undefined;

/** The outcome of each call. Programs run one after the other; all that a program can do is to return values. */
export function runProgram(program: Program, limits: SandboxLimits = SANDBOX_LIMITS): Promise<Outcome[]> {
  const all = (error: string): Promise<Outcome[]> => Promise.resolve(program.calls.map(() => ({ error })));
  if (program.source.length > limits.sourceLength)
    return all(`the code is longer than ${limits.sourceLength} characters`);
  return new Promise((resolve, reject) => {
    waiting.push({ program, limits, resolve, reject });
    next();
  });
}

function next(): void {
  if (running) return;
  const job = waiting.shift();
  if (!job) {
    // A thread that waits for work does not keep the process.
    worker?.unref();
    return;
  }
  running = job;
  worker ??= start();
  worker.ref();
  const { program, limits } = job;
  worker.postMessage({ program, limits });
  deadline = setTimeout(() => {
    stop();
    const error = `took longer than ${limits.milliseconds} ms`;
    finish(({ resolve }) => resolve(program.calls.map(() => ({ error }))));
  }, limits.milliseconds);
}

function start(): Worker {
  const started = new Worker(workerFile("sandbox-worker", import.meta.url), { stdout: true, stderr: true });
  started.on("message", (outcomes: Outcome[]) => finish((job) => job.resolve(outcomes)));
  started.on("error", (error) => {
    if (worker === started) finish((job) => job.reject(error));
  });
  started.on("exit", () => {
    if (worker !== started) return;
    worker = null;
    // Whatever was handed to it after its last answer is begun again.
    const job = running;
    running = null;
    clearTimeout(deadline);
    if (job) waiting.unshift(job);
    next();
  });
  return started;
}

function stop(): void {
  const stopped = worker;
  worker = null;
  void stopped?.terminate();
}

function finish(tell: (job: Job) => void): void {
  clearTimeout(deadline);
  const job = running;
  running = null;
  if (job) tell(job);
  next();
}
