/** POST /v1/chat/completions */
import { z } from "@hono/zod-openapi";
import type { ChatRequest, Engine, EngineEvent, Usage } from "../../infer/index.ts";
import type { Deps } from "../deps.ts";
import { ApiFailure } from "../http/errors.ts";
import { type App, addRoute, asker, type Ctx } from "../http/http.ts";
import { clientSignal, openaiStream, streamed } from "../http/streaming.ts";
import { Collected, chatLogprobs, finishOf, logprobsSchema, newId, now, sumUsage, usageSchema } from "./answers.ts";
import { merged } from "./merge.ts";
import { engineMessages, messagesField } from "./messages.ts";
import {
  checkChoice,
  EFFORTS,
  formatOf,
  harmlessFields,
  LIMITS,
  maxTokens,
  responseFormat,
  samplingFields,
  settingsOf,
  toolFields,
  toolOf,
  upstreamFields,
} from "./sampling.ts";

export const chatBody = z
  .strictObject({
    model: z.string().max(512).nullish().describe("An id of /v1/models (default: the server's first)"),
    messages: messagesField,
    ...samplingFields,
    max_tokens: maxTokens,
    max_completion_tokens: maxTokens,
    n: z.int().min(1).max(LIMITS.choices).nullish().describe("Answers to give"),
    stream: z.boolean().nullish(),
    stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(LIMITS.topLogprobs).nullish(),
    response_format: responseFormat,
    ...toolFields,
    reasoning_effort: z.enum(EFFORTS).nullish(),
    thinking: z
      .looseObject({ type: z.enum(["enabled", "disabled"]) })
      .nullish()
      .describe("As DeepSeek's API has it"),
    chat_template_kwargs: z
      .looseObject({ thinking: z.boolean().nullish(), enable_thinking: z.boolean().nullish() })
      .nullish()
      .describe("As vLLM's API has it"),
    modalities: z.array(z.literal("text", "text alone")).nullish(),
    ...harmlessFields,
  })
  .openapi("ChatCompletionRequest");

type Body = z.output<typeof chatBody>;

const toolCallSchema = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const chatAnswer = z
  .object({
    id: z.string(),
    object: z.literal("chat.completion"),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        message: z.object({
          role: z.literal("assistant"),
          content: z.string().nullable(),
          refusal: z.null(),
          reasoning_content: z.string().optional().describe("What a model that thinks thought before"),
          tool_calls: z.array(toolCallSchema).optional(),
        }),
        logprobs: logprobsSchema.nullable(),
        finish_reason: z.enum(["stop", "length", "tool_calls", "content_filter"]),
      }),
    ),
    usage: usageSchema,
  })
  .openapi("ChatCompletion");

export function addChat(app: App, deps: Deps): void {
  addRoute(
    app,
    {
      method: "post",
      path: "/v1/chat/completions",
      summary: "Answer a conversation",
      tag: "OpenAI",
      body: chatBody,
      names: {},
      answer: chatAnswer,
      stream: "text/event-stream",
    },
    async (c, { body }) => {
      const request = { ...chatRequest(body, await deps.modelId(body.model)), ...asker(c) };
      c.get("log").model = request.model;
      if (body.stream)
        return await streamed(c, openaiStream, (signal) => chatChunks(c, deps.engine, body, request, signal));
      const { signal } = clientSignal(c);
      return c.json(await wholeChat(c, deps.engine, body, request, signal));
    },
  );
}

/** What a body asks of an engine. @throws ApiFailure for fields that contradict each other */
export function chatRequest(body: Body, model: string): ChatRequest {
  const tools = body.tools?.map((tool) => toolOf(tool.function));
  const choice = body.tool_choice;
  const toolChoice = typeof choice === "object" ? { name: choice.function.name } : choice;
  checkChoice(tools, toolChoice);
  if (body.top_logprobs != null && !body.logprobs)
    throw new ApiFailure(400, "'top_logprobs' needs 'logprobs': true", { param: "top_logprobs" });
  return {
    model,
    ...engineMessages(body.messages),
    ...settingsOf(body),
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    topLogprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    responseFormat: formatOf(body.response_format),
    tools,
    toolChoice,
    parallelToolCalls: body.parallel_tool_calls,
    reasoning: reasoningOf(body),
    reasoningEffort: body.reasoning_effort ?? undefined,
    whole: body.stream !== true,
    upstream: upstreamFields(body, ["thinking", "chat_template_kwargs", "modalities", "max_completion_tokens"]),
  };
}

function reasoningOf(body: Body): boolean | undefined {
  if (body.thinking) return body.thinking.type === "enabled";
  const named = body.chat_template_kwargs?.thinking ?? body.chat_template_kwargs?.enable_thinking;
  if (named != null) return named;
  return body.reasoning_effort == null ? undefined : body.reasoning_effort !== "none";
}

function generations(engine: Engine, body: Body, request: ChatRequest, signal: AbortSignal) {
  const starts = Array.from({ length: body.n ?? 1 }, (_, i) => (inner: AbortSignal) => {
    const seed = request.seed === undefined ? undefined : request.seed + i;
    return engine.chat({ ...request, seed }, inner);
  });
  return merged<EngineEvent>(starts, signal);
}

async function wholeChat(
  c: Ctx,
  engine: Engine,
  body: Body,
  request: ChatRequest,
  signal: AbortSignal,
): Promise<z.output<typeof chatAnswer>> {
  const answers = Array.from({ length: body.n ?? 1 }, () => new Collected());
  for await (const { index, event } of generations(engine, body, request, signal)) answers[index].add(event);
  const usage = sumUsage(answers.flatMap((answer) => answer.usage ?? []));
  logUsage(c, usage);
  return {
    id: newId("chatcmpl-"),
    object: "chat.completion",
    created: now(),
    model: request.model,
    choices: answers.map(({ text, reasoning, calls, tokens, finish }, index) => ({
      index,
      message: {
        role: "assistant",
        content: text === "" && calls.length > 0 ? null : text,
        refusal: null,
        ...(reasoning && { reasoning_content: reasoning }),
        ...(calls.length > 0 && {
          tool_calls: calls.map(({ id, name, arguments: args }) => ({
            id,
            type: "function" as const,
            function: { name, arguments: args },
          })),
        }),
      },
      logprobs: body.logprobs ? { content: chatLogprobs(tokens), refusal: null } : null,
      finish_reason: finishOf(finish),
    })),
    usage,
  };
}

async function* chatChunks(
  c: Ctx,
  engine: Engine,
  body: Body,
  request: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<object> {
  const head = { id: newId("chatcmpl-"), object: "chat.completion.chunk", created: now(), model: request.model };
  const wantsUsage = body.stream_options?.include_usage === true;
  const usages: Usage[] = [];
  const chunk = (index: number, delta: object, logprobs: object | null = null, finish: string | null = null) => ({
    ...head,
    choices: [{ index, delta, logprobs, finish_reason: finish }],
    ...(wantsUsage && { usage: null }),
  });
  for await (const { index, event } of generations(engine, body, request, signal)) {
    switch (event.type) {
      case "start":
        yield chunk(index, { role: "assistant", content: "" });
        break;
      case "text": {
        const logprobs = body.logprobs ? { content: chatLogprobs(event.tokens ?? []), refusal: null } : null;
        if (event.text !== "" || logprobs?.content.length) yield chunk(index, { content: event.text }, logprobs);
        break;
      }
      case "reasoning":
        if (event.text !== "") yield chunk(index, { reasoning_content: event.text });
        break;
      case "tool_call":
        yield chunk(index, { tool_calls: [callDelta(event)] });
        break;
      case "end":
        usages.push(event.usage);
        yield chunk(index, {}, null, finishOf(event.finishReason));
    }
  }
  const usage = sumUsage(usages);
  logUsage(c, usage);
  if (wantsUsage) yield { ...head, choices: [], usage };
}

function callDelta(event: Extract<EngineEvent, { type: "tool_call" }>): object {
  const { index, id, name, arguments: args } = event;
  if (name === undefined) return { index, function: { arguments: args } };
  return { index, id: id ?? newId("call_"), type: "function", function: { name, arguments: args } };
}

export function logUsage(c: Ctx, usage: { prompt_tokens: number; completion_tokens: number }): void {
  const log = c.get("log");
  log.promptTokens = usage.prompt_tokens;
  log.completionTokens = usage.completion_tokens;
}
