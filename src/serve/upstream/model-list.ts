/** Lists of models, in the forms that servers have for them. */
import type { ModelInfo } from "../../infer/index.ts";
import { count, isObject, type Json, text } from "./json.ts";

/** Models of one upstream at most. */
const MAX_MODELS = 10_000;
/** Characters of an id, as requests may name it. */
const MAX_ID = 512;
/** Seconds since 1970 that a date can be made of. */
const MAX_TIME = 4_000_000_000;

/**
 * OpenAI's {data: [{id}]}, Ollama's {models: [{name}]}, a bare array (Together), plain names, or a map by id.
 * @returns null for what is no list of models
 */
export function modelsIn(answer: unknown, owner: string): ModelInfo[] | null {
  const entries = entriesOf(answer);
  if (!entries) return null;
  const models = new Map<string, ModelInfo>();
  for (const entry of entries.slice(0, MAX_MODELS)) {
    const id = typeof entry === "string" ? entry : idOf(entry);
    // What could forge a line of a log, or cannot be asked for, is no name.
    if (id === "" || id.length > MAX_ID || /\p{Cc}/u.test(id) || models.has(id)) continue;
    models.set(id, modelInfo(id, owner, isObject(entry) ? entry : ({} as Json)));
  }
  return [...models.values()];
}

function entriesOf(answer: unknown): unknown[] | null {
  if (Array.isArray(answer)) return answer;
  if (!isObject(answer)) return null;
  for (const field of ["data", "models", "result", "results", "items"]) {
    const value: unknown = answer[field];
    if (Array.isArray(value)) return value;
    if (isObject(value))
      return entriesOf(value) ?? Object.entries(value).map(([id, one]) => ({ id, ...(one as object) }));
  }
  return null;
}

const idOf = (entry: unknown): string =>
  isObject(entry) ? text(entry.id) || text(entry.model) || text(entry.name) || text(entry.slug) : "";

function modelInfo(id: string, owner: string, entry: Json): ModelInfo {
  const context = [
    entry.max_model_len,
    entry.context_length,
    entry.context_window,
    entry.max_context_length,
    entry.max_context_window_tokens,
    isObject(entry.meta) ? entry.meta.n_ctx_train : null,
  ].map(count);
  const created = count(entry.created) ?? 0;
  return {
    id,
    owner,
    created: created <= MAX_TIME ? created : 0,
    context: context.find((tokens) => tokens !== null && tokens > 0) ?? null,
    parameters: null,
    dtype: null,
    experts: null,
    // Not told by any server: what it cannot do it refuses itself.
    reasoning: true,
    tools: true,
    defaults: {},
    price: null,
  };
}
