/** What answers of the OpenAI-compatible routes share: ids, usage, log probabilities, why a generation ended. */
import { randomBytes } from "node:crypto";
import { z } from "@hono/zod-openapi";
import { EngineError, type EngineEvent, type FinishReason, type TokenInfo, type Usage } from "../../infer/index.ts";

export const newId = (prefix: string): string => `${prefix}${randomBytes(12).toString("hex")}`;

export const now = (): number => Math.floor(Date.now() / 1000);

/** What OpenAI writes where a token's log probability is not known or −∞. */
const NO_LOGPROB = -9999;

export const usageSchema = z
  .object({
    prompt_tokens: z.int(),
    completion_tokens: z.int(),
    total_tokens: z.int(),
    prompt_tokens_details: z.object({ cached_tokens: z.int().describe("Found in the prefix cache") }),
    completion_tokens_details: z.object({
      reasoning_tokens: z.int(),
      accepted_prediction_tokens: z.int().describe("Guessed ahead by the MTP depth, and right"),
      rejected_prediction_tokens: z.int(),
    }),
    prompt_cache_hit_tokens: z.int().describe("As DeepSeek names them"),
    prompt_cache_miss_tokens: z.int(),
    estimated: z
      .literal(true)
      .optional()
      .describe("An upstream did not count its tokens: they are estimated from the text"),
  })
  .openapi("Usage");

/** Of several answers to one prompt: the prompt once, what was written together. */
export function sumUsage(all: readonly Usage[], prompts = 1): z.output<typeof usageSchema> {
  const sum = (field: "completionTokens" | "reasoningTokens" | "acceptedTokens" | "draftedTokens", of = all) =>
    of.reduce((total, usage) => total + usage[field], 0);
  // Answers stand prompt by prompt; the first of each read the prompt.
  const each = Math.max(1, all.length / prompts);
  const firsts = all.filter((_, i) => i % each === 0);
  const prompt = firsts.reduce((total, { promptTokens }) => total + promptTokens, 0);
  const cached = firsts.reduce((total, { cachedTokens }) => total + cachedTokens, 0);
  const completion = sum("completionTokens");
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: {
      reasoning_tokens: sum("reasoningTokens"),
      accepted_prediction_tokens: sum("acceptedTokens"),
      rejected_prediction_tokens: sum("draftedTokens") - sum("acceptedTokens"),
    },
    prompt_cache_hit_tokens: cached,
    prompt_cache_miss_tokens: prompt - cached,
    ...(all.some(({ estimated }) => estimated) && { estimated: true as const }),
  };
}

const logprob = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()).nullable() });
export const logprobsSchema = z.object({
  content: z.array(logprob.extend({ top_logprobs: z.array(logprob) })),
  refusal: z.null(),
});

const oneLogprob = (token: Pick<TokenInfo, "text" | "bytes" | "logprob">) => ({
  token: token.text,
  logprob: token.logprob ?? NO_LOGPROB,
  bytes: token.bytes,
});

export const chatLogprobs = (tokens: readonly TokenInfo[]) =>
  tokens.map((token) => ({ ...oneLogprob(token), top_logprobs: token.top.map(oneLogprob) }));

/** @throws EngineError if the server ended the generation: its client is still there, and should not take it for whole */
export function finishOf(reason: FinishReason): Exclude<FinishReason, "abort"> {
  if (reason === "abort") throw new EngineError("unavailable", "the server is stopping; the answer is not complete");
  return reason;
}

/** A whole answer, put together from its events. */
export class Collected {
  text = "";
  reasoning = "";
  prompt: TokenInfo[] = [];
  tokens: TokenInfo[] = [];
  calls: { id: string; name: string; arguments: string }[] = [];
  finish: FinishReason = "abort";
  usage: Usage | null = null;

  add(event: EngineEvent): void {
    switch (event.type) {
      case "start":
        return;
      case "prompt":
        // A prompt may have more tokens than a call takes arguments.
        this.prompt = this.prompt.concat(event.tokens);
        return;
      case "text":
        this.text += event.text;
        this.tokens.push(...(event.tokens ?? []));
        return;
      case "reasoning":
        this.reasoning += event.text;
        return;
      case "tool_call": {
        this.calls[event.index] ??= { id: event.id ?? newId("call_"), name: event.name ?? "", arguments: "" };
        this.calls[event.index].arguments += event.arguments;
        return;
      }
      case "end":
        this.finish = event.finishReason;
        this.usage = event.usage;
    }
  }
}
