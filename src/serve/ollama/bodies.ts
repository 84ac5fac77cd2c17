/** What Ollama's clients send, and what it asks of an engine. Unknown fields are left alone, as Ollama does. */
import { z } from "@hono/zod-openapi";
import type { ChatRequest, EngineMessage, GenerationSettings, ResponseFormat } from "../../infer/index.ts";
import { bounded, LIMITS, toolOf } from "../openai/sampling.ts";

const options = z
  .object({
    num_predict: z
      .int()
      .min(-2)
      .max(2 ** 24)
      .nullish()
      .describe("-1 and -2: as many as fit"),
    temperature: bounded("temperature").nullish(),
    top_p: bounded("topP").nullish(),
    top_k: z
      .int()
      .min(0)
      .max(2 ** 24)
      .nullish(),
    min_p: bounded("minP").nullish(),
    repeat_penalty: bounded("repetitionPenalty").nullish(),
    presence_penalty: bounded("presencePenalty").nullish(),
    frequency_penalty: bounded("frequencyPenalty").nullish(),
    seed: z.int().nullish().describe("Below 0: another each time"),
    stop: z.union([z.string(), z.array(z.string()).max(LIMITS.stops)]).nullish(),
  })
  .nullish();

const noImages = z.array(z.unknown()).max(0, "the models here read text alone").nullish();

const shared = {
  model: z.string().min(1).max(512),
  stream: z.boolean().nullish().describe("Default true"),
  format: z.union([z.literal("json"), z.literal(""), z.record(z.string(), z.unknown())]).nullish(),
  think: z.union([z.boolean(), z.string()]).nullish(),
  options,
  keep_alive: z
    .union([z.number(), z.string().max(64)])
    .nullish()
    .describe("Models stay in memory; 0 is answered as Ollama does"),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(LIMITS.topLogprobs).nullish(),
};

export const chatBody = z
  .object({
    ...shared,
    messages: z
      .array(
        z.object({
          role: z.enum(["system", "user", "assistant", "tool"]),
          content: z.string().nullish(),
          thinking: z.string().nullish(),
          images: noImages,
          tool_calls: z
            .array(z.object({ function: z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) }) }))
            .nullish(),
          tool_name: z.string().nullish(),
        }),
      )
      .max(LIMITS.messages)
      .nullish(),
    tools: z
      .array(
        z.object({
          type: z.literal("function"),
          function: z.object({
            name: z.string().min(1),
            description: z.string().nullish(),
            parameters: z.record(z.string(), z.unknown()).nullish(),
          }),
        }),
      )
      .max(LIMITS.tools)
      .nullish(),
  })
  .openapi("OllamaChatRequest");

export const generateBody = z
  .object({
    ...shared,
    prompt: z.string().nullish(),
    system: z.string().nullish(),
    raw: z.boolean().nullish().describe("Continue the prompt as it is, without the chat template"),
    suffix: z.literal("", "text before a given end is not written here").nullish(),
    images: noImages,
  })
  .openapi("OllamaGenerateRequest");

export type OllamaChat = z.output<typeof chatBody>;
export type OllamaGenerate = z.output<typeof generateBody>;

export function settingsOf(body: OllamaChat | OllamaGenerate): GenerationSettings & { reasoning?: boolean } {
  const { num_predict: predict, stop, seed, ...rest } = body.options ?? {};
  const stops = (typeof stop === "string" ? [stop] : (stop ?? [])).filter((text) => text !== "");
  return {
    maxTokens: predict != null && predict > 0 ? predict : undefined,
    temperature: rest.temperature ?? undefined,
    topP: rest.top_p ?? undefined,
    topK: rest.top_k ?? undefined,
    minP: rest.min_p ?? undefined,
    repetitionPenalty: rest.repeat_penalty ?? undefined,
    presencePenalty: rest.presence_penalty ?? undefined,
    frequencyPenalty: rest.frequency_penalty ?? undefined,
    seed: seed != null && seed >= 0 ? seed : undefined,
    stop: stops.length > 0 ? stops : undefined,
    topLogprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    responseFormat: formatOf(body.format),
    reasoning: body.think == null ? undefined : body.think !== false,
  };
}

function formatOf(format: OllamaChat["format"]): ResponseFormat | undefined {
  if (!format) return undefined;
  return format === "json" ? { type: "json_object" } : { type: "json_schema", schema: format };
}

/** Ollama's calls have no ids: a tool's answer goes to the earliest call of its name that has none yet. */
export function messagesOf(messages: NonNullable<OllamaChat["messages"]>): EngineMessage[] {
  const open: { id: string; name: string }[] = [];
  let made = 0;
  return messages.map(({ role, content, thinking, tool_calls, tool_name }) => {
    const toolCalls = (tool_calls ?? []).map(({ function: { name, arguments: args } }) => {
      const call = { id: `call_${made++}`, name, arguments: JSON.stringify(args) };
      open.push(call);
      return call;
    });
    const at = role === "tool" ? open.findIndex(({ name }) => !tool_name || name === tool_name) : -1;
    const [answered] = at >= 0 ? open.splice(at, 1) : [];
    return {
      role,
      content: content ?? "",
      ...(thinking && { reasoning: thinking }),
      ...(toolCalls.length > 0 && { toolCalls }),
      ...(answered && { toolCallId: answered.id }),
    };
  });
}

export function chatRequest(body: OllamaChat, model: string): ChatRequest {
  return {
    model,
    messages: messagesOf(body.messages ?? []),
    ...settingsOf(body),
    tools: body.tools?.map((tool) => toolOf(tool.function)),
  };
}
