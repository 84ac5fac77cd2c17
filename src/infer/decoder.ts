/** One model that answers requests: prompts become tokens, replies are held to their grammars, and one scheduler runs whatever is asked. */
import { type ChatRequest, type CompletionRequest, EngineError } from "./engine.ts";
import { Forms } from "./grammar/forms.ts";
import type { Model } from "./model.ts";
import { checkBefore, prepareChat, prepareCompletion } from "./scheduling/prepare.ts";
import type { Prompt } from "./scheduling/prompts.ts";
import { type PreparedRequest, Request, type Sink } from "./scheduling/request.ts";
import { Scheduler, type SchedulerLimits } from "./scheduling/scheduler.ts";

/** Tokens of prompts that a pass reads beside those being generated, where nobody says otherwise. */
export const PREFILL_TOKENS = 256;

export class Decoder {
  readonly model: Model;
  readonly scheduler: Scheduler;
  /** Tokens of prompt and answer together. */
  readonly context: number;
  private readonly forms: Forms;

  constructor(model: Model, limits: SchedulerLimits) {
    this.model = model;
    this.scheduler = new Scheduler(model, limits);
    this.context = Math.min(model.config.maxPositionEmbeddings, limits.rows);
    this.forms = new Forms(model.tokenizer, model.stopIds);
  }

  /** A decoder for one request at a time. Rows of its cache take memory when they are written, and not before. */
  static forOne(model: Model, rows = model.config.maxPositionEmbeddings): Decoder {
    return new Decoder(model, { running: 1, waiting: 1, rows, prefill: PREFILL_TOKENS });
  }

  /** Takes a conversation to be answered; its prompt may have been made already. @throws EngineError if it is refused */
  chat(request: Omit<ChatRequest, "model">, sink: Sink, made?: Prompt): Request {
    return this.submit(prepareChat(this.model, this.info, this.forms, request, made), sink, "messages");
  }

  /** Takes a text to be continued. @throws EngineError if it is refused */
  complete(request: Omit<CompletionRequest, "model">, sink: Sink, made?: Prompt): Request {
    return this.submit(prepareCompletion(this.model, this.info, this.forms, request, made), sink, "prompt");
  }

  /** What can be said of a request before there is a prompt. @throws EngineError if it is refused */
  check(request: ChatRequest | CompletionRequest): void {
    checkBefore(this.model, this.info, request);
  }

  private get info() {
    return { context: this.context, defaults: this.model.defaults };
  }

  private submit(prepared: PreparedRequest, sink: Sink, param: string): Request {
    const request = new Request(this.model, this.context, prepared, sink);
    if (request.left < 0 || (request.left === 0 && request.prepared.params.maxTokens > 0)) {
      const message = `the prompt has ${request.promptLength} tokens, which leaves no room in the context of ${this.context}: shorten it`;
      throw new EngineError("context_length", message, { param });
    }
    this.scheduler.submit(request);
    return request;
  }
}
