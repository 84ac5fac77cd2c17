/** Bodies of the site's own API (see wire.ts). */
import { z } from "@hono/zod-openapi";
import { LIMITS } from "../openai/sampling.ts";

const MOST_ATTACHMENTS = 32;
const LONGEST_TITLE = 200;
const MOST_PRESETS = 100;
/** Characters of a message, an attachment or a system prompt. */
const LONGEST_TEXT = 4 << 20;
/** Models that one message may ask at once. */
const MOST_MODELS = 4;
/** Messages of one imported conversation. */
const MOST_MESSAGES = 100_000;

const text = z.string().max(LONGEST_TEXT);
const id = z.string().max(256);

export const settings = z
  .strictObject({
    model: z.string().max(512).optional(),
    system: text.optional(),
    temperature: z.number().min(0).max(2).optional(),
    topP: z.number().min(0).max(1).optional(),
    topK: z
      .int()
      .min(0)
      .max(2 ** 24)
      .optional(),
    minP: z.number().min(0).max(1).optional(),
    repetitionPenalty: z.number().gt(0).max(10).optional(),
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

const title = z.string().max(LONGEST_TITLE);
const attachments = z.array(z.object({ name: z.string().max(256), text })).max(MOST_ATTACHMENTS);

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

export const fork = z.strictObject({ messageId: id });

export const newMessage = z
  .strictObject({
    parentId: id.nullable(),
    content: text,
    attachments: attachments.optional(),
    models: z.array(z.string().max(512)).max(MOST_MODELS).optional(),
  })
  .refine(({ content, attachments }) => content.trim() !== "" || attachments?.length, {
    path: ["content"],
    error: "write something, or attach a file",
  })
  .openapi("NewMessage");

export const regenerate = z.strictObject({ model: z.string().max(512).optional(), settings: settings.optional() });

export const nothing = z.strictObject({});

export const presets = z.strictObject({
  presets: z.array(z.strictObject({ name: z.string().min(1).max(100), settings })).max(MOST_PRESETS),
});

const count = z.number().min(0);
const usage = z.object({
  promptTokens: count,
  cachedTokens: count,
  completionTokens: count,
  reasoningTokens: count,
  draftedTokens: count,
  acceptedTokens: count,
  queueSeconds: count.nullable(),
  prefillSeconds: count.nullable(),
  decodeSeconds: count.nullable(),
});

const rival = z.object({
  id: z.int().nullable(),
  text: z.string(),
  bytes: z.array(z.int().min(0).max(255)),
  logprob: z.number(),
});

const xray = z.array(
  rival.extend({
    logprob: z.number().nullable(),
    top: z.array(rival).max(LIMITS.topLogprobs),
    drafted: z.boolean().optional(),
    experts: z.array(z.array(z.int())).optional(),
  }),
);

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
  usage: usage.nullable(),
  costUsd: z.number().nullable(),
  leftOut: z.int().min(0).optional(),
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
    .max(MOST_MESSAGES)
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
