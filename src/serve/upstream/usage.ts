/** How many tokens an answer took, by its server; where that does not tell, an estimate that says so. */
import type { ChatRequest, CompletionRequest, Usage } from "../../infer/index.ts";
import { count, type Json, object } from "./json.ts";

/** UTF-8 bytes of a token, on average over what models read and write. */
const BYTES_PER_TOKEN = 4;
/** Tokens that a chat template writes around a message. */
const TOKENS_PER_MESSAGE = 4;

/** What is known of an answer without its server's count. */
export interface Seen {
  promptTokens: number;
  /** Pieces that came: mostly one for each token. */
  pieces: number;
  /** Bytes of all that was written. */
  bytes: number;
}

const tokensOf = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN);

export function estimatedPrompt(request: ChatRequest | CompletionRequest): number {
  if ("prompt" in request)
    return typeof request.prompt === "string"
      ? Math.max(1, tokensOf(Buffer.byteLength(request.prompt)))
      : request.prompt.length;
  const { messages, tools } = request;
  const words = messages.reduce((sum, message) => sum + Buffer.byteLength(message.content), 0);
  const rest = JSON.stringify([tools ?? "", messages.map(({ toolCalls = "" }) => toolCalls)]).length;
  return (
    tokensOf(words + (tools || messages.some(({ toolCalls }) => toolCalls) ? rest : 0)) +
    TOKENS_PER_MESSAGE * messages.length
  );
}

/** @param told a server's `usage`, in OpenAI's names or Anthropic's, or nothing */
export function usageOf(told: unknown, seen: Seen): Usage {
  const usage = object(told);
  const details = object(usage.completion_tokens_details ?? usage.output_tokens_details);
  // A server that does not count says 0, or nothing.
  const prompt = count(usage.prompt_tokens) || count(usage.input_tokens) || null;
  const completion = count(usage.completion_tokens) ?? count(usage.output_tokens);
  const counted = completion !== null && (completion > 0 || seen.bytes === 0);
  const promptTokens = prompt ?? seen.promptTokens;
  const completionTokens = counted ? completion : seen.pieces > 1 ? seen.pieces : tokensOf(seen.bytes);
  const accepted = count(details.accepted_prediction_tokens) ?? 0;
  return {
    promptTokens,
    cachedTokens: Math.min(promptTokens, cachedOf(usage)),
    completionTokens,
    reasoningTokens: Math.min(completionTokens, count(details.reasoning_tokens) ?? count(usage.reasoning_tokens) ?? 0),
    draftedTokens: accepted + (count(details.rejected_prediction_tokens) ?? 0),
    acceptedTokens: accepted,
    queueSeconds: null,
    prefillSeconds: null,
    decodeSeconds: null,
    ...((prompt === null || !counted) && { estimated: true as const }),
  };
}

function cachedOf(usage: Json): number {
  const details = object(usage.prompt_tokens_details ?? usage.input_tokens_details);
  return (
    count(details.cached_tokens) ||
    count(usage.prompt_cache_hit_tokens) ||
    count(usage.cached_tokens) ||
    count(usage.cache_read_input_tokens) ||
    0
  );
}
