/** Bodies of the site's own API (see wire.ts). */
import { z } from "@hono/zod-openapi";
import { bounded, LIMITS } from "../openai/sampling.ts";
import { cleanTokens, cleanToolCalls, cleanUsage } from "../store/clean.ts";

const MAX_ATTACHMENTS = 32;
const MAX_TITLE = 200;
const MAX_PRESETS = 100;
/** Characters of a message, an attachment or a system prompt. */
const MAX_TEXT = 4 << 20;
/** Models that one message may ask at once. */
const MAX_MODELS = 4;
/** Messages of one imported conversation. */
const MAX_MESSAGES = 100_000;

const text = z.string().max(MAX_TEXT);
const id = z.string().max(256);

export const settings = z
  .strictObject({
    model: z.string().max(512).optional(),
    system: text.optional(),
    temperature: bounded("temperature").optional(),
    topP: bounded("topP").optional(),
    topK: z
      .int()
      .min(0)
      .max(2 ** 24)
      .optional(),
    minP: bounded("minP").optional(),
    repetitionPenalty: bounded("repetitionPenalty").optional(),
    maxTokens: z
      .int()
      .min(1)
      .max(2 ** 24)
      .optional(),
    seed: z.int().min(0).optional(),
    stop: z.array(z.string().max(LIMITS.stopLength)).max(LIMITS.stops).optional(),
    draft: z.boolean().optional(),
  })
  .openapi("ChatSettings");

const title = z.string().max(MAX_TITLE);
const attachments = z.array(z.object({ name: z.string().max(256), text })).max(MAX_ATTACHMENTS);

export const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(10_000).default(50),
  before: z.coerce.number().optional(),
  q: z.string().max(1000).optional(),
});

export const newConversation = z.strictObject({ title: title.optional(), settings: settings.optional() });

export const conversationPatch = z.strictObject({
  title: title.optional(),
  settings: settings.optional(),
  leafId: id.optional(),
});

export const cardAnswer = z.object({ text: z.string() });

export const imported = z.object({ added: z.int(), updated: z.int(), skipped: z.int() });

export const fork = z.strictObject({ messageId: id });

export const newMessage = z
  .strictObject({
    parentId: id.nullable(),
    content: text,
    attachments: attachments.optional(),
    models: z.array(z.string().max(512)).max(MAX_MODELS).optional(),
  })
  .refine(({ content, attachments }) => content.trim() !== "" || attachments?.length, {
    path: ["content"],
    error: "write something, or attach a file",
  })
  .openapi("NewMessage");

export const draft = z.strictObject({
  parentId: id.nullable(),
  content: text,
  attachments: attachments.optional(),
  settings,
});

export const count = z
  .object({ tokens: z.int(), exact: z.boolean(), context: z.int().nullable(), leftOut: z.int(), fits: z.boolean() })
  .openapi("Count");

export const regenerate = z.strictObject({ model: z.string().max(512).optional(), settings: settings.optional() });

export const nothing = z.strictObject({});

export const presets = z.strictObject({
  presets: z.array(z.strictObject({ name: z.string().min(1).max(100), settings })).max(MAX_PRESETS),
});

/** What other servers said of a reply, which older versions kept as it came. */
const usage = z.unknown().transform(cleanUsage);
const xray = z.unknown().transform(cleanTokens);
const toolCalls = z.unknown().transform(cleanToolCalls);

const time = z.int().min(0);

const message = z.object({
  id,
  conversationId: id,
  parentId: id.nullable(),
  role: z.enum(["user", "assistant"]),
  content: z.string(),
  reasoning: z.string().nullable(),
  attachments,
  createdAt: time,
  model: z.string().max(512).nullable(),
  status: z.enum(["queued", "streaming", "done", "stopped", "interrupted", "failed"]),
  error: z.string().nullable(),
  finishReason: z.enum(["stop", "length", "tool_calls", "content_filter", "abort"]).nullable(),
  usage,
  costUsd: z.number().nullable(),
  leftOut: z.int().min(0).optional(),
  toolCalls: toolCalls.optional(),
  slot: z.int().min(0).max(MAX_MODELS).optional(),
  xray: xray.optional(),
});

const conversation = z.object({
  conversation: z.object({
    id,
    title,
    createdAt: time,
    updatedAt: time,
    settings,
    leafId: id.nullable(),
  }),
  messages: z
    .array(message)
    .max(MAX_MESSAGES)
    .superRefine((messages, context) => {
      const earlier = new Set<string>();
      for (const [i, { id, parentId }] of messages.entries()) {
        if (earlier.has(id)) context.addIssue({ code: "custom", path: [i, "id"], message: "is there twice" });
        if (parentId !== null && !earlier.has(parentId))
          context.addIssue({ code: "custom", path: [i, "parentId"], message: "names no earlier message" });
        earlier.add(id);
      }
    }),
});

export const exported = z
  .strictObject({
    format: z.literal("shoal-conversations"),
    version: z.literal(1),
    conversations: z.array(conversation).max(100_000),
  })
  .openapi("Export");
