/** What passes between the engine's thread and the others: plain data. */
import {
  type ChatRequest,
  type CompletionRequest,
  EngineError,
  type EngineErrorKind,
  type EngineEvent,
  type EngineStats,
  type ModelInfo,
} from "./engine.ts";

export type ToEngine =
  /** `cancelled`: before it was asked, so that nothing may be computed for it. */
  | { type: "ask"; id: number; kind: "chat" | "complete"; request: ChatRequest | CompletionRequest; cancelled: boolean }
  | { type: "cancel"; id: number }
  | { type: "stats"; id: number }
  | { type: "count"; id: number; request: ChatRequest }
  | { type: "close" };

/** An error that crosses threads; `kind` null: an InputError. */
export interface PlainError {
  kind: EngineErrorKind | null;
  message: string;
  param?: string;
  retryAfter?: number;
}

export type FromEngine =
  /** Before it is ready: which share of a model's copy in 8 or 4 bits is made. */
  | { type: "quantising"; share: number }
  | { type: "ready"; models: ModelInfo[] }
  /** Nothing was loaded; the thread ends. */
  | { type: "failed"; error: PlainError }
  /** All that a step gave: events, or the error that ends a request. */
  | { type: "events"; events: [id: number, event: EngineEvent | PlainError][] }
  | { type: "stats"; id: number; stats: Record<string, EngineStats> }
  | { type: "count"; id: number; count: number | PlainError };

export function plain(error: unknown): PlainError {
  if (error instanceof EngineError) {
    const { kind, message, param, retryAfter } = error;
    return { kind, message, param: param ?? undefined, retryAfter: retryAfter ?? undefined };
  }
  const { name, message } = error as Error;
  return { kind: name === "InputError" ? null : "internal", message };
}
