/** One request on its way through the scheduler: its tokens, the cache rows that they have, and how it draws the next. */
import type { F32 } from "../../tensor/index.ts";
import type { ReplyParser } from "../../text/index.ts";
import { EngineError, type EngineEvent, type FinishReason, type TokenInfo, type Usage } from "../engine.ts";
import type { Block } from "../kv-cache/blocks.ts";
import type { Model } from "../model.ts";
import { Reply } from "../output/reply.ts";
import type { TokenMask } from "../sampling/logits-processors.ts";
import type { ResolvedParams } from "../sampling/params.ts";
import { RequestSampler } from "../sampling/request-sampler.ts";
import { tokenInfo } from "../sampling/token-info.ts";

/** Keeps a reply to a form: says before each token which ones may be drawn. */
export interface Constraint {
  /** Works on what it needs before the first token, until the clock (performance.now) shows a time; true once it is there. @throws EngineError */
  begin(until: number): boolean;
  /** Likewise on the mask of the next token, and on that of the one after it, where one is guessed. @throws EngineError */
  prepare(left: number, guess: number | null, until: number): boolean;
  /** What is wrong with the finished text, as far as it could not be held to; null: nothing. */
  verdict(): string | null;
  /** The tokens that may come now, or null for any. `left`: tokens that may still be generated, these included. */
  mask(left: number): TokenMask | null;
  took(id: number): void;
  /** The form is complete and nothing can follow. */
  readonly done: boolean;
}

export interface PreparedRequest {
  prompt: ArrayLike<number>;
  params: ResolvedParams;
  /** Report the prompt's tokens from this one on; null: none. */
  echoFrom: number | null;
  /** Whose request it is: clients take turns. */
  client: string;
  /** Whose prompts its cached beginning may serve. */
  scope: string;
  parser: ReplyParser | null;
  constraint: Constraint | null;
}

/** Where a request's events go. */
export interface Sink {
  event(event: EngineEvent): void;
  /** The request ends here, with an error. */
  fail(error: unknown): void;
}

export class Request {
  readonly prepared: PreparedRequest;
  readonly sink: Sink;
  /** The prompt and what was generated. */
  readonly tokens: number[];
  readonly promptLength: number;
  /** Tokens whose latents stand in the block's rows. */
  past = 0;
  block: Block | null = null;
  /** Of the prompt, how many tokens were in the prefix cache. */
  cached = 0;
  /** The token that is guessed to come after the last. */
  guess: number | null = null;
  drafted = 0;
  accepted = 0;
  /** Passes that others made while this one waited for rows. */
  passedOver = 0;
  started = false;
  private echoed: TokenInfo[] = [];
  private reasoningTokens = 0;
  private readonly sampler: RequestSampler;
  private readonly reply: Reply;
  private readonly model: Model;
  private readonly context: number;
  private readonly times: { queued: number; admitted: number | null; first: number | null };

  /** @param context most tokens of prompt and answer together */
  constructor(model: Model, context: number, prepared: PreparedRequest, sink: Sink) {
    this.model = model;
    this.context = context;
    this.prepared = prepared;
    this.sink = sink;
    this.tokens = Array.from(prepared.prompt);
    this.promptLength = this.tokens.length;
    this.sampler = new RequestSampler(prepared.params, this.tokens, model.sampler);
    this.reply = new Reply(model.tokenizer, prepared.params.stop, prepared.parser, (event) => sink.event(event));
    this.times = { queued: performance.now(), admitted: null, first: null };
  }

  /** Tokens that may still be generated. */
  get left(): number {
    const made = this.tokens.length - this.promptLength;
    return Math.min(this.prepared.params.maxTokens - made, this.context - this.tokens.length);
  }

  /** Whoever asks the same again must get the same. */
  get repeatable(): boolean {
    return this.prepared.params.repeatable;
  }

  get scope(): string {
    return this.prepared.scope;
  }

  /** Tokens that wait for a pass. */
  get waiting(): number {
    return this.tokens.length - this.past;
  }

  /** Whether the logits after each token of the prompt are asked for, and not only after the last. */
  get scoresPrompt(): boolean {
    return this.prepared.echoFrom !== null && !this.started && this.reports;
  }

  /** Takes the logits [V] after token `at` of the prompt, for what is reported of the one that follows it. */
  scored(at: number, logits: F32, experts: number[][] | undefined): void {
    if (at + 1 < this.promptLength) this.echoed[at + 1] = this.infoOf(this.tokens[at + 1], logits, experts);
  }

  private get reports(): boolean {
    return this.prepared.params.topLogprobs !== null || this.prepared.params.experts;
  }

  admitted(): void {
    this.times.admitted ??= performance.now();
  }

  /** Reports the start, once: the prompt is read. */
  start(): void {
    if (this.started) return;
    this.started = true;
    this.times.first = performance.now();
    this.sink.event({ type: "start", promptTokens: this.promptLength, cachedTokens: this.cached });
    const { echoFrom } = this.prepared;
    if (echoFrom !== null) {
      const tokens = this.tokens.slice(0, this.promptLength).map((id, i) => this.echoed[i] ?? this.infoOf(id, null));
      this.sink.event({ type: "prompt", tokens: tokens.slice(echoFrom) });
      this.echoed = [];
    }
  }

  /**
   * Draws a token from the logits [V] after the last one and appends it.
   * @param guess the token that was guessed for this place, if one was
   * @returns why the request ends here, or null
   */
  draw(logits: F32, experts: number[][] | undefined, guess: number | null): FinishReason | null {
    if (this.left <= 0) return "length";
    const { constraint } = this.prepared;
    const mask = constraint?.mask(this.left) ?? null;
    const id = this.sampler.sample(logits, mask);
    // Behind a form that is complete nothing can come.
    if (this.endsAt(id) || (mask && this.model.stopIds.has(id))) return this.complete();
    this.tokens.push(id);
    this.sampler.took(id);
    constraint?.took(id);
    if (this.reply.reasoning) this.reasoningTokens++;
    const info = this.reports ? this.infoOf(id, logits, experts) : null;
    this.reply.push(id, info && guess === id ? { ...info, drafted: true } : info);
    if (constraint?.done) return this.complete();
    if (this.reply.stopped) return "stop";
    return this.left <= 0 ? "length" : null;
  }

  /** Works on what the next pass needs to know of the constraint, until the clock shows a time; true once it is there. @throws EngineError */
  prepare(until: number): boolean {
    const { constraint } = this.prepared;
    return !constraint || this.left <= 0 || constraint.prepare(this.left, this.guess, until);
  }

  /** The end of a text that has its form. @throws EngineError where it lacks something that it could not be held to */
  private complete(): FinishReason {
    const problem = this.prepared.constraint?.verdict() ?? null;
    // It begins with the field's name.
    if (problem !== null)
      throw new EngineError("unfulfilled", problem, { param: problem.slice(0, problem.indexOf(":")) });
    return "stop";
  }

  /** Guesses the token after the last, by logits of the first ids that were foreseen; none where a guess would be of no use. */
  foresee(logits: F32): void {
    const id = this.sampler.draft(logits, this.prepared.constraint?.mask(this.left) ?? null);
    this.guess = id === null || this.left < 2 || this.endsAt(id) ? null : id;
  }

  private endsAt(id: number): boolean {
    const { ignoreEos, stopTokenIds } = this.prepared.params;
    return stopTokenIds.has(id) || (!ignoreEos && this.model.stopIds.has(id));
  }

  private infoOf(id: number, logits: F32 | null, experts?: number[][]): TokenInfo {
    const { topLogprobs } = this.prepared.params;
    const info = tokenInfo(this.model, id, topLogprobs === null ? null : logits, topLogprobs ?? 0);
    return experts ? { ...info, experts } : info;
  }

  /** Passes on what was held back, and says why the answer ended. */
  end(reason: FinishReason): void {
    this.start();
    this.reply.end();
    const called = reason === "stop" && this.reply.calls > 0;
    this.sink.event({ type: "end", finishReason: called ? "tool_calls" : reason, usage: this.usage() });
  }

  usage(): Usage {
    const { queued, admitted, first } = this.times;
    const now = performance.now();
    const read = admitted ?? now;
    const wrote = first ?? now;
    return {
      promptTokens: this.promptLength,
      cachedTokens: this.cached,
      completionTokens: this.tokens.length - this.promptLength,
      reasoningTokens: this.reasoningTokens,
      draftedTokens: this.drafted,
      acceptedTokens: this.accepted,
      queueSeconds: (read - queued) / 1000,
      prefillSeconds: (wrote - read) / 1000,
      decodeSeconds: (now - wrote) / 1000,
    };
  }
}
