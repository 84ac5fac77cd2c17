/** An OpenAI-compatible server elsewhere (vLLM, SGLang, llama.cpp, DeepSeek's own, …) as an Engine. */

import { InputError } from "../../base/index.ts";
import {
  type ChatRequest,
  type CompletionRequest,
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineStats,
  type ModelInfo,
} from "../../infer/index.ts";
import { UpstreamAnswer } from "./answer.ts";
import { chatBody, completionBody } from "./body.ts";
import { type Timeouts, UpstreamHttp } from "./request.ts";

export interface UpstreamOptions {
  /** Its address, with or without /v1. */
  url: string;
  /** Sent as Authorization: Bearer; nowhere else, and never to another address. */
  key?: string;
  /** Shown as the owner of its models (default: the host). */
  name?: string;
  timeouts?: Partial<Timeouts>;
  /** Milliseconds after which its list of models is asked for anew (default 30 s; after a failure a tenth of it). */
  listMs?: number;
}

export interface Upstream {
  name: string;
  engine: Engine;
}

/** @throws InputError for what is no http address */
export function createUpstream(options: UpstreamOptions): Upstream {
  const base = baseOf(options.url);
  const name = options.name ?? base.host;
  const engine = new UpstreamEngine(new UpstreamHttp(base, name, options.key, options.timeouts), name, options.listMs);
  return { name, engine };
}

function baseOf(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : null;
  if (!base || !/^https?:$/.test(base.protocol))
    throw new InputError(`--upstream ${url}: give an address such as http://127.0.0.1:8000/v1`);
  if (base.username || base.password)
    throw new InputError("--upstream: leave the key out of the address; name its variable with --upstream-key-env");
  base.pathname = base.pathname === "/" ? "/v1" : base.pathname.replace(/\/+$/, "");
  return base;
}

const NOTHING: EngineStats = {
  running: 0,
  waiting: 0,
  cacheRows: 0,
  usedRows: 0,
  keptRows: 0,
  requests: 0,
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
  refused: 0,
  aborted: 0,
};

class UpstreamEngine implements Engine {
  private readonly http: UpstreamHttp;
  private readonly name: string;
  private readonly listMs: number;
  private readonly counts = new Map<string, EngineStats>();
  private readonly stopping = new AbortController();
  private known: { models: ModelInfo[] } | { error: unknown } | null = null;
  private asking: Promise<void> | null = null;
  private staleAt = 0;

  constructor(http: UpstreamHttp, name: string, listMs = 30_000) {
    this.http = http;
    this.name = name;
    this.listMs = listMs;
  }

  /** What was last known, at once: it is asked for anew beside that. Only the first time is waited for. */
  async models(): Promise<ModelInfo[]> {
    if (!this.asking && performance.now() >= this.staleAt) {
      this.asking = this.fetchModels().then(
        (models) => this.learn({ models }, this.listMs),
        (error) => this.learn({ error }, this.listMs / 10),
      );
    }
    if (!this.known) await this.asking;
    if ("error" in this.known!) throw this.known.error;
    return this.known!.models;
  }

  private learn(known: NonNullable<UpstreamEngine["known"]>, ms: number): void {
    this.known = known;
    this.staleAt = performance.now() + ms;
    this.asking = null;
  }

  private async fetchModels(): Promise<ModelInfo[]> {
    const answer = (await this.http.get("/models", this.stopping.signal)) as { data?: unknown };
    const list = Array.isArray(answer?.data) ? answer.data : [];
    return list.flatMap(
      (one: { id?: unknown; created?: unknown; max_model_len?: unknown; context_length?: unknown }) => {
        if (typeof one?.id !== "string") return [];
        const context = one.max_model_len ?? one.context_length;
        return {
          id: one.id,
          owner: this.name,
          created: typeof one.created === "number" ? Math.floor(one.created) : 0,
          context: typeof context === "number" ? context : null,
          parameters: null,
          dtype: null,
          experts: null,
          // Not told by any server: what it cannot do it refuses itself.
          reasoning: true,
          tools: true,
          defaults: {},
          price: null,
        };
      },
    );
  }

  chat(request: ChatRequest, signal?: AbortSignal): AsyncGenerator<EngineEvent> {
    return this.ask(request.model, "/chat/completions", chatBody(request, this.http.host), "chat", signal);
  }

  complete(request: CompletionRequest, signal?: AbortSignal): AsyncGenerator<EngineEvent> {
    return this.ask(request.model, "/completions", completionBody(request), "completion", signal);
  }

  private async *ask(
    model: string,
    path: string,
    body: object,
    kind: "chat" | "completion",
    signal?: AbortSignal,
  ): AsyncGenerator<EngineEvent> {
    const stats = this.statsOf(model);
    stats.requests++;
    stats.running++;
    const left = AbortSignal.any([this.stopping.signal, ...(signal ? [signal] : [])]);
    const answer = new UpstreamAnswer(kind, this.name);
    let ended = false;
    try {
      for await (const chunk of this.http.stream(path, body, left)) {
        for (const event of answer.take(chunk)) yield event;
      }
      for (const event of answer.end()) {
        if (event.type === "end") {
          ended = true;
          stats.promptTokens += event.usage.promptTokens;
          stats.cachedTokens += event.usage.cachedTokens;
          stats.completionTokens += event.usage.completionTokens;
        }
        yield event;
      }
    } catch (error) {
      if (left.aborted) {
        ended = false;
        yield* answer.abort();
        return;
      }
      if (error instanceof EngineError && !answer.begun) stats.refused++;
      throw error;
    } finally {
      stats.running--;
      if (!ended && left.aborted) stats.aborted++;
    }
  }

  private statsOf(model: string): EngineStats {
    const stats = this.counts.get(model) ?? { ...NOTHING };
    this.counts.set(model, stats);
    return stats;
  }

  async stats(): Promise<Record<string, EngineStats>> {
    return Object.fromEntries([...this.counts].map(([model, stats]) => [model, { ...stats }]));
  }

  async close(): Promise<void> {
    this.stopping.abort();
  }
}
