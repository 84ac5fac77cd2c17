/**
 * What a chat site, an API, a benchmark or an audit asks of a model, wherever the model runs: in this process's engine thread
 * (`createEngine`) or behind any OpenAI-compatible server (`src/serve/upstream.ts`).
 */

import type { SamplingDefaults, SamplingParams } from "./sampling/params.ts";

export { EngineError, type EngineErrorKind } from "./engine-error.ts";

export type Role = "system" | "user" | "assistant" | "tool";

export interface ToolCall {
  id: string;
  name: string;
  /** JSON, as the model wrote it. */
  arguments: string;
}

export interface EngineMessage {
  role: Role;
  content: string;
  /** What an assistant thought before it answered. */
  reasoning?: string;
  /** Calls that an assistant made. */
  toolCalls?: readonly ToolCall[];
  /** Of a tool's message: the call that it answers. */
  toolCallId?: string;
  /** Who of several with the same role said it; for upstreams. */
  name?: string;
}

export interface Tool {
  name: string;
  description?: string;
  /** JSON Schema of the arguments. */
  parameters?: unknown;
  /** Arguments are held to the schema token by token. */
  strict?: boolean;
}

export type ResponseFormat =
  | { type: "text" }
  | { type: "json_object" }
  /** Every completed answer validates: tokens that would leave the schema are never drawn. */
  | { type: "json_schema"; schema: unknown; name?: string; description?: string; strict?: boolean };

/** Fields for an upstream alone, as they were sent: nothing here reads them. */
export type UpstreamFields = Readonly<Record<string, unknown>>;

/** How to choose tokens and when to stop, and what the answer must be. */
export interface GenerationSettings extends SamplingParams {
  responseFormat?: ResponseFormat;
  /** Whose request it is (a key, an address): clients take turns, so that one with many requests does not keep others waiting. */
  client?: string;
  /** Whose prompts may go on from this one's cached beginning (default: all that name none): another's find nothing, and learn nothing from it. */
  scope?: string;
  /** Nobody reads along: events may come all together at the end, when more is certain. */
  whole?: boolean;
  /** For an upstream, in its body beside what is said here. */
  upstream?: UpstreamFields;
}

export interface ChatRequest extends GenerationSettings {
  /** An id of `Engine.models()`. */
  model: string;
  messages: readonly EngineMessage[];
  tools?: readonly Tool[];
  toolChoice?: "none" | "auto" | "required" | { name: string };
  /** Whether more than one call may be made (default: as many as the model likes). */
  parallelToolCalls?: boolean;
  /** The last message is the assistant's and is continued instead of answered. */
  continueFinal?: boolean;
  /** For models that think: whether to (default: as the model's template does). */
  reasoning?: boolean;
  /** How much of it, in OpenAI's words; here every effort but "none" is the same. */
  reasoningEffort?: string;
}

export interface CompletionRequest extends GenerationSettings {
  model: string;
  prompt: string | readonly number[];
  /** Report the prompt's tokens too, as `prompt` events before the first text. */
  echo?: boolean;
}

export interface TokenInfo {
  id: number | null;
  /** The token's own text; a part of a character shows as U+FFFD, its bytes are exact. */
  text: string;
  bytes: number[];
  /** log p in the model's own distribution, before temperature and filters; null for a prompt's first token or where unknown. */
  logprob: number | null;
  /** The likeliest tokens at this place, likeliest first. */
  top: { id: number | null; text: string; bytes: number[]; logprob: number }[];
  /** Guessed ahead by the MTP depth and accepted. */
  drafted?: boolean;
  /** A special token: no text of an answer. */
  special?: boolean;
  /** Experts that fired for the token that this one was drawn after, by expert layer, [layers][K]. */
  experts?: number[][];
}

export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "abort";

export interface Usage {
  promptTokens: number;
  /** Of those, how many were in the prefix cache. */
  cachedTokens: number;
  completionTokens: number;
  reasoningTokens: number;
  /** Tokens guessed ahead, and how many of the guesses were right. */
  draftedTokens: number;
  acceptedTokens: number;
  /** The server did not count its tokens: the numbers are estimated from the text. */
  estimated?: true;
  /** Seconds waited for a place, spent reading the prompt, and generating; null where an upstream does not tell. */
  queueSeconds: number | null;
  prefillSeconds: number | null;
  decodeSeconds: number | null;
}

/** What a generation gives, in order: `start` (once the prompt is read), `prompt`*, then text, reasoning and calls as they come, and one `end`. */
export type EngineEvent =
  | { type: "start"; promptTokens: number; cachedTokens: number }
  /** Tokens of the prompt, where `echo` asked for them. */
  | { type: "prompt"; tokens: TokenInfo[] }
  /** Text that has become certain; `tokens` (where log probabilities or experts were asked for) are those that made it, which may lag or lead by a character. */
  | { type: "text"; text: string; tokens?: TokenInfo[] }
  | { type: "reasoning"; text: string; tokens?: TokenInfo[] }
  /** A piece of call number `index`: the first names it, all carry more of its arguments. */
  | { type: "tool_call"; index: number; id?: string; name?: string; arguments: string }
  | { type: "end"; finishReason: FinishReason; usage: Usage };

export interface ModelInfo {
  id: string;
  /** "local", or the upstream's name. */
  owner: string;
  /** Seconds since 1970. */
  created: number;
  /** Tokens of prompt and answer together; null where unknown. */
  context: number | null;
  /** Where known, for the site and the Ollama API. */
  parameters: { total: number; active: number } | null;
  /** f32, bf16, int8, int4; null where unknown. */
  dtype: string | null;
  /** Routed experts of each expert layer, and how many fire; null for upstreams and dense models. */
  experts: { layers: number; count: number; perToken: number } | null;
  reasoning: boolean;
  tools: boolean;
  /** What a request that says nothing gets. */
  defaults: SamplingDefaults;
  /** For the bill: $ for a million tokens of prompt and of answer, or for an hour of a core. */
  price: { promptUsd: number; completionUsd: number } | { coreHourUsd: number; cores: number } | null;
}

export interface EngineStats {
  /** Requests being answered, and waiting for a place. */
  running: number;
  waiting: number;
  /** Rows (tokens) of the latent cache: in all, holding a running sequence, and kept for prompts that begin the same. */
  cacheRows: number;
  usedRows: number;
  keptRows: number;
  /** Totals since the start. */
  requests: number;
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
  draftedTokens: number;
  acceptedTokens: number;
  refused: number;
  aborted: number;
}

export interface UpstreamState {
  name: string;
  /** Its address, without its key. */
  url: string;
  /** Why its models cannot be asked, in one line; null: they can. */
  error: string | null;
}

export interface Engine {
  /** Servers elsewhere that this one stands in front of. */
  upstreams?(): UpstreamState[];
  /** Models that can be asked now. */
  models(): Promise<ModelInfo[]>;
  /**
   * Answers a conversation. Leaving the iteration (or the signal) cancels the work at once: its place and its cache rows are free again.
   * @throws EngineError before the first event if the request is refused, or later if the engine fails
   */
  chat(request: ChatRequest, signal?: AbortSignal): AsyncIterable<EngineEvent>;
  /** Continues a text. */
  complete(request: CompletionRequest, signal?: AbortSignal): AsyncIterable<EngineEvent>;
  /**
   * Tokens of a conversation's prompt, by the model's own template and tokenizer; null where nobody but an upstream knows.
   * @throws EngineError if the conversation cannot be asked
   */
  countTokens?(request: ChatRequest): Promise<number | null>;
  /** By model id; of upstreams only what passed through here. */
  stats(): Promise<Record<string, EngineStats>>;
  /** Ends what runs with "abort" and frees threads and memory. */
  close(): Promise<void>;
}
