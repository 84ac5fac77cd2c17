/** Why an answer ended, in the words of many servers. */
import type { FinishReason } from "../../infer/index.ts";

const WORDS: Record<Exclude<FinishReason, "abort">, readonly string[]> = {
  stop: [
    "stop",
    "eos",
    "eos_token",
    "end_turn",
    "stop_sequence",
    "stop_token",
    "end",
    "complete",
    "completed",
    "finished",
    "done",
    "success",
  ],
  length: [
    "length",
    "max_tokens",
    "max_token",
    "max_output_tokens",
    "max_length",
    "model_length",
    "token_limit",
    "context_length",
    "context_length_exceeded",
    "model_context_window_exceeded",
    "max_new_tokens",
    "max_completion_tokens",
    "time_limit",
    "limit",
  ],
  tool_calls: ["tool_calls", "tool_call", "tool_use", "function_call", "function_calls"],
  content_filter: [
    "content_filter",
    "content_filtered",
    "safety",
    "recitation",
    "refusal",
    "blocklist",
    "prohibited_content",
    "spii",
    "sensitive",
    "guardrail_intervened",
    "image_safety",
    "moderation",
    "language",
  ],
};

/** Words for an answer that its server gave up. */
const FAILED =
  /insufficient|error|abort|cancel|timeout|time_out|overload|unavailable|fail|preempt|interrupt|malformed|unexpected/;

const KNOWN = new Map(
  Object.entries(WORDS).flatMap(([reason, words]) => words.map((word) => [word, reason as FinishReason])),
);

/** What a server's word means; "failed": the answer is not whole. A word that nobody knows ends an answer as any end does. */
export function finishOf(word: string): FinishReason | "failed" {
  const plain = word
    .replace(/^.*\./, "")
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .replaceAll(/[\s-]+/g, "_")
    .replace(/^finish_reason_/, "");
  return KNOWN.get(plain) ?? (FAILED.test(plain) ? "failed" : "stop");
}
