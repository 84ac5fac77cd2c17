/** An engine without a model, for tests of what stands before one: it says back what it was asked, word by word. */
import {
  type ChatRequest,
  type CompletionRequest,
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineStats,
  type FinishReason,
  type GenerationSettings,
  type ModelInfo,
  type TokenInfo,
} from "../../infer/index.ts";

export interface FakeOptions {
  models?: Partial<ModelInfo>[];
  /** Milliseconds between words (default 0). */
  pace?: number;
  /** Words after which every answer fails. */
  failAfter?: number;
  /** Thrown instead of answering. */
  refuse?: () => EngineError | null;
  /** Longest prompt in words. */
  context?: number;
}

export function modelInfo(over: Partial<ModelInfo> = {}): ModelInfo {
  return {
    id: "fake",
    owner: "local",
    created: 1_700_000_000,
    context: 1024,
    parameters: { total: 16_000_000, active: 6_000_000 },
    dtype: "bf16",
    experts: { layers: 2, count: 16, perToken: 2 },
    reasoning: true,
    tools: true,
    defaults: { temperature: 0.7, topP: 0.95 },
    price: { promptUsd: 1, completionUsd: 2 },
    ...over,
  };
}

/** A word as a token: its id is its length. */
export function fakeToken(text: string, rivals = 0): TokenInfo {
  const bytes = [...new TextEncoder().encode(text)];
  const top = [
    { id: text.length, text, bytes, logprob: -0.25 },
    { id: 1, text: "?", bytes: [63], logprob: -2 },
  ].slice(0, rivals);
  return { id: text.length, text, bytes, logprob: -0.25, top };
}

export class FakeEngine implements Engine {
  readonly requests: (ChatRequest | CompletionRequest)[] = [];
  running = 0;
  closed = false;
  aborted = 0;
  private readonly options: FakeOptions;
  private readonly stopping = new AbortController();

  constructor(options: FakeOptions = {}) {
    this.options = options;
  }

  async models(): Promise<ModelInfo[]> {
    return (this.options.models ?? [{}]).map(modelInfo);
  }

  async *chat(request: ChatRequest, signal?: AbortSignal): AsyncGenerator<EngineEvent> {
    const last = request.messages.at(-1)!;
    const prompt = words(request.messages.map(({ content }) => content).join(" "));
    const calls = request.tools?.length && request.toolChoice !== "none" && /call/.test(last.content);
    const thought = request.reasoning && last.role !== "assistant" ? words("Let me think.") : [];
    let answer = words(request.continueFinal ? " and so on" : `You said: ${last.content}`);
    if (request.responseFormat?.type.startsWith("json")) answer = ['{"ok":', "true}"];
    if (calls) answer = [];
    const call: EngineEvent[] = calls
      ? [
          { type: "tool_call", index: 0, id: "call_1", name: request.tools![0].name, arguments: "" },
          { type: "tool_call", index: 0, arguments: '{"city":' },
          { type: "tool_call", index: 0, arguments: '"Paris"}' },
        ]
      : [];
    yield* this.run(request, signal, prompt, { thought, answer, call });
  }

  /** A token for each word, as long as the context is counted at all. */
  async countTokens({ messages }: ChatRequest): Promise<number | null> {
    if (this.options.context === undefined) return null;
    return words(messages.map(({ content }) => content).join(" ")).length;
  }

  async *complete(request: CompletionRequest, signal?: AbortSignal): AsyncGenerator<EngineEvent> {
    const prompt = typeof request.prompt === "string" ? words(request.prompt) : request.prompt.map((id) => ` t${id}`);
    yield* this.run(request, signal, prompt, { thought: [], answer: words(" and then it ended."), call: [] });
  }

  private async *run(
    request: ChatRequest | CompletionRequest,
    signal: AbortSignal | undefined,
    prompt: string[],
    { thought, answer, call }: { thought: string[]; answer: string[]; call: EngineEvent[] },
  ): AsyncGenerator<EngineEvent> {
    this.requests.push(request);
    const refusal = this.options.refuse?.();
    if (refusal) throw refusal;
    if (prompt.length > (this.options.context ?? Infinity))
      throw new EngineError("context_length", "the prompt is longer than the context", { param: "messages" });
    const stops = AbortSignal.any([this.stopping.signal, ...(signal ? [signal] : [])]);
    this.running++;
    let written = 0;
    let finish: FinishReason = call.length > 0 ? "tool_calls" : "stop";
    const tokens = (word: string) => tokensOf(word, request);
    try {
      await this.wait(stops);
      yield { type: "start", promptTokens: prompt.length, cachedTokens: 1 };
      if ("echo" in request && request.echo)
        yield { type: "prompt", tokens: prompt.map((word) => fakeToken(word, request.topLogprobs)) };
      const events = [
        ...thought.map((text): EngineEvent => ({ type: "reasoning", text, ...tokens(text) })),
        ...answer.map((text): EngineEvent => ({ type: "text", text, ...tokens(text) })),
        ...call,
      ];
      for (const event of events) {
        if (written === this.options.failAfter) throw new EngineError("internal", "the engine broke");
        if (written === request.maxTokens) {
          finish = "length";
          break;
        }
        await this.wait(stops);
        if (stops.aborted) {
          finish = "abort";
          break;
        }
        if (event.type === "text" && request.stop?.some((stop) => event.text.includes(stop))) break;
        yield event;
        written++;
      }
      yield {
        type: "end",
        finishReason: finish,
        usage: {
          promptTokens: prompt.length,
          cachedTokens: 1,
          completionTokens: written,
          reasoningTokens: Math.min(written, thought.length),
          draftedTokens: 3,
          acceptedTokens: 2,
          queueSeconds: 0,
          prefillSeconds: 0.01,
          decodeSeconds: 0.02,
        },
      };
    } finally {
      this.running--;
      if (stops.aborted) this.aborted++;
    }
  }

  /** A pause of the pace, or until the signal. */
  private async wait(signal: AbortSignal): Promise<void> {
    const { pace } = this.options;
    if (!pace || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, pace);
      signal.addEventListener("abort", done);
    });
  }

  async stats(): Promise<Record<string, EngineStats>> {
    const stats: EngineStats = {
      running: this.running,
      waiting: 0,
      cacheRows: 1024,
      usedRows: 256,
      keptRows: 10,
      requests: this.requests.length,
      promptTokens: 0,
      cachedTokens: 0,
      completionTokens: 0,
      draftedTokens: 0,
      acceptedTokens: 0,
      refused: 0,
      aborted: this.aborted,
    };
    return Object.fromEntries((await this.models()).map(({ id }) => [id, stats]));
  }

  async close(): Promise<void> {
    this.closed = true;
    this.stopping.abort();
  }
}

function tokensOf(word: string, { topLogprobs, experts }: GenerationSettings): { tokens?: TokenInfo[] } {
  if (topLogprobs === undefined && !experts) return {};
  const token = fakeToken(word, topLogprobs);
  return {
    tokens: [
      {
        ...token,
        ...(experts && {
          experts: [
            [0, 1],
            [2, 3],
          ],
        }),
      },
    ],
  };
}

/** Each with the space before it. */
const words = (text: string): string[] => text.match(/\s*\S+/g) ?? [];
