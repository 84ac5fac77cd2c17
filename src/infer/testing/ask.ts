/** Requests to models in this thread, step by step: what tests of the scheduler drive. */
import { fileURLToPath } from "node:url";
import { configOf, openFolder } from "../../checkpoint/index.ts";
import type { ChatRequest, CompletionRequest, EngineEvent, TokenInfo, Usage } from "../engine.ts";
import { type EngineOptions, type LocalModel, LocalModels } from "../local-models.ts";
import { type LoadOptions, loadModel, type Model } from "../model.ts";
import type { PlainError } from "../protocol.ts";

export const MINNOW = fileURLToPath(new URL("../../../models/minnow", import.meta.url));
export const minnowConfig = configOf(openFolder(MINNOW));

/** Bytes that a token takes in Minnow's cache of f32, its MTP layer's row included. */
export const MINNOW_ROW_BYTES =
  (minnowConfig.numHiddenLayers + minnowConfig.numNextnPredictLayers) *
  (minnowConfig.kvLoraRank + minnowConfig.qkRopeHeadDim) *
  4;

const loaded = new Map<string, Model>();

/** Loads a model once, however many desks ask for it. */
function load(dir: string, options: LoadOptions = {}): Model {
  const key = JSON.stringify([dir, options]);
  const model = loaded.get(key) ?? loadModel(dir, options);
  loaded.set(key, model);
  return model;
}

/** The model that desks with these options share. */
export const loadedModel = ({ dtype, cache }: Pick<LocalModel, "dtype" | "cache">): Model =>
  load(MINNOW, { dtype, cache, threads: undefined, isa: undefined });

/** What a request has given so far. */
export interface Asked {
  id: number;
  events: EngineEvent[];
  error: PlainError | null;
  readonly text: string;
  readonly reasoning: string;
  readonly calls: { id?: string; name?: string; arguments: string }[];
  readonly tokens: TokenInfo[];
  readonly ids: (number | null)[];
  readonly usage: Usage;
  readonly finishReason: string | null;
}

export class Desk {
  readonly models: LocalModels;
  private readonly asked: Asked[] = [];

  constructor(options: Partial<EngineOptions> = {}, spec: Partial<LocalModel> = {}) {
    const models = options.models ?? [{ id: "minnow", dir: MINNOW, ...spec }];
    const take = (id: number, event: EngineEvent | PlainError) => {
      const asked = this.asked[id];
      if ("kind" in event) asked.error = event;
      else asked.events.push(event);
    };
    this.models = new LocalModels({ ...options, models }, take, load);
  }

  complete(request: Omit<CompletionRequest, "model">): Asked {
    return this.ask("complete", { model: "minnow", ...request });
  }

  chat(request: Omit<ChatRequest, "model">): Asked {
    return this.ask("chat", { model: "minnow", ...request });
  }

  /** Steps until nothing is left to do; fails after `most`. */
  run(most = 20_000): void {
    for (let i = 0; this.models.step(); i++) if (i > most) throw new Error(`still busy after ${most} steps`);
  }

  get stats() {
    return Object.values(this.models.stats())[0];
  }

  private ask(kind: "chat" | "complete", request: ChatRequest | CompletionRequest): Asked {
    const id = this.asked.length;
    const asked = new Answer(id);
    this.asked.push(asked);
    this.models.ask(id, kind, request);
    return asked;
  }
}

class Answer implements Asked {
  readonly id: number;
  readonly events: EngineEvent[] = [];
  error: PlainError | null = null;

  constructor(id: number) {
    this.id = id;
  }

  get text(): string {
    return this.events.map((event) => (event.type === "text" ? event.text : "")).join("");
  }

  get reasoning(): string {
    return this.events.map((event) => (event.type === "reasoning" ? event.text : "")).join("");
  }

  get calls(): Asked["calls"] {
    const calls: Asked["calls"] = [];
    for (const event of this.events) {
      if (event.type !== "tool_call") continue;
      const { index, id, name, arguments: args } = event;
      calls[index] = calls[index]
        ? { ...calls[index], arguments: calls[index].arguments + args }
        : { id, name, arguments: args };
    }
    return calls;
  }

  get tokens(): TokenInfo[] {
    return this.events.flatMap((event) => (event.type === "text" ? (event.tokens ?? []) : []));
  }

  get ids(): (number | null)[] {
    return this.tokens.map(({ id }) => id);
  }

  private get end() {
    return this.events.find((event) => event.type === "end") ?? null;
  }

  get usage(): Usage {
    if (!this.end) throw new Error("the request has not ended");
    return this.end.usage;
  }

  get finishReason(): string | null {
    return this.end?.finishReason ?? null;
  }
}
