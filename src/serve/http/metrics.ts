/** GET /metrics for Prometheus, under the names that vLLM gives, so that its dashboards work. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Engine, EngineEvent } from "../../infer/index.ts";

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536];

export class Metrics {
  readonly registry = new Registry();
  private readonly labelNames = ["model_name"];
  private readonly promptTokens = this.counter("prompt_tokens_total", "Tokens of prompts");
  private readonly cachedTokens = this.counter(
    "prefix_cache_hits_total",
    "Tokens of prompts found in the prefix cache",
  );
  private readonly queriedTokens = this.counter(
    "prefix_cache_queries_total",
    "Tokens of prompts looked up in the prefix cache",
  );
  private readonly newTokens = this.counter("generation_tokens_total", "Tokens generated");
  private readonly drafted = this.counter("spec_decode_num_draft_tokens_total", "Tokens guessed ahead");
  private readonly accepted = this.counter("spec_decode_num_accepted_tokens_total", "Tokens guessed ahead, and right");
  private readonly success = new Counter({
    name: "vllm:request_success_total",
    help: "Requests that ended, by the reason",
    labelNames: ["model_name", "finished_reason"],
    registers: [this.registry],
  });
  private readonly failures = this.counter("request_failure_total", "Requests refused or failed");
  private readonly firstToken = this.histogram(
    "time_to_first_token_seconds",
    "From the request to the first token",
    SECONDS,
  );
  private readonly perToken = this.histogram(
    "time_per_output_token_seconds",
    "Between the tokens of an answer, on average",
    SECONDS,
  );
  private readonly whole = this.histogram("e2e_request_latency_seconds", "From the request to the last token", SECONDS);
  private readonly queue = this.histogram("request_queue_time_seconds", "Waiting for a place", SECONDS);
  private readonly prefill = this.histogram("request_prefill_time_seconds", "Reading the prompt", SECONDS);
  private readonly decode = this.histogram("request_decode_time_seconds", "Generating", SECONDS);
  private readonly promptSize = this.histogram("request_prompt_tokens", "Tokens of a request's prompt", TOKENS);
  private readonly answerSize = this.histogram("request_generation_tokens", "Tokens of a request's answer", TOKENS);

  constructor(engine: Engine) {
    collectDefaultMetrics({ register: this.registry });
    this.gauge("num_requests_running", "Requests being answered", engine, ({ running }) => running);
    this.gauge("num_requests_waiting", "Requests waiting for a place", engine, ({ waiting }) => waiting);
    this.gauge(
      "kv_cache_usage_perc",
      "Share of the latent cache's rows in use, 0 to 1",
      engine,
      ({ usedRows, cacheRows }) => (cacheRows > 0 ? usedRows / cacheRows : 0),
    );
  }

  /** The engine, with everything that passes counted. */
  watch(engine: Engine): Engine {
    return {
      models: () => engine.models(),
      upstreams: () => engine.upstreams?.() ?? [],
      chat: (request, signal) => this.counted(request.model, engine.chat(request, signal)),
      complete: (request, signal) => this.counted(request.model, engine.complete(request, signal)),
      countTokens: async (request) => (await engine.countTokens?.(request)) ?? null,
      stats: () => engine.stats(),
      close: () => engine.close(),
    };
  }

  private async *counted(model_name: string, events: AsyncIterable<EngineEvent>): AsyncGenerator<EngineEvent> {
    const labels = { model_name };
    const began = performance.now();
    const elapsed = () => (performance.now() - began) / 1000;
    let first = 0;
    let reason = "abort";
    try {
      for await (const event of events) {
        if (!first && event.type !== "start" && event.type !== "prompt" && event.type !== "end") {
          first = elapsed();
          this.firstToken.observe(labels, first);
        }
        if (event.type === "end") {
          reason = event.finishReason;
          this.ended(labels, event, elapsed(), first);
        }
        yield event;
      }
    } catch (error) {
      reason = "";
      this.failures.inc(labels);
      throw error;
    } finally {
      if (reason) this.success.inc({ ...labels, finished_reason: reason });
    }
  }

  private ended(
    labels: { model_name: string },
    { usage }: Extract<EngineEvent, { type: "end" }>,
    seconds: number,
    first: number,
  ): void {
    this.whole.observe(labels, seconds);
    if (usage.completionTokens > 1) this.perToken.observe(labels, (seconds - first) / (usage.completionTokens - 1));
    this.promptTokens.inc(labels, usage.promptTokens);
    this.queriedTokens.inc(labels, usage.promptTokens);
    this.cachedTokens.inc(labels, usage.cachedTokens);
    this.newTokens.inc(labels, usage.completionTokens);
    this.drafted.inc(labels, usage.draftedTokens);
    this.accepted.inc(labels, usage.acceptedTokens);
    this.promptSize.observe(labels, usage.promptTokens);
    this.answerSize.observe(labels, usage.completionTokens);
    if (usage.queueSeconds !== null) this.queue.observe(labels, usage.queueSeconds);
    if (usage.prefillSeconds !== null) this.prefill.observe(labels, usage.prefillSeconds);
    if (usage.decodeSeconds !== null) this.decode.observe(labels, usage.decodeSeconds);
  }

  private counter(name: string, help: string): Counter {
    return new Counter({ name: `vllm:${name}`, help, labelNames: this.labelNames, registers: [this.registry] });
  }

  private histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({
      name: `vllm:${name}`,
      help,
      labelNames: this.labelNames,
      buckets,
      registers: [this.registry],
    });
  }

  private gauge(
    name: string,
    help: string,
    engine: Engine,
    value: (stats: Awaited<ReturnType<Engine["stats"]>>[string]) => number,
  ): void {
    new Gauge({
      name: `vllm:${name}`,
      help,
      labelNames: this.labelNames,
      registers: [this.registry],
      async collect() {
        for (const [model_name, stats] of Object.entries(await engine.stats())) this.set({ model_name }, value(stats));
      },
    });
  }
}
