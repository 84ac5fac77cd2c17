/** The models of an engine in the thread that computes them: requests in, events out, one pass of one model at a time. */
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { InputError } from "../base/index.ts";
import type { WeightDtype } from "../checkpoint/index.ts";
import type { CacheDtype } from "../model/index.ts";
import type { Isa } from "../tensor/index.ts";
import { Decoder, PREFILL_TOKENS } from "./decoder.ts";
import {
  type ChatRequest,
  type CompletionRequest,
  EngineError,
  type EngineEvent,
  type EngineStats,
  type ModelInfo,
} from "./engine.ts";
import { loadModel, type Model } from "./model.ts";
import { type PlainError, plain } from "./protocol.ts";
import type { Job, Outlet } from "./scheduling/job.ts";
import { chatAbility, promptLength } from "./scheduling/requests.ts";
import type { Scheduler } from "./scheduling/scheduler.ts";

export interface LocalModel {
  /** Default: the folder's name. */
  id?: string;
  /** A Hugging Face folder. */
  dir: string;
  dtype?: WeightDtype;
  /** How the latent cache is held. */
  cache?: CacheDtype;
  /** Most memory of its latent cache, in bytes (default 512 MiB); its rows are what fits, but no more than `maxRunning` contexts. */
  cacheBytes?: number;
  price?: ModelInfo["price"];
}

export interface EngineOptions {
  models: readonly LocalModel[];
  /** Threads to compute on, shared by all models (default: all cores). */
  threads?: number;
  isa?: Isa;
  /** Requests that each model answers at the same time (default 64). */
  maxRunning?: number;
  /** Requests that may wait for a place at each model; more are refused (default 256). */
  maxWaiting?: number;
  /** Tokens of prompts that a pass reads beside those being generated (default 256): less is smoother, more is faster. */
  prefillTokens?: number;
}

interface Served {
  info: ModelInfo;
  decoder: Decoder;
}

export class LocalModels {
  private readonly served = new Map<string, Served>();
  private readonly jobs = new Map<number, { job: Job; scheduler: Scheduler }>();
  private readonly onEvent: (id: number, event: EngineEvent | PlainError) => void;

  /** Loads the models (by `load`, which may know them already). @throws InputError */
  constructor(
    options: EngineOptions,
    onEvent: (id: number, event: EngineEvent | PlainError) => void,
    load: typeof loadModel = loadModel,
  ) {
    this.onEvent = onEvent;
    for (const spec of options.models) {
      const id = spec.id ?? basename(spec.dir);
      if (this.served.has(id)) throw new InputError(`two models are named ${JSON.stringify(id)}: give one another id`);
      this.served.set(id, open(id, spec, options, load));
    }
  }

  get models(): ModelInfo[] {
    return [...this.served.values()].map(({ info }) => info);
  }

  private of(model: string): Served {
    const served = this.served.get(model);
    if (served) return served;
    const known = [...this.served.keys()].join(", ");
    throw new EngineError("not_found", `there is no model ${JSON.stringify(model)}; there are: ${known}`, {
      param: "model",
    });
  }

  /** Tokens of a conversation's prompt, whether it fits or not. @throws EngineError if it cannot be asked */
  count(request: ChatRequest): number {
    return promptLength(this.of(request.model).decoder.model, request);
  }

  /** Takes a request in; its events come under `id`. @throws EngineError if it is refused */
  ask(id: number, kind: "chat" | "complete", request: ChatRequest | CompletionRequest): void {
    const { decoder } = this.of(request.model);
    const outlet: Outlet = {
      event: (event) => {
        if (event.type === "end") this.jobs.delete(id);
        this.onEvent(id, event);
      },
      fail: (error) => {
        this.jobs.delete(id);
        this.onEvent(id, plain(error));
      },
    };
    const job =
      kind === "chat"
        ? decoder.chat(request as ChatRequest, outlet)
        : decoder.complete(request as CompletionRequest, outlet);
    this.jobs.set(id, { job, scheduler: decoder.scheduler });
  }

  /** Ends a request, if it still runs. */
  cancel(id: number): void {
    const found = this.jobs.get(id);
    if (!found) return;
    this.jobs.delete(id);
    found.scheduler.cancel(found.job);
  }

  /** Ends every request that runs or waits. */
  cancelAll(): void {
    for (const id of [...this.jobs.keys()]) this.cancel(id);
  }

  /** One pass of each model that has something to do; false if none has. */
  step(): boolean {
    let busy = false;
    for (const { decoder } of this.served.values()) {
      const { scheduler } = decoder;
      try {
        busy = scheduler.step() || busy;
      } catch (error) {
        // Not one request but the work between passes failed: those who wait are told, and the next find an empty cache.
        scheduler.reset(error);
      }
    }
    return busy;
  }

  stats(): Record<string, EngineStats> {
    return Object.fromEntries([...this.served].map(([id, { decoder }]) => [id, decoder.scheduler.stats()]));
  }
}

function open(id: string, spec: LocalModel, options: EngineOptions, load: typeof loadModel): Served {
  const { dtype, cache, dir, price = null } = spec;
  const { threads, isa, maxRunning = 64, maxWaiting = 256, prefillTokens = PREFILL_TOKENS } = options;
  const model = load(dir, { dtype, cache, threads, isa });
  const { config } = model;
  const fitting = Math.floor((spec.cacheBytes ?? 512 * 2 ** 20) / bytesOfRow(model));
  const rows = Math.min(maxRunning * config.maxPositionEmbeddings, fitting);
  if (rows < 16) throw new InputError(`${dir}: a cache of ${spec.cacheBytes} bytes holds ${rows} tokens; give it more`);
  const decoder = new Decoder(model, { running: maxRunning, waiting: maxWaiting, rows, prefill: prefillTokens });
  const ability = chatAbility(model.tokenizer);
  const { total, active } = model.parameters;
  const layers = Math.max(0, config.numHiddenLayers - config.firstKDenseReplace);
  const info: ModelInfo = {
    id,
    owner: "local",
    created: Math.floor(statSync(join(dir, "config.json")).mtimeMs / 1000),
    context: decoder.context,
    parameters: { total, active },
    dtype: model.dtype,
    experts: layers > 0 ? { layers, count: config.nRoutedExperts, perToken: config.numExpertsPerTok } : null,
    reasoning: ability.reasoning,
    tools: ability.tools,
    defaults: model.defaults,
    price,
  };
  return { info, decoder };
}

/** Bytes that a token takes in the latent cache of all layers. */
function bytesOfRow({ config, cacheDtype }: Model): number {
  const { kvLoraRank: R, qkRopeHeadDim: P, numHiddenLayers, numNextnPredictLayers } = config;
  const perLayer = cacheDtype === "int8" ? R + P + 8 : (R + P) * (cacheDtype === "f32" ? 4 : 2);
  return perLayer * (numHiddenLayers + numNextnPredictLayers);
}
