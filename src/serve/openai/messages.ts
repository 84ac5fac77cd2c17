/** Messages of a chat completion as they come, and as an engine takes them. */
import { z } from "@hono/zod-openapi";
import type { EngineMessage } from "../../infer/index.ts";
import { ApiFailure } from "../http/errors.ts";
import { LIMITS } from "./sampling.ts";

/** Text alone: what else a part may be is named in the refusal. */
const parts = z.array(
  z.discriminatedUnion(
    "type",
    [
      z.object({ type: z.enum(["text", "input_text", "output_text"]), text: z.string() }),
      z.object({ type: z.literal("refusal"), refusal: z.string() }),
    ],
    { error: "a part of another type than text; the models here read text alone" },
  ),
);

export const content = z.union([z.string(), parts]);

export function textOf(value: z.output<typeof content> | null | undefined): string {
  if (typeof value === "string") return value;
  return (value ?? []).map((part) => (part.type === "refusal" ? part.refusal : part.text)).join("");
}

const toolCall = z.object({
  id: z.string().max(256),
  type: z.literal("function").optional(),
  function: z.object({ name: z.string().min(1).max(256), arguments: z.string() }),
});

const speaker = z.string().max(256).nullish().describe("For upstreams; the models here are not told");

const message = z.discriminatedUnion("role", [
  z.object({ role: z.enum(["system", "developer"]), content, name: speaker }),
  z.object({ role: z.literal("user"), content, name: speaker }),
  z.object({
    role: z.literal("assistant"),
    name: speaker,
    content: content.nullish(),
    reasoning_content: z.string().nullish(),
    tool_calls: z.array(toolCall).max(LIMITS.tools).nullish(),
    prefix: z.boolean().nullish().describe("Of the last message: go on from here instead of answering it"),
  }),
  z.object({ role: z.literal("tool"), content, tool_call_id: z.string().max(256) }),
]);

export const messagesField = z.array(message).min(1, "at least one message").max(LIMITS.messages);

export type Messages = z.output<typeof messagesField>;

/** The conversation for an engine, and whether its last message is to be continued. @throws ApiFailure for a prefix elsewhere */
export function engineMessages(messages: Messages): { messages: EngineMessage[]; continueFinal: boolean } {
  const last = messages.length - 1;
  messages.forEach((one, i) => {
    if (one.role === "assistant" && one.prefix && i !== last)
      throw new ApiFailure(400, `'messages[${i}].prefix': only the last message can be continued`, {
        param: `messages[${i}].prefix`,
      });
  });
  const final = messages[last];
  return { messages: messages.map(engineMessage), continueFinal: final.role === "assistant" && final.prefix === true };
}

function engineMessage(one: Messages[number]): EngineMessage {
  const text = textOf(one.content);
  if (one.role === "tool") return { role: "tool", content: text, toolCallId: one.tool_call_id };
  const said = { content: text, ...(one.name && { name: one.name }) };
  if (one.role !== "assistant") return { role: one.role === "user" ? "user" : "system", ...said };
  return {
    role: "assistant",
    ...said,
    ...(one.reasoning_content && { reasoning: one.reasoning_content }),
    ...(one.tool_calls?.length && {
      toolCalls: one.tool_calls.map(({ id, function: { name, arguments: args } }) => ({ id, name, arguments: args })),
    }),
  };
}
