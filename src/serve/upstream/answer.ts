/** Chunks of an OpenAI-compatible answer as an engine's events. Nothing in them is trusted to be there, or to be of its type. */
import { EngineError, type EngineEvent, type FinishReason, type TokenInfo, type Usage } from "../../infer/index.ts";

type Json = { [field: string]: Json } & { [index: number]: Json } & unknown;

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const list = (value: unknown): Json[] => (Array.isArray(value) ? value : []);

const REASONS = ["stop", "length", "tool_calls", "content_filter"];

export class UpstreamAnswer {
  /** Something has come. */
  begun = false;
  private readonly kind: "chat" | "completion";
  private readonly name: string;
  private finish: FinishReason | null = null;
  private usage: Json | null = null;
  /** Pieces of text: mostly one for each token, for servers that do not count. */
  private pieces = 0;

  constructor(kind: "chat" | "completion", name: string) {
    this.kind = kind;
    this.name = name;
  }

  /** @throws EngineError for an error in the stream */
  *take(chunk: unknown): Generator<EngineEvent> {
    const body = (chunk ?? {}) as Json;
    if (body.error) {
      const said = text(body.error.message) || text(body.error) || "no reason given";
      throw new EngineError("upstream", `${this.name} failed: ${said.slice(0, 500)}`);
    }
    if (body.usage) this.usage = body.usage;
    yield* this.start();
    const choice = list(body.choices)[0];
    if (!choice) return;
    yield* this.kind === "chat" ? this.chatDelta(choice) : this.completionDelta(choice);
    const reason = text(choice.finish_reason);
    if (reason) this.finish = REASONS.includes(reason) ? (reason as FinishReason) : "stop";
  }

  /** The last event. @throws EngineError if the answer was cut off */
  *end(): Generator<EngineEvent> {
    if (this.finish === null) throw new EngineError("upstream", `${this.name} broke off in the middle of its answer`);
    yield { type: "end", finishReason: this.finish, usage: this.counted() };
  }

  *abort(): Generator<EngineEvent> {
    yield* this.start();
    yield { type: "end", finishReason: "abort", usage: this.counted() };
  }

  private *start(): Generator<EngineEvent> {
    if (this.begun) return;
    this.begun = true;
    const { promptTokens, cachedTokens } = this.counted();
    yield { type: "start", promptTokens, cachedTokens };
  }

  private *chatDelta(choice: Json): Generator<EngineEvent> {
    // A server that does not stream sends the message whole.
    const delta = choice.delta ?? choice.message ?? ({} as Json);
    const reasoning = text(delta.reasoning_content) || text(delta.reasoning);
    const content = text(delta.content);
    const tokens = list(choice.logprobs?.content).map(chatToken);
    const told = tokens.length > 0 ? { tokens } : {};
    if (reasoning) yield this.piece({ type: "reasoning", text: reasoning, ...(content ? {} : told) });
    if (content || (tokens.length > 0 && !reasoning)) yield this.piece({ type: "text", text: content, ...told });
    for (const [i, call] of list(delta.tool_calls).entries()) {
      const index = typeof call.index === "number" ? call.index : i;
      const id = text(call.id);
      const name = text(call.function?.name);
      const args = text(call.function?.arguments);
      yield this.piece({ type: "tool_call", index, ...(id && { id }), ...(name && { name }), arguments: args });
    }
  }

  private *completionDelta(choice: Json): Generator<EngineEvent> {
    const content = text(choice.text);
    const tokens = completionTokens(choice.logprobs);
    if (content || tokens.length > 0)
      yield this.piece({ type: "text", text: content, ...(tokens.length > 0 && { tokens }) });
  }

  private piece(event: EngineEvent): EngineEvent {
    this.pieces++;
    return event;
  }

  private counted(): Usage {
    const usage = this.usage ?? ({} as Json);
    const details = usage.completion_tokens_details ?? ({} as Json);
    const accepted = number(details.accepted_prediction_tokens);
    return {
      promptTokens: number(usage.prompt_tokens),
      cachedTokens: number(usage.prompt_tokens_details?.cached_tokens) || number(usage.prompt_cache_hit_tokens),
      completionTokens: this.usage ? number(usage.completion_tokens) : this.pieces,
      reasoningTokens: number(details.reasoning_tokens),
      draftedTokens: accepted + number(details.rejected_prediction_tokens),
      acceptedTokens: accepted,
      queueSeconds: null,
      prefillSeconds: null,
      decodeSeconds: null,
    };
  }
}

function chatToken(one: Json): TokenInfo {
  return {
    ...rival(one),
    logprob: typeof one.logprob === "number" ? one.logprob : null,
    top: list(one.top_logprobs).map(rival),
  };
}

function rival(one: Json): TokenInfo["top"][number] {
  const token = text(one.token);
  const bytes = list(one.bytes).map(number);
  return {
    id: null,
    text: token,
    bytes: bytes.length > 0 ? bytes : [...Buffer.from(token)],
    logprob: number(one.logprob),
  };
}

function completionTokens(logprobs: Json | undefined): TokenInfo[] {
  const values = list(logprobs?.token_logprobs) as unknown[];
  return list(logprobs?.tokens).map((token, i) => ({
    id: null,
    text: text(token),
    bytes: [...Buffer.from(text(token))],
    logprob: typeof values[i] === "number" ? values[i] : null,
    top: Object.entries((logprobs?.top_logprobs?.[i] ?? {}) as Record<string, unknown>)
      .map(([rival, value]) => ({ id: null, text: rival, bytes: [...Buffer.from(rival)], logprob: number(value) }))
      .sort((a, b) => b.logprob - a.logprob),
  }));
}
