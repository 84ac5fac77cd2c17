/** The models of an engine in the thread that computes them: requests in, events out, one pass of one model at a time. */
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { InputError } from "../base/index.ts";
import { ggufOf, type WeightDtype } from "../checkpoint/index.ts";
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
  type Usage,
} from "./engine.ts";
import { loadModel, type Model } from "./model.ts";
import { type PlainError, plain } from "./protocol.ts";
import { chatAbility, ofParam, paramOf, promptLength, promptQuestion } from "./scheduling/prepare.ts";
import { type Prompt, Prompts, sizeOf } from "./scheduling/prompts.ts";
import type { Request, Sink } from "./scheduling/request.ts";
import type { Scheduler } from "./scheduling/scheduler.ts";

export interface LocalModel {
  /** Default: the folder's name. */
  id?: string;
  /** A Hugging Face folder, or a GGUF file. */
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

/** Of a request that ended before its prompt was made. */
const NOTHING_USED: Usage = {
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  reasoningTokens: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
  queueSeconds: 0,
  prefillSeconds: 0,
  decodeSeconds: 0,
};

interface Served {
  info: ModelInfo;
  decoder: Decoder;
  prompts: Prompts;
}

export class LocalModels {
  private readonly served = new Map<string, Served>();
  private readonly requests = new Map<number, { request: Request; scheduler: Scheduler }>();
  /** Requests whose prompts are being made elsewhere. */
  private readonly preparing = new Set<number>();
  private readonly onEvent: (id: number, event: EngineEvent | PlainError) => void;
  private readonly onWork: () => void;

  /** Loads the models (by `load`, which may know them already). onWork: told when there is something to do or to tell, unasked. @throws InputError */
  constructor(
    options: EngineOptions,
    onEvent: (id: number, event: EngineEvent | PlainError) => void,
    load: typeof loadModel = loadModel,
    onWork: () => void = () => {},
  ) {
    this.onEvent = onEvent;
    this.onWork = onWork;
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
  async count(request: ChatRequest): Promise<number> {
    const { prompts, decoder } = this.of(request.model);
    const { model } = decoder;
    if (!prompts.takes("chat", sizeOf(request.messages, request.tools))) return promptLength(model, request);
    try {
      return (await prompts.make(promptQuestion(model.tokenizer, request))).ids.length;
    } catch (error) {
      throw ofParam("messages", error);
    }
  }

  /** Takes a request in; its events come under `id`. @throws EngineError if it is refused */
  ask(id: number, kind: "chat" | "complete", request: ChatRequest | CompletionRequest): void {
    const served = this.of(request.model);
    // Wanted before it is known whether it is made elsewhere: then its turn may come at once.
    this.preparing.add(id);
    let making: Promise<Prompt> | null;
    try {
      making = promptElsewhere(served, request, () => this.preparing.has(id));
    } catch (error) {
      this.preparing.delete(id);
      throw error;
    }
    if (!making) {
      this.preparing.delete(id);
      this.start(id, kind, served, request);
      return;
    }
    const failed = (error: unknown) => this.onEvent(id, plain(ofParam(paramOf(request), error)));
    const made = (prompt: Prompt) => {
      if (!this.preparing.delete(id)) return;
      try {
        this.start(id, kind, served, request, prompt);
      } catch (error) {
        failed(error);
      }
    };
    void making.then(made, (error: unknown) => this.preparing.delete(id) && failed(error)).finally(this.onWork);
  }

  private start(
    id: number,
    kind: "chat" | "complete",
    { decoder }: Served,
    request: ChatRequest | CompletionRequest,
    prompt?: Prompt,
  ): void {
    const sink: Sink = {
      event: (event) => {
        if (event.type === "end") this.requests.delete(id);
        this.onEvent(id, event);
      },
      fail: (error) => {
        this.requests.delete(id);
        this.onEvent(id, plain(error));
      },
    };
    const accepted =
      kind === "chat"
        ? decoder.chat(request as ChatRequest, sink, prompt)
        : decoder.complete(request as CompletionRequest, sink, prompt);
    this.requests.set(id, { request: accepted, scheduler: decoder.scheduler });
  }

  /** Ends a request, if it still runs. */
  cancel(id: number): void {
    if (this.preparing.delete(id)) this.onEvent(id, { type: "end", finishReason: "abort", usage: NOTHING_USED });
    const found = this.requests.get(id);
    if (!found) return;
    this.requests.delete(id);
    found.scheduler.cancel(found.request);
  }

  /** Ends every request that runs or waits. */
  cancelAll(): void {
    for (const id of [...this.requests.keys(), ...this.preparing]) this.cancel(id);
  }

  /** Ends what makes prompts. */
  async close(): Promise<void> {
    await Promise.all([...this.served.values()].map(({ prompts }) => prompts.close()));
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
    created: Math.floor(statSync(ggufOf(dir) ?? join(dir, "config.json")).mtimeMs / 1000),
    context: decoder.context,
    parameters: { total, active },
    dtype: model.dtype,
    experts: layers > 0 ? { layers, count: config.nRoutedExperts, perToken: config.numExpertsPerTok } : null,
    reasoning: ability.reasoning,
    tools: ability.tools,
    defaults: model.defaults,
    price,
  };
  return { info, decoder, prompts: new Prompts(dir, model.tokenizer) };
}

/** The prompt of a request that is not to be made in this thread; null where it is. @throws EngineError "invalid" */
function promptElsewhere(
  { prompts, decoder }: Served,
  request: ChatRequest | CompletionRequest,
  isWanted: () => boolean,
): Promise<Prompt> | null {
  if ("prompt" in request && typeof request.prompt !== "string") return null;
  const takes =
    "messages" in request
      ? prompts.takes("chat", sizeOf(request.messages, request.tools))
      : prompts.takes("text", request.prompt.length);
  if (!takes) return null;
  decoder.check(request);
  const { tokenizer } = decoder.model;
  return prompts.make(
    "messages" in request ? promptQuestion(tokenizer, request) : { text: String(request.prompt) },
    isWanted,
  );
}

/** Bytes that a token takes in the latent cache of all layers. */
function bytesOfRow({ config, cacheDtype }: Model): number {
  const { kvLoraRank: R, qkRopeHeadDim: P, numHiddenLayers, numNextnPredictLayers } = config;
  const perLayer = cacheDtype === "int8" ? R + P + 8 : (R + P) * (cacheDtype === "f32" ? 4 : 2);
  return perLayer * (numHiddenLayers + numNextnPredictLayers);
}
