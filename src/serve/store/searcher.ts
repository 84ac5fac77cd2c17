/** Searches in a thread of their own, which is given up when one takes too long: nobody else waits for it. */
import { Worker } from "node:worker_threads";
import { workerFile } from "../../base/index.ts";
import { ApiFailure } from "../http/errors.ts";
import type { ConversationSummary } from "../wire.ts";
import type { Asked, Found, SearchOrder } from "./search.ts";

/** Milliseconds that a search may take; those that wait behind it have as long. */
const PATIENCE_MS = 5000;
/** Searches that may wait: a page asks anew with every letter. */
const MAX_WAITING = 64;

type Waiting = PromiseWithResolvers<ConversationSummary[]>;

export class Searcher {
  private readonly path: string;
  private readonly patience: number;
  private readonly waiting = new Map<number, Waiting>();
  private worker: Worker | null = null;
  private nextId = 0;

  /** path: of the database */
  constructor(path: string, patience = PATIENCE_MS) {
    this.path = path;
    this.patience = patience;
  }

  /** @throws ApiFailure 503 if it takes too long */
  async find(search: SearchOrder): Promise<ConversationSummary[]> {
    if (this.waiting.size >= MAX_WAITING) throw tooLong();
    this.worker ??= this.start();
    const { worker } = this;
    const id = this.nextId++;
    const answer = Promise.withResolvers<ConversationSummary[]>();
    this.waiting.set(id, answer);
    worker.postMessage({ id, search } satisfies Asked);
    const timer = setTimeout(() => this.end(worker, tooLong()), this.patience);
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(id);
    }
  }

  close(): void {
    if (this.worker) this.end(this.worker, new ApiFailure(503, "the server is stopping", { code: "unavailable" }));
  }

  private start(): Worker {
    const worker = new Worker(workerFile("search-worker", import.meta.url), { workerData: this.path });
    worker.unref();
    worker.on("message", ({ id, found }: Found) => {
      const answer = this.waiting.get(id);
      if (typeof found === "string") answer?.reject(new Error(found));
      else answer?.resolve(found);
    });
    worker.on("error", (error) => this.end(worker, error));
    return worker;
  }

  /** Everybody who waits for this thread is told; the next search starts another. */
  private end(worker: Worker, error: unknown): void {
    if (this.worker !== worker) return;
    this.worker = null;
    // What runs in it runs to its end, but nobody waits for that.
    void worker.terminate();
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}

const tooLong = () =>
  new ApiFailure(503, "the search took too long; look for a longer or a rarer word", { code: "search_timeout" });
