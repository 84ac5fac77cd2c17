/** An engine in a thread of its own: the side that callers see. */
import { Worker } from "node:worker_threads";
import { InputError } from "../base/index.ts";
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

/**
 * Loads models into a thread of their own.
 * @param onQuantising told of the copy in 8 or 4 bits that a model's first start makes
 * @throws InputError saying what is wrong with which file
 */
export function createEngine(options: EngineOptions, onQuantising?: OnQuantising): Promise<Engine> {
  // From source in a clone, compiled when installed.
  const file = import.meta.url.endsWith(".ts") ? "./engine-worker.ts" : "./engine-worker.js";
  const worker = new Worker(new URL(file, import.meta.url), { workerData: options });
  return new Promise((resolve, reject) => {
    const loading = (message: FromEngine) => {
      if (message.type === "quantising") return onQuantising?.(message.share);
      worker.off("message", loading);
      if (message.type === "ready") resolve(new ThreadEngine(worker, message.models));
      else if (message.type === "failed") reject(restored(message.error));
    };
    worker.on("message", loading);
    worker.once("error", reject);
  });
}

class ThreadEngine implements Engine {
  private readonly worker: Worker;
  private readonly infos: ModelInfo[];
  private readonly streams = new Map<number, Stream>();
  private readonly asked = new Map<number, PromiseWithResolvers<Record<string, EngineStats>>>();
  private nextId = 0;
  /** Why nothing more can be asked. */
  private ended: EngineError | null = null;

  constructor(worker: Worker, models: ModelInfo[]) {
    this.worker = worker;
    this.infos = models;
    worker.on("message", (message: FromEngine) => this.receive(message));
    worker.on("error", (error) => this.end(new EngineError("internal", `the engine failed: ${error.message}`)));
    worker.on("exit", () => this.end(new EngineError("unavailable", "the engine is closed")));
    // Waiting for work keeps no process alive.
    worker.unref();
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

  async close(): Promise<void> {
    if (this.ended) return;
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
    if (this.streams.size + this.asked.size > 0) this.worker.ref();
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
    } else if (message.type === "stats") {
      this.asked.get(message.id)?.resolve(message.stats);
      this.asked.delete(message.id);
      this.hold();
    }
  }

  private end(error: EngineError): void {
    this.ended ??= error;
    for (const stream of this.streams.values()) stream.fail(this.ended);
    for (const { reject } of this.asked.values()) reject(this.ended);
    this.asked.clear();
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
