/** What POST /v1/responses takes, and what it asks of an engine. */
import { z } from "@hono/zod-openapi";
import type { ChatRequest, EngineMessage, ResponseFormat } from "../../infer/index.ts";
import { content, textOf } from "./messages.ts";
import {
  checkChoice,
  EFFORTS,
  flatToolFields,
  harmlessFields,
  LIMITS,
  maxTokens,
  samplingFields,
  settingsOf,
  toolOf,
  upstreamFields,
} from "./sampling.ts";

const item = z.union([
  z.object({
    type: z.literal("message", "items here are a message, function_call, function_call_output or reasoning").optional(),
    role: z.enum(["system", "developer", "user", "assistant"]),
    content,
  }),
  z.object({
    type: z.literal("function_call"),
    call_id: z.string().max(256),
    name: z.string().min(1).max(256),
    arguments: z.string(),
  }),
  z.object({ type: z.literal("function_call_output"), call_id: z.string().max(256), output: content }),
  z.object({
    type: z.literal("reasoning"),
    content: z.array(z.object({ type: z.literal("reasoning_text"), text: z.string() })).nullish(),
  }),
]);

/** Kept nowhere: what would need an earlier response is refused. */
const stateless = (what: string) =>
  z.null(`responses are not kept here, so there is no ${what}; send the whole input`).optional();

const { stop: _stop, ignore_eos: _ignoreEos, logit_bias: _bias, ...sampling } = samplingFields;

export const responseBody = z
  .strictObject({
    model: z.string().max(512).nullish(),
    input: z.union([z.string(), z.array(item).min(1).max(LIMITS.messages)]),
    instructions: z.string().nullish(),
    ...sampling,
    max_output_tokens: maxTokens,
    stream: z.boolean().nullish(),
    stream_options: z.object({}).nullish(),
    text: z
      .object({
        format: z
          .discriminatedUnion("type", [
            z.strictObject({ type: z.literal("text") }),
            z.strictObject({ type: z.literal("json_object") }),
            z.strictObject({
              type: z.literal("json_schema"),
              name: z.string().max(256).nullish(),
              description: z.string().nullish(),
              schema: z.record(z.string(), z.unknown()),
              strict: z.boolean().nullish(),
            }),
          ])
          .nullish(),
      })
      .nullish(),
    ...flatToolFields,
    reasoning: z.object({ effort: z.enum(EFFORTS).nullish() }).nullish(),
    include: z.array(z.string()).nullish().describe("message.output_text.logprobs gives log probabilities"),
    top_logprobs: z.int().min(0).max(LIMITS.topLogprobs).nullish(),
    previous_response_id: stateless("previous response"),
    conversation: stateless("conversation"),
    background: z.literal(false, "answers are given at once or streamed, not in the background").nullish(),
    truncation: z.enum(["auto", "disabled"]).nullish(),
    max_tool_calls: z.unknown().optional(),
    ...harmlessFields,
  })
  .openapi("ResponseRequest");

export type ResponseBody = z.output<typeof responseBody>;

/** Whether log probabilities are asked for. */
export const wantsLogprobs = (body: ResponseBody): boolean =>
  (body.include?.includes("message.output_text.logprobs") ?? false) || (body.top_logprobs ?? 0) > 0;

/** @throws ApiFailure for a choice of tools that are not there */
export function responseRequest(body: ResponseBody, model: string): ChatRequest {
  const tools = body.tools?.map(toolOf);
  const choice = typeof body.tool_choice === "object" ? { name: body.tool_choice.name } : body.tool_choice;
  checkChoice(tools, choice);
  const format = body.text?.format ?? undefined;
  return {
    model,
    messages: messagesOf(body),
    ...settingsOf({ ...body, stop: undefined, ignore_eos: undefined, logit_bias: undefined }),
    maxTokens: body.max_output_tokens,
    topLogprobs: wantsLogprobs(body) ? (body.top_logprobs ?? 0) : undefined,
    responseFormat: format?.type === "json_schema" ? schemaFormat(format) : format,
    tools,
    toolChoice: choice,
    parallelToolCalls: body.parallel_tool_calls,
    reasoning: body.reasoning?.effort == null ? undefined : body.reasoning.effort !== "none",
    reasoningEffort: body.reasoning?.effort ?? undefined,
    whole: body.stream !== true,
    upstream: upstreamFields(body),
  };
}

type SchemaFormat = Extract<NonNullable<NonNullable<ResponseBody["text"]>["format"]>, { type: "json_schema" }>;

function schemaFormat({ schema, name, description, strict }: SchemaFormat): ResponseFormat {
  return {
    type: "json_schema",
    schema,
    name: name ?? undefined,
    description: description ?? undefined,
    strict: strict ?? undefined,
  };
}

/** Items as messages: what an assistant thought and the calls it made join the message that they belong to. */
function messagesOf({ instructions, input }: ResponseBody): EngineMessage[] {
  const messages: EngineMessage[] = instructions ? [{ role: "system", content: instructions }] : [];
  if (typeof input === "string") return [...messages, { role: "user", content: input }];
  let thought: string | undefined;
  for (const one of input) {
    const last = messages.at(-1);
    if ("role" in one) {
      const role = one.role === "developer" ? "system" : one.role;
      const reasoning = role === "assistant" && thought ? { reasoning: thought } : {};
      messages.push({ role, content: textOf(one.content), ...reasoning });
      thought = undefined;
    } else if (one.type === "reasoning") {
      thought = (one.content ?? []).map(({ text }) => text).join("\n") || undefined;
    } else if (one.type === "function_call") {
      const call = { id: one.call_id, name: one.name, arguments: one.arguments };
      if (last?.role === "assistant") last.toolCalls = [...(last.toolCalls ?? []), call];
      else messages.push({ role: "assistant", content: "", toolCalls: [call], ...(thought && { reasoning: thought }) });
      thought = undefined;
    } else messages.push({ role: "tool", content: textOf(one.output), toolCallId: one.call_id });
  }
  return messages;
}
