/** One reply while it is written: asked of the engine, stored as it comes, told to whoever watches. */
import {
  type Engine,
  EngineError,
  type EngineEvent,
  type ModelInfo,
  type TokenInfo,
  type Usage,
} from "../../infer/index.ts";
import { asFailure } from "../http/errors.ts";
import { failureOf } from "../store/failure.ts";
import type { MessageStore } from "../store/store.ts";
import type { ChatSettings, Count, Message, MessageToolCall, ReplyEvent } from "../wire.ts";
import { costOf, together } from "./bill.ts";
import { Feed } from "./feed.ts";
import { fitted } from "./fit.ts";
import { History, ownBranch } from "./history.ts";

/** How long text may be in memory alone. */
const FLUSH_MS = 200;
/** How long to wait before a reply that could not be stored is tried again: twice as long each time, up to the last. */
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;
/** Rivals of each token that are kept for the x-ray. */
const XRAY_RIVALS = 8;

export interface ReplyOrder {
  /** As it was stored: empty, or with what it is to go on from. */
  message: Message;
  model: ModelInfo;
  settings: ChatSettings;
  /** Who takes turns at the engine, and whose prompts its cached beginning may serve. */
  client: string;
  scope: string;
  /** Set where this reply's question gave its conversation a title. */
  title: string | null;
  /** The reply goes on: what it had used, and the token infos of what is there. */
  before: { usage: Usage | null; costUsd: number | null; tokens: TokenInfo[] } | null;
}

export interface ReplyHouse {
  engine: Engine;
  messages: MessageStore;
  /** Ids of models whose server refused to tell log probabilities. */
  silent: Set<string>;
}

export class ReplyJob {
  readonly message: Message;
  /** Resolves once nothing more comes. */
  readonly ended: Promise<void>;
  /** Resolves once it is stored as it ended, or nobody tries any longer. */
  readonly kept: Promise<void>;
  private readonly order: ReplyOrder;
  private readonly house: ReplyHouse;
  private readonly tokens: TokenInfo[];
  private readonly feeds = new Set<Feed>();
  private readonly controller = new AbortController();
  private endedAs: "stopped" | "interrupted" = "stopped";
  private flush: NodeJS.Timeout | null = null;
  private over = false;
  private readonly toolCalls = new Map<number, MessageToolCall>();
  private readonly stored = Promise.withResolvers<void>();
  private retry: NodeJS.Timeout | null = null;
  private complained = false;

  constructor(house: ReplyHouse, order: ReplyOrder) {
    this.house = house;
    this.order = order;
    this.message = { ...order.message };
    this.tokens = order.before?.tokens ?? [];
    this.kept = this.stored.promise;
    this.ended = this.run();
  }

  /** The server ends: a reply that could not be stored is tried once more. */
  leave(): void {
    if (this.retry === null) return;
    clearTimeout(this.retry);
    this.retry = null;
    this.keep();
    this.stored.resolve();
  }

  /** Ends it; what has come stays. */
  stop(as: "stopped" | "interrupted" = "stopped"): Promise<void> {
    this.endedAs = as;
    this.controller.abort();
    return this.ended;
  }

  /** The message as it stands, then what comes, and last the message as it was stored. */
  async *watch(signal: AbortSignal): AsyncGenerator<ReplyEvent> {
    if (this.over) {
      yield { type: "snapshot", message: this.message };
      yield { type: "done", message: this.message };
      return;
    }
    const feed = new Feed(signal);
    this.feeds.add(feed);
    try {
      yield { type: "snapshot", message: { ...this.message } };
      if (this.order.title) yield { type: "title", title: this.order.title };
      yield* feed;
    } finally {
      this.feeds.delete(feed);
    }
  }

  private async run(): Promise<void> {
    const { message, order, house } = this;
    // Whoever started it gets its answer before anything happens.
    await Promise.resolve();
    try {
      const branch = house.messages.branch(message);
      const own = message.slot ? ownBranch(branch, house.messages.all(message.conversationId), message) : branch;
      const history = new History(order.before ? own : own.slice(0, -1), order.settings, order.model.id);
      const { model, settings } = order;
      const count = await fitted(history, {
        engine: house.engine,
        model,
        settings,
        continueFinal: order.before !== null,
      });
      // An estimate refuses nobody: the model's own server knows.
      if (count.exact && !count.fits) throw tooLong(count);
      message.leftOut = count.leftOut;
      while (!(await this.attempt(history)));
    } catch (error) {
      const left = this.controller.signal.aborted;
      message.status = left ? "stopped" : "failed";
      message.error = left ? null : asFailure(error).message;
    }
    if (message.status === "stopped") message.status = this.endedAs;
    if (this.flush) clearTimeout(this.flush);
    this.over = true;
    this.keepTrying(FIRST_RETRY_MS);
    this.publish({ type: "done", message: { ...message } });
    for (const feed of this.feeds) feed.end();
  }

  /** Stores the reply as it ended. Until that has worked whoever watches is told why it has not. */
  private keepTrying(wait: number): void {
    if (this.keep()) {
      this.stored.resolve();
      return;
    }
    this.retry = setTimeout(() => {
      this.retry = null;
      this.keepTrying(Math.min(LAST_RETRY_MS, 2 * wait));
    }, wait);
    this.retry.unref();
  }

  private keep(): boolean {
    const { message, house } = this;
    const failure = this.write(() => {
      house.messages.save(message);
      house.messages.saveXray(message.id, this.tokens);
    });
    if (failure === null) delete message.unsaved;
    else message.unsaved = failure;
    return failure === null;
  }

  /** A full disk ends no process: why it could not be written, or null. It is logged once. */
  private write(work: () => void): string | null {
    try {
      work();
      this.complained = false;
      return null;
    } catch (error) {
      if (!this.complained) console.error(error);
      this.complained = true;
      return failureOf(error)?.message ?? "the database of conversations fails";
    }
  }

  /** Runs the generation once; false: it was refused, and is to be asked for in another way. */
  private async attempt(history: History): Promise<boolean> {
    const { message, controller, order, house } = this;
    const { model, client, scope } = order;
    const { model: _model, system: _system, ...sampling } = order.settings;
    const xray = !house.silent.has(model.id);
    let begun = false;
    try {
      const events = house.engine.chat(
        {
          ...sampling,
          client,
          scope,
          model: model.id,
          messages: history.messages(message.leftOut ?? 0),
          continueFinal: order.before !== null,
          topLogprobs: xray ? XRAY_RIVALS : undefined,
          experts: xray && model.experts !== null,
        },
        controller.signal,
      );
      for await (const event of events) {
        begun = true;
        this.take(event);
      }
      return true;
    } catch (error) {
      if (begun || !(error instanceof EngineError) || controller.signal.aborted) throw error;
      if (error.kind === "context_length") {
        const more = history.more(message.leftOut ?? 0);
        if (more === null) throw error;
        message.leftOut = more;
        return false;
      }
      // Some upstreams refuse to tell log probabilities: better an answer without them.
      if (!xray || error.kind !== "upstream" || error.status !== 400) throw error;
      house.silent.add(model.id);
      return false;
    }
  }

  private take(event: EngineEvent): void {
    const { message, order } = this;
    switch (event.type) {
      case "start":
        message.status = "streaming";
        this.publish({ type: "start", promptTokens: event.promptTokens, cachedTokens: event.cachedTokens });
        break;
      case "text":
        message.content += event.text;
        this.tokens.push(...(event.tokens ?? []));
        if (event.text) this.publish({ type: "text", text: event.text });
        break;
      case "reasoning":
        message.reasoning = (message.reasoning ?? "") + event.text;
        if (event.text) this.publish({ type: "reasoning", text: event.text });
        break;
      case "tool_call":
        this.takeToolCall(event);
        break;
      case "end": {
        const cost = costOf(order.model, event.usage);
        const { usage = null, costUsd = null } = order.before ?? {};
        message.finishReason = event.finishReason;
        message.status = event.finishReason === "abort" ? "stopped" : "done";
        message.usage = usage ? together(usage, event.usage) : event.usage;
        message.costUsd = cost === null && costUsd === null ? null : (cost ?? 0) + (costUsd ?? 0);
      }
    }
    this.flush ??= setTimeout(() => {
      this.flush = null;
      this.write(() => this.house.messages.save(message));
    }, FLUSH_MS);
  }

  private takeToolCall({ index, id, name, arguments: piece }: EngineEvent & { type: "tool_call" }): void {
    const { message, toolCalls } = this;
    let call = toolCalls.get(index);
    if (!call) {
      message.toolCalls ??= [];
      call = { id: id ?? "", name: name ?? "", arguments: "", result: null };
      message.toolCalls.push(call);
      toolCalls.set(index, call);
    }
    call.arguments += piece;
    const at = message.toolCalls!.indexOf(call);
    this.publish({ type: "tool_call", index: at, id: call.id, name: call.name, arguments: piece });
  }

  private publish(event: ReplyEvent): void {
    for (const feed of this.feeds) feed.push(event);
  }
}

function tooLong({ tokens, context }: Count): EngineError {
  const message = `this message alone takes ${tokens} tokens of a context of ${context}: shorten it, or choose another model`;
  return new EngineError("context_length", message, { param: "content" });
}
