/** The part of Ollama's API that its clients need to chat: /api/tags, show, version, chat and generate. */
import { z } from "@hono/zod-openapi";
import type { EngineEvent, ModelInfo, Usage } from "../../infer/index.ts";
import type { Deps } from "../deps.ts";
import { type App, addRoute, asker, type Ctx } from "../http/http.ts";
import { clientSignal, jsonLines, streamed } from "../http/streaming.ts";
import { Collected, chatLogprobs, finishOf, sumUsage } from "../openai/answers.ts";
import { logUsage } from "../openai/chat.ts";
import { chatBody, chatRequest, generateBody, type OllamaGenerate, settingsOf } from "./bodies.ts";

const tag = "Ollama";

const NAMES = {
  responseFormat: "format",
  maxTokens: "options.num_predict",
  temperature: "options.temperature",
  topP: "options.top_p",
  topK: "options.top_k",
  minP: "options.min_p",
  repetitionPenalty: "options.repeat_penalty",
  presencePenalty: "options.presence_penalty",
  frequencyPenalty: "options.frequency_penalty",
  seed: "options.seed",
  stop: "options.stop",
};

export function addOllama(app: App, deps: Deps, version: string): void {
  const get = { method: "get", tag, ollama: true } as const;
  const post = { method: "post", tag, ollama: true, names: NAMES } as const;
  addRoute(
    app,
    { ...get, path: "/api/version", summary: "The version", answer: z.object({ version: z.string() }) },
    (c) => c.json({ version }),
  );
  addRoute(app, { ...get, path: "/api/tags", summary: "Models that can be asked" }, async (c) =>
    c.json({ models: (await deps.engine.models()).map(asTag) }),
  );
  addRoute(app, { ...get, path: "/api/ps", summary: "Models that are in memory" }, async (c) => {
    const local = (await deps.engine.models()).filter(({ owner }) => owner === "local");
    return c.json({ models: local.map((info) => ({ ...asTag(info), expires_at: FOR_GOOD, size_vram: 0 })) });
  });
  const showBody = z.object({ model: z.string().max(512).optional(), name: z.string().max(512).optional() });
  addRoute(app, { ...post, path: "/api/show", summary: "One model", body: showBody }, async (c, { body }) =>
    c.json(asShow(await named(deps, body.model ?? body.name))),
  );
  const stream = "application/x-ndjson";
  addRoute(
    app,
    { ...post, path: "/api/chat", summary: "Answer a conversation", body: chatBody, stream },
    async (c, { body }) => {
      const { id } = await named(deps, body.model);
      const request = { ...chatRequest(body, id), ...asker(c) };
      const form: Form = { model: body.model, logprobs: body.logprobs === true, text: asMessage };
      if (request.messages.length === 0) return c.json(loaded(form, body.keep_alive));
      return await answer(c, form, body.stream !== false, (signal) => deps.engine.chat(request, signal));
    },
  );
  addRoute(
    app,
    { ...post, path: "/api/generate", summary: "Answer a prompt", body: generateBody, stream },
    async (c, { body }) => {
      const { id } = await named(deps, body.model);
      const form: Form = { model: body.model, logprobs: body.logprobs === true, text: asResponse };
      if (!body.prompt) return c.json(loaded(form, body.keep_alive));
      return await answer(c, form, body.stream !== false, (signal) =>
        generation(deps, body, { model: id, ...asker(c) }, signal),
      );
    },
  );
}

/** Ollama's clients write minnow:latest for minnow. */
function named(deps: Deps, model: string | undefined): Promise<ModelInfo> {
  return deps.model(model).catch((error) => {
    if (model?.endsWith(":latest")) return deps.model(model.slice(0, -":latest".length));
    throw error;
  });
}

function generation(
  deps: Deps,
  body: OllamaGenerate,
  from: { model: string; client: string; scope: string },
  signal: AbortSignal,
): AsyncIterable<EngineEvent> {
  const settings = { ...settingsOf(body), ...from };
  const prompt = body.prompt!;
  if (body.raw) return deps.engine.complete({ prompt, ...settings }, signal);
  const system = body.system ? [{ role: "system" as const, content: body.system }] : [];
  return deps.engine.chat({ messages: [...system, { role: "user", content: prompt }], ...settings }, signal);
}

/** How a route puts a piece of an answer. */
interface Form {
  model: string;
  logprobs: boolean;
  text: (piece: { text: string; reasoning?: string; calls?: Collected["calls"] }) => object;
}

const asMessage: Form["text"] = ({ text, reasoning, calls }) => ({
  message: {
    role: "assistant",
    content: text,
    ...(reasoning && { thinking: reasoning }),
    ...(calls?.length && {
      tool_calls: calls.map(({ name, arguments: args }) => ({ function: { name, arguments: parsedObject(args) } })),
    }),
  },
});

const asResponse: Form["text"] = ({ text, reasoning }) => ({
  response: text,
  ...(reasoning && { thinking: reasoning }),
});

/** Arguments as an object; what a model wrote that is none, as it stands. */
function parsedObject(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { raw: text };
  }
}

const head = ({ model }: Form) => ({ model, created_at: new Date().toISOString() });

/** What Ollama answers to an empty request, which loads a model, or lets go of it where it is not to be kept. Models stay here either way. */
const loaded = (form: Form, keep: number | string | null | undefined) => ({
  ...head(form),
  ...form.text({ text: "" }),
  done: true,
  done_reason: keep != null && Number.parseFloat(String(keep)) === 0 ? "unload" : "load",
});

async function answer(
  c: Ctx,
  form: Form,
  stream: boolean,
  start: (signal: AbortSignal) => AsyncIterable<EngineEvent>,
): Promise<Response> {
  c.get("log").model = form.model;
  if (stream) return await streamed(c, jsonLines, (signal) => lines(c, form, start(signal)));
  const { signal } = clientSignal(c);
  const began = performance.now();
  const all = new Collected();
  for await (const event of start(signal)) all.add(event);
  const logprobs = form.logprobs ? { logprobs: chatLogprobs(all.tokens) } : {};
  return c.json({ ...head(form), ...form.text(all), ...logprobs, ...ending(c, all.finish, all.usage!, began) });
}

async function* lines(c: Ctx, form: Form, events: AsyncIterable<EngineEvent>): AsyncGenerator<object> {
  const began = performance.now();
  // Calls are sent whole, before the last line: Ollama has no form for a piece of one.
  const calls = new Collected();
  for await (const event of events) {
    if (event.type === "text" && (event.text !== "" || form.logprobs)) {
      const logprobs = form.logprobs ? { logprobs: chatLogprobs(event.tokens ?? []) } : {};
      yield { ...head(form), ...form.text({ text: event.text }), ...logprobs, done: false };
    } else if (event.type === "reasoning" && event.text !== "")
      yield { ...head(form), ...form.text({ text: "", reasoning: event.text }), done: false };
    else if (event.type === "tool_call") calls.add(event);
    else if (event.type === "end") {
      if (calls.calls.length > 0) yield { ...head(form), ...form.text({ text: "", calls: calls.calls }), done: false };
      yield { ...head(form), ...form.text({ text: "" }), ...ending(c, event.finishReason, event.usage, began) };
    }
  }
}

function ending(c: Ctx, reason: Parameters<typeof finishOf>[0], usage: Usage, began: number): object {
  logUsage(c, sumUsage([usage]));
  const ns = (seconds: number | null) => Math.round((seconds ?? 0) * 1e9);
  return {
    done: true,
    done_reason: finishOf(reason) === "length" ? "length" : "stop",
    total_duration: ns((performance.now() - began) / 1000),
    load_duration: ns(usage.queueSeconds),
    prompt_eval_count: usage.promptTokens,
    prompt_eval_duration: ns(usage.prefillSeconds),
    eval_count: usage.completionTokens,
    eval_duration: ns(usage.decodeSeconds),
  };
}

function details({ parameters, dtype, owner }: ModelInfo) {
  const size = parameters ? `${(parameters.total / 1e6).toFixed(1)}M` : "";
  const family = owner === "local" ? "deepseek_v3" : "";
  return { format: "safetensors", family, families: [family], parameter_size: size, quantization_level: dtype ?? "" };
}

function asTag(info: ModelInfo) {
  const modified = new Date(info.created * 1000).toISOString();
  return { name: info.id, model: info.id, modified_at: modified, size: 0, digest: "", details: details(info) };
}

/** When a model would leave memory. */
const FOR_GOOD = "9999-12-31T23:59:59Z";

function asShow(info: ModelInfo) {
  return {
    modelfile: "",
    parameters: "",
    template: "",
    details: details(info),
    model_info: {
      "general.architecture": info.owner === "local" ? "deepseek_v3" : "unknown",
      ...(info.parameters && { "general.parameter_count": info.parameters.total }),
      ...(info.context && { "deepseek_v3.context_length": info.context }),
    },
    capabilities: ["completion", ...(info.tools ? ["tools"] : []), ...(info.reasoning ? ["thinking"] : [])],
  };
}
