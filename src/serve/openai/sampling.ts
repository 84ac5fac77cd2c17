/** Fields that choose tokens and stop, as they are named in OpenAI's API (and vLLM's, where OpenAI has none), and what they ask of an engine. */
import { z } from "@hono/zod-openapi";
import {
  type GenerationSettings,
  type ResponseFormat,
  SAMPLING_BOUNDS,
  SAMPLING_LIMITS,
  type Tool,
  type UpstreamFields,
} from "../../infer/index.ts";
import { ApiFailure } from "../http/errors.ts";

/** Limits of what one request may name. */
export const LIMITS = {
  choices: 16,
  stops: SAMPLING_LIMITS.stops,
  stopLength: SAMPLING_LIMITS.stopLength,
  biases: SAMPLING_LIMITS.logitBias,
  messages: 4096,
  tools: 128,
  topLogprobs: SAMPLING_BOUNDS.topLogprobs[1],
};

const optional = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? undefined);

export const maxTokens = optional(
  z
    .int()
    .min(1)
    .max(2 ** 24),
).describe("Most tokens to generate");

/** A number within the engine's own bounds. */
export const bounded = (field: keyof typeof SAMPLING_BOUNDS) =>
  z.number().min(SAMPLING_BOUNDS[field][0]).max(SAMPLING_BOUNDS[field][1]);

/** Shared by /v1/chat/completions, /v1/completions and /v1/responses. */
export const samplingFields = {
  temperature: optional(bounded("temperature")).describe("0: always the likeliest token"),
  top_p: optional(bounded("topP")),
  top_k: optional(
    z
      .int()
      .min(-1)
      .max(2 ** 24),
  ).describe("Keep the k likeliest tokens; 0 and -1: all"),
  min_p: optional(bounded("minP")),
  repetition_penalty: optional(bounded("repetitionPenalty")).describe(
    "As transformers: above 1, less of what was there",
  ),
  presence_penalty: optional(bounded("presencePenalty")),
  frequency_penalty: optional(bounded("frequencyPenalty")),
  logit_bias: optional(
    z
      .record(z.string().regex(/^\d{1,9}$/, "a token id"), z.number().min(-100).max(100))
      .refine((biases) => Object.keys(biases).length <= LIMITS.biases, `at most ${LIMITS.biases} token ids`),
  ).describe("Token id → added to its logit; -100 bans, 100 forces"),
  seed: optional(z.int()).describe("The same seed gives the same text"),
  stop: optional(
    z.union([
      z.string().max(LIMITS.stopLength),
      z.array(z.string().max(LIMITS.stopLength)).max(LIMITS.stops, `at most ${LIMITS.stops} stop texts`),
    ]),
  ),
  ignore_eos: optional(z.boolean()).describe("Go on past the end of sentence (for load tests)"),
};

/** Sent by clients as a matter of course: they change nothing here, and reach an upstream as they stand. */
export const harmlessFields = {
  user: z.unknown().optional(),
  metadata: z.unknown().optional(),
  store: z.unknown().optional(),
  service_tier: z.unknown().optional(),
  safety_identifier: z.unknown().optional(),
  prompt_cache_key: z.unknown().optional(),
  prompt_cache_retention: z.unknown().optional(),
  prediction: z.unknown().optional(),
  verbosity: z.unknown().optional(),
  include_reasoning: z.unknown().optional(),
};

/** Fields of a body that are an upstream's alone, as they were sent. */
export function upstreamFields(body: object, more: readonly string[] = []): UpstreamFields {
  const names = new Set([...Object.keys(harmlessFields), ...more]);
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => names.has(name) && value != null));
}

/** OpenAI's efforts, and DeepSeek's "max". */
export const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

type Sampling = { [Field in keyof typeof samplingFields]: z.output<(typeof samplingFields)[Field]> };

/** `choice`: the place among several answers to one request, which all draw otherwise. */
export function settingsOf(body: Sampling, choice = 0): GenerationSettings {
  const stop = (typeof body.stop === "string" ? [body.stop] : (body.stop ?? [])).filter((text) => text !== "");
  return {
    temperature: body.temperature,
    topP: body.top_p,
    topK: body.top_k === undefined ? undefined : Math.max(0, body.top_k),
    minP: body.min_p,
    repetitionPenalty: body.repetition_penalty,
    presencePenalty: body.presence_penalty,
    frequencyPenalty: body.frequency_penalty,
    logitBias:
      body.logit_bias && Object.fromEntries(Object.entries(body.logit_bias).map(([id, bias]) => [Number(id), bias])),
    seed: body.seed === undefined ? undefined : (Math.abs(body.seed) + choice) % Number.MAX_SAFE_INTEGER,
    stop: stop.length > 0 ? stop : undefined,
    ignoreEos: body.ignore_eos,
  };
}

const name = z.string().min(1).max(256);
const schemaObject = z.record(z.string(), z.unknown());

/** `response_format` of chat completions. */
export const responseFormat = optional(
  z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("text") }),
    z.strictObject({ type: z.literal("json_object"), schema: schemaObject.nullish() }),
    z.strictObject({
      type: z.literal("json_schema"),
      json_schema: z.strictObject({
        name: name.optional(),
        description: z.string().nullish(),
        schema: schemaObject,
        strict: z.boolean().nullish(),
      }),
    }),
  ]),
).describe(
  "json_schema is enforced token by token, and so is the schema that llama.cpp's clients give with json_object",
);

export function formatOf(format: z.output<typeof responseFormat>): ResponseFormat | undefined {
  if (format?.type === "json_object")
    return format.schema ? { type: "json_schema", schema: format.schema } : { type: "json_object" };
  if (format?.type !== "json_schema") return format;
  const { name, description, schema, strict } = format.json_schema;
  return { type: "json_schema", schema, name, description: description ?? undefined, strict: strict ?? undefined };
}

const functionType = z.literal(
  "function",
  'tools are of type "function"; those that a server runs itself are not known here',
);

const functionTool = z.object({
  name,
  description: z.string().nullish(),
  parameters: schemaObject.nullish(),
  strict: z.boolean().nullish(),
});

const parallel_tool_calls = optional(z.boolean()).describe("false: at most one call");

/** `tools` and `tool_choice` of chat completions. */
export const toolFields = {
  parallel_tool_calls,
  tools: optional(z.array(z.object({ type: functionType, function: functionTool })).max(LIMITS.tools)),
  tool_choice: optional(
    z.union([
      z.enum(["none", "auto", "required"]),
      z.object({ type: z.literal("function"), function: z.object({ name }) }),
    ]),
  ),
};

/** `tools` and `tool_choice` of responses, whose functions are not wrapped. */
export const flatToolFields = {
  parallel_tool_calls,
  tools: optional(z.array(z.object({ type: functionType, ...functionTool.shape })).max(LIMITS.tools)),
  tool_choice: optional(
    z.union([z.enum(["none", "auto", "required"]), z.object({ type: z.literal("function"), name })]),
  ),
};

export function toolOf({ name, description, parameters, strict }: z.output<typeof functionTool>): Tool {
  return {
    name,
    description: description ?? undefined,
    parameters: parameters ?? undefined,
    strict: strict ?? undefined,
  };
}

/** @throws ApiFailure if tools are demanded that are not there */
export function checkChoice(
  tools: readonly Tool[] | undefined,
  choice: "none" | "auto" | "required" | { name: string } | undefined,
): void {
  if (choice === undefined || choice === "none" || choice === "auto") return;
  const known = (tools ?? []).map((tool) => tool.name);
  if (known.length === 0) throw new ApiFailure(400, "'tool_choice': there are no tools", { param: "tool_choice" });
  if (choice !== "required" && !known.includes(choice.name))
    throw new ApiFailure(400, `'tool_choice': no tool is named ${choice.name.slice(0, 64)}`, { param: "tool_choice" });
}
