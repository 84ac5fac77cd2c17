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
  type UpstreamState,
} from "../../infer/index.ts";
import { UpstreamAnswer } from "./answer.ts";
import { chatBody, completionBody } from "./body.ts";
import { modelsIn } from "./model-list.ts";
import { DONE, type Timeouts, UpstreamHttp } from "./request.ts";
import { estimatedPrompt } from "./usage.ts";

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
  /** Told in one line when its models can no longer be asked, and why, or can again (default: stderr). */
  onChange?: (line: string) => void;
}

export interface Upstream {
  name: string;
  engine: Engine;
}

/** @throws InputError for what is no http address */
export function createUpstream(options: UpstreamOptions): Upstream {
  const base = baseOf(options.url);
  const name = options.name ?? base.host;
  const http = new UpstreamHttp(base, name, options.key, options.timeouts);
  const { listMs = 30_000, onChange = (line) => console.error(line) } = options;
  return { name, engine: new UpstreamEngine(http, { name, listMs, onChange }) };
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
  private readonly onChange: (line: string) => void;
  private known: { models: ModelInfo[] } | { error: unknown } | null = null;
  private asking: Promise<void> | null = null;
  private staleAt = 0;
  /** Why its models cannot be asked, in one line; null: they can. */
  private reason: string | null = "has not answered yet";
  /** Models whose prompts open a thought that their answers only close, as seen before. */
  private readonly opening = new Set<string>();

  constructor(http: UpstreamHttp, options: { name: string; listMs: number; onChange: (line: string) => void }) {
    this.http = http;
    this.name = options.name;
    this.listMs = options.listMs;
    this.onChange = options.onChange;
  }

  upstreams(): UpstreamState[] {
    return [{ name: this.name, url: this.http.url, error: this.reason }];
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
    const reason =
      "error" in known
        ? (known.error as Error).message
        : known.models.length === 0
          ? `${this.name} lists no models`
          : null;
    if (reason !== this.reason && !this.stopping.signal.aborted) {
      if (reason !== null) this.onChange(`Upstream ${this.http.url}: ${reason}.`);
      else if (this.known) this.onChange(`Upstream ${this.http.url}: its models can be asked again.`);
    }
    this.reason = reason;
    this.known = known;
    this.staleAt = performance.now() + ms;
    this.asking = null;
  }

  private async fetchModels(): Promise<ModelInfo[]> {
    const models = modelsIn(await this.http.get("/models", this.stopping.signal), this.name);
    if (models) return models;
    throw new EngineError("upstream", `${this.name} answers /models with what is no list of models`);
  }

  chat(request: ChatRequest, signal?: AbortSignal): AsyncGenerator<EngineEvent> {
    const body = chatBody(request, this.http.host);
    return this.ask(request, { path: "/chat/completions", body, kind: "chat" }, signal);
  }

  complete(request: CompletionRequest, signal?: AbortSignal): AsyncGenerator<EngineEvent> {
    return this.ask(request, { path: "/completions", body: completionBody(request), kind: "completion" }, signal);
  }

  private async *ask(
    request: ChatRequest | CompletionRequest,
    { path, body, kind }: { path: string; body: object; kind: "chat" | "completion" },
    signal?: AbortSignal,
  ): AsyncGenerator<EngineEvent> {
    const { model, maxTokens } = request;
    const stats = this.statsOf(model);
    stats.requests++;
    stats.running++;
    const left = AbortSignal.any([this.stopping.signal, ...(signal ? [signal] : [])]);
    const answer = new UpstreamAnswer({
      kind,
      name: this.name,
      key: this.http.key,
      maxTokens,
      logprobs: request.topLogprobs !== undefined,
      promptTokens: estimatedPrompt(request),
      opened: this.opensThought(request),
      whole: request.whole ?? false,
    });
    let ended = false;
    let done = false;
    try {
      try {
        for await (const chunk of this.http.stream(path, body, left, () => answer.given)) {
          if (chunk === DONE) done = true;
          else for (const event of answer.take(chunk)) yield event;
          if (answer.full) break;
        }
      } catch (error) {
        // How a connection ends after the answer has is no matter.
        const lost = error instanceof EngineError && (error.kind === "unavailable" || error.kind === "timeout");
        if (!answer.over || !lost) throw error;
      }
      for (const event of answer.end(done)) {
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
      if (answer.thoughts.unopened) this.opening.add(model);
      if (answer.thoughts.neverClosed) this.opening.delete(model);
      stats.running--;
      if (!ended && left.aborted) stats.aborted++;
    }
  }

  /** Whether an answer is taken for a thought until that is closed: of models whose answers were seen to close one that they had not opened. */
  private opensThought(request: ChatRequest | CompletionRequest): boolean {
    if (!("messages" in request) || request.reasoning === false || request.continueFinal) return false;
    return this.opening.has(request.model);
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
