/** POST /v1/responses, stateless: nothing is kept, so every request brings its whole input. */
import { z } from "@hono/zod-openapi";
import type { ChatRequest, Engine, EngineEvent, Usage } from "../../infer/index.ts";
import type { Deps } from "../deps.ts";
import { asFailure } from "../http/errors.ts";
import { type App, addRoute, asker, type Ctx } from "../http/http.ts";
import { clientSignal, namedStream, streamed } from "../http/streaming.ts";
import { finishOf, newId, now, sumUsage } from "./answers.ts";
import { logUsage } from "./chat.ts";
import { type ResponseBody, responseBody, responseRequest, wantsLogprobs } from "./responses-body.ts";
import { type Item, Output } from "./responses-output.ts";
import { withinContext } from "./truncation.ts";

const responseAnswer = z
  .looseObject({
    id: z.string(),
    object: z.literal("response"),
    created_at: z.int(),
    status: z.enum(["in_progress", "completed", "incomplete", "failed"]),
    model: z.string(),
    output: z.array(z.looseObject({ id: z.string(), type: z.enum(["reasoning", "message", "function_call"]) })),
    usage: z.looseObject({ input_tokens: z.int(), output_tokens: z.int(), total_tokens: z.int() }).nullable(),
  })
  .openapi("Response");

export function addResponses(app: App, deps: Deps): void {
  addRoute(
    app,
    {
      method: "post",
      path: "/v1/responses",
      summary: "Answer, in the form of OpenAI's Responses API; nothing is kept",
      tag: "OpenAI",
      body: responseBody,
      names: { messages: "input", maxTokens: "max_output_tokens", responseFormat: "text.format" },
      answer: responseAnswer,
      stream: "text/event-stream",
    },
    async (c, { body }) => {
      const request = { ...responseRequest(body, await deps.modelId(body.model)), ...asker(c) };
      c.get("log").model = request.model;
      if (body.stream) return await streamed(c, namedStream, (signal) => events(c, deps.engine, body, request, signal));
      const { signal } = clientSignal(c);
      const output = new Output(wantsLogprobs(body));
      let end: Extract<EngineEvent, { type: "end" }> | null = null;
      for await (const event of answering(deps.engine, body, request, signal)) {
        if (event.type === "end") end = event;
        output.add(event);
      }
      const { usage, finishReason } = end!;
      const status = finishOf(finishReason) === "length" ? "incomplete" : "completed";
      output.finish(status);
      logUsage(c, sumUsage([usage]));
      return c.json(envelope({ id: newId("resp_"), body, request }, { status, output: output.items, usage }));
    },
  );
}

const answering = (engine: Engine, { truncation }: ResponseBody, request: ChatRequest, signal: AbortSignal) =>
  truncation === "auto" ? withinContext(engine, request, signal) : engine.chat(request, signal);

type Status = "in_progress" | "completed" | "incomplete" | "failed";

/** What was asked, under the name of its answer. */
interface Asked {
  id: string;
  body: ResponseBody;
  request: ChatRequest;
}

/** How far the answer is. */
interface Progress {
  status: Status;
  output: readonly Item[];
  usage?: Usage;
  error?: { code: string; message: string };
}

function envelope({ id, body, request }: Asked, progress: Progress): { [field: string]: unknown } {
  const { status, output, usage = null, error = null } = progress;
  return {
    id,
    object: "response",
    created_at: now(),
    status,
    error,
    incomplete_details: status === "incomplete" ? { reason: "max_output_tokens" } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model: request.model,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    store: false,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_p: body.top_p ?? null,
    truncation: body.truncation ?? "disabled",
    metadata: body.metadata ?? {},
    user: body.user ?? null,
    top_logprobs: body.top_logprobs ?? 0,
    usage: usage && responseUsage(usage),
  };
}

const responseUsage = (usage: Usage) => ({
  input_tokens: usage.promptTokens,
  input_tokens_details: { cached_tokens: usage.cachedTokens },
  output_tokens: usage.completionTokens,
  output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  total_tokens: usage.promptTokens + usage.completionTokens,
});

async function* events(
  c: Ctx,
  engine: Engine,
  body: ResponseBody,
  request: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<{ type: string }> {
  const asked = { id: newId("resp_"), body, request };
  const output = new Output(wantsLogprobs(body));
  let sequence = 0;
  const numbered = <T extends { type: string }>(event: T) => ({ ...event, sequence_number: sequence++ });
  const response = (type: string, progress: Omit<Progress, "output">) =>
    numbered({ type, response: envelope(asked, { ...progress, output: output.items }) });
  try {
    for await (const event of answering(engine, body, request, signal)) {
      if (event.type === "start") {
        yield response("response.created", { status: "in_progress" });
        yield response("response.in_progress", { status: "in_progress" });
      }
      for (const one of output.add(event)) yield numbered(one);
      if (event.type !== "end") continue;
      const status = finishOf(event.finishReason) === "length" ? "incomplete" : "completed";
      for (const one of output.finish(status)) yield numbered(one);
      logUsage(c, sumUsage([event.usage]));
      yield response(`response.${status}`, { status, usage: event.usage });
    }
  } catch (thrown) {
    // Before anything was sent the refusal has a status of its own.
    if (sequence === 0 || signal.aborted) throw thrown;
    const failure = asFailure(thrown);
    const error = { code: failure.code ?? "server_error", message: failure.message };
    yield response("response.failed", { status: "failed", error });
  }
}
