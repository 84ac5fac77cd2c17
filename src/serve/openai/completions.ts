/** POST /v1/completions */
import { z } from "@hono/zod-openapi";
import type { CompletionRequest, Engine, EngineEvent, TokenInfo, Usage } from "../../infer/index.ts";
import type { Deps } from "../deps.ts";
import { ApiFailure } from "../http/errors.ts";
import { type App, addRoute, asker, type Ctx } from "../http/http.ts";
import { clientSignal, openaiStream, streamed } from "../http/streaming.ts";
import { Collected, finishOf, newId, now, sumUsage, usageSchema } from "./answers.ts";
import { logUsage } from "./chat.ts";
import { merged } from "./merge.ts";
import {
  formatOf,
  harmlessFields,
  LIMITS,
  responseFormat,
  samplingFields,
  settingsOf,
  upstreamFields,
} from "./sampling.ts";

const MAX_PROMPTS = 64;
/** Token ids of one request, in all prompts. */
const MAX_IDS = 1 << 20;

type Prompt = string | number[];

const isId = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;

/** Where a prompt is wrong, and how. */
class WrongPrompt {
  readonly path: number[];
  readonly message: string;

  constructor(message: string, ...path: number[]) {
    this.message = message;
    this.path = path;
  }
}

function wrongIds(list: readonly unknown[], ...path: number[]): WrongPrompt | null {
  const at = list.findIndex((id) => !isId(id));
  if (list.length === 0) return new WrongPrompt("give at least one token id", ...path);
  return at < 0 ? null : new WrongPrompt("a token id is a whole number from 0", ...path, at);
}

/** The prompts of a request. One look at each entry: a list may be long, and a schema would tell of every one. */
function promptsOf(value: unknown): Prompt[] | WrongPrompt {
  if (typeof value === "string") return [value];
  if (!Array.isArray(value) || value.length === 0)
    return new WrongPrompt("give a text, token ids, or several of either");
  if (typeof value[0] === "number") return wrongIds(value) ?? [value as number[]];
  if (value.length > MAX_PROMPTS) return new WrongPrompt(`at most ${MAX_PROMPTS} prompts`);
  const texts = typeof value[0] === "string";
  for (const [i, one] of value.entries()) {
    if (texts ? typeof one !== "string" : !Array.isArray(one))
      return new WrongPrompt(texts ? "is no text, as the first is" : "is no list of token ids", i);
    const wrong = texts ? null : wrongIds(one, i);
    if (wrong) return wrong;
  }
  return value as Prompt[];
}

const promptField = z
  .unknown()
  .transform((value, context) => {
    const prompts = promptsOf(value);
    if (!(prompts instanceof WrongPrompt)) return prompts;
    context.addIssue({ code: "custom", ...prompts });
    return z.NEVER;
  })
  .openapi({
    anyOf: [
      { type: "string" },
      { type: "array", items: { type: "integer", minimum: 0 } },
      { type: "array", items: { type: "string" }, maxItems: MAX_PROMPTS },
      { type: "array", items: { type: "array", items: { type: "integer", minimum: 0 } }, maxItems: MAX_PROMPTS },
    ],
    description: "A text, token ids, or several of either",
  });

export const completionBody = z
  .strictObject({
    model: z.string().max(512).nullish().describe("An id of /v1/models (default: the server's first)"),
    prompt: promptField,
    ...samplingFields,
    max_tokens: z
      .int()
      .min(0)
      .max(2 ** 24)
      .nullish()
      .describe("Default 16; 0 together with echo only scores the prompt"),
    n: z.int().min(1).max(LIMITS.choices).nullish(),
    best_of: z.int().min(1).nullish(),
    stream: z.boolean().nullish(),
    stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
    logprobs: z.int().min(0).max(LIMITS.topLogprobs).nullish(),
    echo: z.boolean().nullish().describe("Give the prompt back before what follows it"),
    suffix: z.literal("", "text before a given end is not written here").nullish(),
    response_format: responseFormat,
    ...harmlessFields,
  })
  .openapi("CompletionRequest");

type Body = z.output<typeof completionBody>;

const logprobsSchema = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
  text_offset: z.array(z.int()),
});

const completionAnswer = z
  .object({
    id: z.string(),
    object: z.literal("text_completion"),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.object({
        index: z.int(),
        text: z.string(),
        logprobs: logprobsSchema.nullable(),
        finish_reason: z.enum(["stop", "length", "tool_calls", "content_filter"]),
      }),
    ),
    usage: usageSchema,
  })
  .openapi("Completion");

export function addCompletions(app: App, deps: Deps): void {
  addRoute(
    app,
    {
      method: "post",
      path: "/v1/completions",
      summary: "Continue a text",
      tag: "OpenAI",
      body: completionBody,
      maxValues: MAX_IDS,
      names: { topLogprobs: "logprobs" },
      answer: completionAnswer,
      stream: "text/event-stream",
    },
    async (c, { body }) => {
      const model = await deps.modelId(body.model);
      c.get("log").model = model;
      const requests = completionRequests(body, model).map((request) => ({ ...request, ...asker(c) }));
      if (body.stream)
        return await streamed(c, openaiStream, (signal) => chunks(c, deps.engine, body, requests, signal));
      const { signal } = clientSignal(c);
      return c.json(await whole(c, deps.engine, body, requests, signal));
    },
  );
}

/** One for each prompt and choice, prompt by prompt. @throws ApiFailure for fields that contradict each other */
function completionRequests(body: Body, model: string): CompletionRequest[] {
  const n = body.n ?? 1;
  if (body.best_of != null && body.best_of !== n)
    throw new ApiFailure(400, "'best_of': only as many as 'n'", { param: "best_of" });
  if (body.max_tokens === 0 && !body.echo)
    throw new ApiFailure(400, "'max_tokens': 0 only together with 'echo'", { param: "max_tokens" });
  const requests = body.prompt.flatMap((prompt) =>
    Array.from({ length: n }, (_, choice) => ({
      model,
      prompt,
      ...settingsOf(body, choice),
      maxTokens: body.max_tokens ?? 16,
      topLogprobs: body.logprobs ?? undefined,
      echo: body.echo ?? undefined,
      responseFormat: formatOf(body.response_format),
      whole: body.stream !== true,
      upstream: upstreamFields(body),
    })),
  );
  if (requests.length > MAX_PROMPTS)
    throw new ApiFailure(400, `'n': prompts and answers together are at most ${MAX_PROMPTS}`, { param: "n" });
  return requests;
}

const generations = (engine: Engine, requests: readonly CompletionRequest[], signal: AbortSignal) =>
  merged<EngineEvent>(
    requests.map((request) => (inner: AbortSignal) => engine.complete(request, inner)),
    signal,
  );

async function whole(
  c: Ctx,
  engine: Engine,
  body: Body,
  requests: readonly CompletionRequest[],
  signal: AbortSignal,
): Promise<z.output<typeof completionAnswer>> {
  const answers = requests.map(() => new Collected());
  for await (const { index, event } of generations(engine, requests, signal)) answers[index].add(event);
  const usage = sumUsage(
    answers.flatMap((answer) => answer.usage ?? []),
    requests.length / (body.n ?? 1),
  );
  logUsage(c, usage);
  return {
    id: newId("cmpl-"),
    object: "text_completion",
    created: now(),
    model: requests[0].model,
    choices: answers.map(({ text, prompt, tokens, finish }, index) => ({
      index,
      text: promptText(requests[index], prompt) + text,
      logprobs: body.logprobs == null ? null : new Offsets(body.logprobs).of(prompt, tokens),
      finish_reason: finishOf(finish),
    })),
    usage,
  };
}

async function* chunks(
  c: Ctx,
  engine: Engine,
  body: Body,
  requests: readonly CompletionRequest[],
  signal: AbortSignal,
): AsyncGenerator<object> {
  const head = { id: newId("cmpl-"), object: "text_completion", created: now(), model: requests[0].model };
  const wantsUsage = body.stream_options?.include_usage === true;
  const usages: Usage[] = [];
  const offsets = requests.map(() => new Offsets(body.logprobs ?? 0));
  const chunk = (
    index: number,
    text: string,
    { echoed = [], tokens = [] }: { echoed?: readonly TokenInfo[]; tokens?: readonly TokenInfo[] },
    finish: string | null = null,
  ) => ({
    ...head,
    choices: [
      {
        index,
        text,
        logprobs: body.logprobs == null ? null : offsets[index].of(echoed, tokens),
        finish_reason: finish,
      },
    ],
    ...(wantsUsage && { usage: null }),
  });
  for await (const { index, event } of generations(engine, requests, signal)) {
    if (event.type === "prompt")
      yield chunk(index, promptText(requests[index], event.tokens), { echoed: event.tokens });
    else if (event.type === "text") yield chunk(index, event.text, event);
    else if (event.type === "end") {
      usages[index] = event.usage;
      yield chunk(index, "", {}, finishOf(event.finishReason));
    }
  }
  const usage = sumUsage(usages, requests.length / (body.n ?? 1));
  logUsage(c, usage);
  if (wantsUsage) yield { ...head, choices: [], usage };
}

/** The echoed prompt: what was sent, or the text of the tokens that were. */
function promptText({ prompt, echo }: CompletionRequest, tokens: readonly TokenInfo[]): string {
  if (!echo) return "";
  if (typeof prompt === "string") return prompt;
  return new TextDecoder().decode(Uint8Array.from(tokens.flatMap(({ bytes }) => bytes)));
}

/**
 * Log probabilities as completions have them, with the place of each token in the text so far: in code points, as OpenAI counts. A token that goes on with
 * a character stands where that character does; a special token, which is no text, stands where the next one does.
 */
export class Offsets {
  private at = 0;
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  private readonly rivals: number;

  constructor(rivals: number) {
    this.rivals = rivals;
  }

  /** @param echoed of the prompt, whose special tokens are echoed too */
  of(echoed: readonly TokenInfo[], made: readonly TokenInfo[]): z.output<typeof logprobsSchema> {
    const tokens = [...echoed, ...made];
    return {
      tokens: tokens.map(({ text }) => text),
      token_logprobs: tokens.map(({ logprob }) => logprob),
      top_logprobs: tokens.map((token) => {
        if (token.logprob === null || this.rivals === 0) return null;
        return Object.fromEntries([...token.top, token].map(({ text, logprob }) => [text, logprob!]));
      }),
      text_offset: tokens.map(({ bytes, special }, i) => {
        const offset = this.at;
        if (!special || i < echoed.length)
          for (const _ of this.decoder.decode(Uint8Array.from(bytes), { stream: true })) this.at++;
        return offset;
      }),
    };
  }
}
