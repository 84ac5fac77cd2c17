/** An engine in a thread of its own: the side that callers see. */
import { Worker } from "node:worker_threads";
import { InputError, workerFile } from "../base/index.ts";
import type { OnQuantising } from "../checkpoint/index.ts";
import {
  type ChatRequest,
  type CompletionRequest,
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineStats,
  type ModelInfo,
} from "./engine.ts";
import type { EngineOptions } from "./local-models.ts";
import type { FromEngine, PlainError, ToEngine } from "./protocol.ts";

/** Waits before a thread that has ended is started anew, in milliseconds: the first, and the longest; each is twice the one before. */
const RESTART_MS = { first: 250, longest: 60_000 };
/** A thread that has lived this long in milliseconds is not one that fails again and again. */
const LIVED_MS = 300_000;

/**
 * Loads models into a thread of their own. Should that thread end (for want of memory, say), those who wait are told, and another is started.
 * @param onQuantising told of the copy in 8 or 4 bits that a model's first start makes
 * @throws InputError saying what is wrong with which file
 */
export async function createEngine(options: EngineOptions, onQuantising?: OnQuantising): Promise<Engine> {
  const { worker, models } = await startThread(options, onQuantising);
  return new ThreadEngine(worker, models, () => startThread(options));
}

interface Started {
  worker: Worker;
  models: ModelInfo[];
}

function startThread(options: EngineOptions, onQuantising?: OnQuantising): Promise<Started> {
  const worker = new Worker(workerFile("engine-worker", import.meta.url), { workerData: options });
  return new Promise((resolve, reject) => {
    const loading = (message: FromEngine) => {
      if (message.type === "quantising") return onQuantising?.(message.share);
      worker.off("message", loading);
      worker.off("error", reject);
      if (message.type === "ready") resolve({ worker, models: message.models });
      else if (message.type === "failed") reject(restored(message.error));
    };
    worker.on("message", loading);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`its thread ended with ${code}`)));
  });
}

class ThreadEngine implements Engine {
  private worker: Worker;
  private readonly infos: ModelInfo[];
  private readonly start: () => Promise<Started>;
  private readonly streams = new Map<number, Stream>();
  private readonly asked = new Map<number, PromiseWithResolvers<Record<string, EngineStats>>>();
  private readonly counts = new Map<number, PromiseWithResolvers<number>>();
  private nextId = 0;
  /** Why nothing can be asked, for now or for good. */
  private ended: EngineError | null = null;
  private closed = false;
  private startedAt = 0;
  private waitMs = RESTART_MS.first;

  constructor(worker: Worker, models: ModelInfo[], start: () => Promise<Started>) {
    this.infos = models;
    this.start = start;
    this.worker = this.use(worker);
  }

  private use(worker: Worker): Worker {
    let reason: string | null = null;
    worker.on("message", (message: FromEngine) => this.receive(message));
    worker.on("error", (error) => {
      reason = error instanceof Error ? error.message : String(error);
    });
    worker.on("exit", (code) => {
      if (this.closed) this.end(new EngineError("unavailable", "the engine is closed"));
      else this.failed(reason ?? `its thread ended with ${code}`);
    });
    // Waiting for work keeps no process alive.
    worker.unref();
    this.startedAt = performance.now();
    return worker;
  }

  /** The thread is gone: whoever waits is told why, and a new one is started. */
  private failed(reason: string): void {
    if (performance.now() - this.startedAt > LIVED_MS) this.waitMs = RESTART_MS.first;
    const seconds = Math.ceil(this.waitMs / 1000);
    console.error(`The engine failed (${reason}); it is started again in ${seconds} s.`);
    this.end(
      new EngineError("unavailable", `the engine failed (${reason}) and is starting again`, { retryAfter: seconds }),
    );
    setTimeout(() => void this.restart(), this.waitMs).unref();
    this.waitMs = Math.min(2 * this.waitMs, RESTART_MS.longest);
  }

  private async restart(): Promise<void> {
    try {
      const { worker } = await this.start();
      if (this.closed) return void (await worker.terminate());
      this.worker = this.use(worker);
      this.ended = null;
    } catch (error) {
      if (!this.closed) this.failed((error as Error).message);
    }
  }

  async models(): Promise<ModelInfo[]> {
    if (this.ended) throw this.ended;
    return this.infos;
  }

  chat(request: ChatRequest, signal?: AbortSignal): AsyncIterable<EngineEvent> {
    return this.ask("chat", request, signal);
  }

  complete(request: CompletionRequest, signal?: AbortSignal): AsyncIterable<EngineEvent> {
    return this.ask("complete", request, signal);
  }

  async stats(): Promise<Record<string, EngineStats>> {
    if (this.ended) throw this.ended;
    const id = this.nextId++;
    const answer = Promise.withResolvers<Record<string, EngineStats>>();
    this.asked.set(id, answer);
    this.hold();
    this.send({ type: "stats", id });
    return answer.promise;
  }

  async countTokens(request: ChatRequest): Promise<number> {
    if (this.ended) throw this.ended;
    const id = this.nextId++;
    const answer = Promise.withResolvers<number>();
    this.counts.set(id, answer);
    this.hold();
    this.send({ type: "count", id, request });
    return answer.promise;
  }

  async close(): Promise<void> {
    const { ended } = this;
    this.closed = true;
    this.ended = new EngineError("unavailable", "the engine is closed");
    // Its thread has ended already.
    if (ended) return;
    const exited = new Promise((resolve) => this.worker.once("exit", resolve));
    this.send({ type: "close" });
    this.worker.ref();
    await exited;
  }

  private async *ask(
    kind: "chat" | "complete",
    request: ChatRequest | CompletionRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<EngineEvent> {
    if (this.ended) throw this.ended;
    const id = this.nextId++;
    const stream = new Stream();
    const cancel = () => this.send({ type: "cancel", id });
    this.streams.set(id, stream);
    this.hold();
    // A second message could come a pass later.
    this.send({ type: "ask", id, kind, request, cancelled: signal?.aborted ?? false });
    signal?.addEventListener("abort", cancel, { once: true });
    let over = false;
    try {
      while (!over) {
        const event = await stream.next();
        over = event.type === "end";
        yield event;
      }
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.streams.delete(id);
      this.hold();
      // Whoever stops reading leaves: nothing more is computed for them.
      if (!over && !stream.failed) cancel();
    }
  }

  private send(message: ToEngine): void {
    this.worker.postMessage(message);
  }

  /** Keeps the process alive while somebody waits for an answer. */
  private hold(): void {
    if (this.streams.size + this.asked.size + this.counts.size > 0) this.worker.ref();
    else this.worker.unref();
  }

  private receive(message: FromEngine): void {
    if (message.type === "events") {
      for (const [id, event] of message.events) {
        const stream = this.streams.get(id);
        if (!stream) continue;
        if ("kind" in event) stream.fail(restored(event));
        else stream.push(event);
      }
    } else if (message.type === "count") {
      const { id, count } = message;
      if (typeof count === "number") this.counts.get(id)?.resolve(count);
      else this.counts.get(id)?.reject(restored(count));
      this.counts.delete(id);
      this.hold();
    } else if (message.type === "stats") {
      this.asked.get(message.id)?.resolve(message.stats);
      this.asked.delete(message.id);
      this.hold();
    }
  }

  private end(error: EngineError): void {
    this.ended = error;
    for (const stream of this.streams.values()) stream.fail(error);
    for (const { reject } of [...this.asked.values(), ...this.counts.values()]) reject(error);
    this.asked.clear();
    this.counts.clear();
  }
}

/** Events on their way from the engine's thread to whoever reads them. */
class Stream {
  failed: Error | null = null;
  private readonly events: EngineEvent[] = [];
  private taken = 0;
  private wake: (() => void) | null = null;

  push(event: EngineEvent): void {
    this.events.push(event);
    this.wake?.();
  }

  fail(error: Error): void {
    this.failed ??= error;
    this.wake?.();
  }

  /** The next event. @throws what `fail` was given, once the events before it are read */
  async next(): Promise<EngineEvent> {
    while (this.taken === this.events.length) {
      if (this.failed) throw this.failed;
      this.events.length = 0;
      this.taken = 0;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.events[this.taken++];
  }
}

function restored({ kind, message, param, retryAfter }: PlainError): Error {
  return kind === null ? new InputError(message) : new EngineError(kind, message, { param, retryAfter });
}
