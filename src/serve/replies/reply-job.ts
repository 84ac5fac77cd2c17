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
import type { MessageStore } from "../store/store.ts";
import type { ChatSettings, Message, ReplyEvent } from "../wire.ts";
import { costOf, together } from "./bill.ts";
import { Feed } from "./feed.ts";
import { History } from "./history.ts";

/** How long text may be in memory alone. */
const FLUSH_MS = 200;
/** Rivals of each token that are kept for the x-ray. */
const XRAY_RIVALS = 8;

export interface ReplyOrder {
  /** As it was stored: empty, or with what it is to go on from. */
  message: Message;
  model: ModelInfo;
  settings: ChatSettings;
  /** Who takes turns at the engine. */
  client: string;
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
  readonly ended: Promise<void>;
  private readonly order: ReplyOrder;
  private readonly house: ReplyHouse;
  private readonly tokens: TokenInfo[];
  private readonly feeds = new Set<Feed>();
  private readonly controller = new AbortController();
  private endedAs: "stopped" | "interrupted" = "stopped";
  private flush: NodeJS.Timeout | null = null;
  private over = false;

  constructor(house: ReplyHouse, order: ReplyOrder) {
    this.house = house;
    this.order = order;
    this.message = { ...order.message };
    this.tokens = order.before?.tokens ?? [];
    this.ended = this.run();
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
      const history = new History(order.before ? branch : branch.slice(0, -1), order.settings, order.model.id);
      message.leftOut = history.estimate(order.model, order.settings.maxTokens);
      while (!(await this.attempt(history)));
    } catch (error) {
      const left = this.controller.signal.aborted;
      message.status = left ? "stopped" : "failed";
      message.error = left ? null : asFailure(error).message;
    }
    if (message.status === "stopped") message.status = this.endedAs;
    if (this.flush) clearTimeout(this.flush);
    stored(() => {
      house.messages.save(message);
      house.messages.saveXray(message.id, this.tokens);
    });
    this.over = true;
    this.publish({ type: "done", message });
    for (const feed of this.feeds) feed.end();
  }

  /** Runs the generation once; false: it was refused, and is to be asked for in another way. */
  private async attempt(history: History): Promise<boolean> {
    const { message, controller, order, house } = this;
    const { model, client } = order;
    const { model: _model, system: _system, ...sampling } = order.settings;
    const xray = !house.silent.has(model.id);
    let begun = false;
    try {
      const events = house.engine.chat(
        {
          ...sampling,
          client,
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
      stored(() => this.house.messages.save(message));
    }, FLUSH_MS);
  }

  private publish(event: ReplyEvent): void {
    for (const feed of this.feeds) feed.push(event);
  }
}

/** A full disk ends no process: what could not be written is told, and the reply goes on. */
function stored(write: () => void): void {
  try {
    write();
  } catch (error) {
    console.error(error);
  }
}
