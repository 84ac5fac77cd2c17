/** Replies belong to the server: they go on when nobody watches, any number may watch, and what has come is stored as it comes. */
import {
  type Engine,
  EngineError,
  type EngineEvent,
  type ModelInfo,
  type TokenInfo,
  type Usage,
} from "../infer/index.ts";
import type { Deps } from "./deps.ts";
import { ApiFailure, asFailure } from "./errors.ts";
import { Feed } from "./feed.ts";
import { LOCAL_OWNER } from "./guard.ts";
import { History, titleOf } from "./history.ts";
import type { Store } from "./store/store.ts";
import type { ChatSettings, Conversation, Message, NewMessage, ReplyEvent } from "./wire.ts";

/** How long text may be in memory alone. */
const FLUSH_MS = 200;
/** Rivals of each token that are kept for the x-ray. */
const XRAY_RIVALS = 8;

interface Job {
  message: Message;
  /** Who takes turns at the engine. */
  client: string;
  settings: ChatSettings;
  /** Set where this reply's question gave its conversation a title. */
  title: string | null;
  /** What was there before, where the reply is continued. */
  before: { usage: Usage | null; costUsd: number | null } | null;
  tokens: TokenInfo[];
  feeds: Set<Feed>;
  controller: AbortController;
  flush: NodeJS.Timeout | null;
  ended: Promise<void>;
}

export class Replies {
  private readonly engine: Engine;
  private readonly store: Store;
  private readonly deps: Pick<Deps, "model">;
  private readonly jobs = new Map<string, Job>();
  /** Models whose server refused to tell log probabilities. */
  private readonly silent = new Set<string>();
  private closing = false;

  constructor(engine: Engine, store: Store, deps: Pick<Deps, "model">) {
    this.engine = engine;
    this.store = store;
    this.deps = deps;
  }

  /** Stores a user's message and starts a reply of each model that is asked. @throws ApiFailure, EngineError */
  async send(
    owner: string,
    conversationId: string,
    sent: NewMessage,
  ): Promise<{ message: Message; replies: Message[] }> {
    const { settings } = this.conversation(owner, conversationId);
    const wanted: (string | undefined)[] = sent.models?.length ? sent.models : [settings.model];
    const models = await Promise.all(wanted.map((id) => this.deps.model(id)));
    // Read again: it may have been changed or deleted while the models were asked for.
    const conversation = this.conversation(owner, conversationId);
    if (sent.parentId !== null) this.own(owner, sent.parentId, conversationId);
    const { parentId, content, attachments = [] } = sent;
    const message = this.store.messages.add({ conversationId, parentId, role: "user", content, attachments });
    const title = conversation.title === "" ? titleOf(content, attachments) : "";
    if (title) this.store.conversations.update(owner, conversationId, { title });
    const replies = models.map((model) => this.begin(owner, message, model, conversation.settings, title || null));
    this.store.conversations.touch(conversationId, replies[0].id);
    return { message, replies };
  }

  /** Another reply to the same question. */
  async regenerate(owner: string, id: string, over: { model?: string; settings?: ChatSettings }): Promise<Message> {
    const { conversationId, parentId, model: before } = this.reply(owner, id);
    const { settings } = this.conversation(owner, conversationId);
    const info = await this.deps.model(over.model ?? over.settings?.model ?? before);
    const question = this.own(owner, parentId ?? "", conversationId);
    const message = this.begin(owner, question, info, { ...settings, ...over.settings }, null);
    this.store.conversations.touch(conversationId, message.id);
    return message;
  }

  /** Goes on where a reply ended before it was whole. */
  async continue(owner: string, id: string): Promise<Message> {
    const info = await this.deps.model(this.reply(owner, id).model);
    const message = this.reply(owner, id);
    if (this.jobs.has(id)) throw new ApiFailure(409, "this reply is still being written", { code: "running" });
    const { settings } = this.conversation(owner, message.conversationId);
    const { usage, costUsd } = message;
    const going: Message = { ...message, status: "queued", error: null, finishReason: null };
    this.store.messages.save(going);
    this.start(owner, going, info, settings, { before: { usage, costUsd }, tokens: this.store.messages.xray(id) });
    return going;
  }

  /** Ends a reply; what has come of it stays. */
  async stop(owner: string, id: string): Promise<Message> {
    this.reply(owner, id);
    const job = this.jobs.get(id);
    job?.controller.abort();
    await job?.ended;
    return this.reply(owner, id);
  }

  /** A conversation was deleted: nobody waits for its replies. */
  leave(conversationId?: string): void {
    for (const { message, controller } of this.jobs.values())
      if (conversationId === undefined || message.conversationId === conversationId) controller.abort();
  }

  /** The message as it stands, what comes, and last the message as it was stored. */
  async *watch(owner: string, id: string, signal: AbortSignal): AsyncGenerator<ReplyEvent> {
    const stored = this.reply(owner, id);
    const job = this.jobs.get(id);
    if (!job) {
      yield { type: "snapshot", message: stored };
      yield { type: "done", message: stored };
      return;
    }
    const feed = new Feed(signal);
    job.feeds.add(feed);
    try {
      yield { type: "snapshot", message: { ...job.message } };
      if (job.title) yield { type: "title", title: job.title };
      yield* feed;
    } finally {
      job.feeds.delete(feed);
    }
  }

  /** Ends all replies as interrupted, and stores them. */
  async close(): Promise<void> {
    this.closing = true;
    const ended = [...this.jobs.values()].map((job) => job.ended);
    this.leave();
    await Promise.all(ended);
  }

  private conversation(owner: string, id: string): Conversation {
    return this.store.conversations.get(owner, id) ?? unknown("conversation");
  }

  private own(owner: string, id: string, conversationId: string): Message {
    const message = this.store.messages.get(owner, id);
    return message?.conversationId === conversationId ? message : unknown("message");
  }

  private reply(owner: string, id: string): Message {
    const message = this.store.messages.get(owner, id) ?? unknown("message");
    if (message.role !== "assistant") throw new ApiFailure(400, "this message is no reply", { code: "not_a_reply" });
    return message;
  }

  private begin(
    owner: string,
    question: Message,
    model: ModelInfo,
    settings: ChatSettings,
    title: string | null,
  ): Message {
    const { conversationId, id: parentId } = question;
    const message = this.store.messages.add({
      conversationId,
      parentId,
      role: "assistant",
      model: model.id,
      status: "queued",
    });
    this.start(owner, { ...message }, model, settings, { title });
    return message;
  }

  private start(owner: string, message: Message, model: ModelInfo, settings: ChatSettings, rest: Partial<Job>): void {
    if (this.closing) throw new EngineError("unavailable", "the server is stopping");
    const job: Job = {
      message,
      client: owner === LOCAL_OWNER ? message.conversationId : owner,
      settings,
      title: null,
      before: null,
      tokens: [],
      feeds: new Set(),
      controller: new AbortController(),
      flush: null,
      ended: Promise.resolve(),
      ...rest,
    };
    this.jobs.set(message.id, job);
    job.ended = this.run(job, model);
  }

  private async run(job: Job, model: ModelInfo): Promise<void> {
    const { message } = job;
    // Whoever started it gets its answer before anything happens.
    await Promise.resolve();
    try {
      const branch = this.store.messages.branch(message);
      const history = new History(job.before ? branch : branch.slice(0, -1), job.settings, model.id);
      message.leftOut = history.estimate(model, job.settings.maxTokens);
      while (!(await this.attempt(job, model, history)));
    } catch (error) {
      const failure = asFailure(error);
      message.status = job.controller.signal.aborted ? "stopped" : "failed";
      message.error = job.controller.signal.aborted ? null : failure.message;
    }
    if (this.closing && message.status === "stopped") message.status = "interrupted";
    this.finish(job);
  }

  /** Runs the generation once; false: it was refused, and is to be asked for in another way. */
  private async attempt(job: Job, model: ModelInfo, history: History): Promise<boolean> {
    const { message, settings, controller } = job;
    const { model: _model, system: _system, ...sampling } = settings;
    const xray = !this.silent.has(model.id);
    let begun = false;
    try {
      const events = this.engine.chat(
        {
          ...sampling,
          client: job.client,
          model: model.id,
          messages: history.messages(message.leftOut ?? 0),
          continueFinal: job.before !== null,
          topLogprobs: xray ? XRAY_RIVALS : undefined,
          experts: xray && model.experts !== null,
        },
        controller.signal,
      );
      for await (const event of events) {
        begun = true;
        this.take(job, event, model);
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
      this.silent.add(model.id);
      return false;
    }
  }

  private take(job: Job, event: EngineEvent, model: ModelInfo): void {
    const { message } = job;
    switch (event.type) {
      case "start":
        message.status = "streaming";
        publish(job, { type: "start", promptTokens: event.promptTokens, cachedTokens: event.cachedTokens });
        break;
      case "text":
        message.content += event.text;
        job.tokens.push(...(event.tokens ?? []));
        if (event.text) publish(job, { type: "text", text: event.text });
        break;
      case "reasoning":
        message.reasoning = (message.reasoning ?? "") + event.text;
        if (event.text) publish(job, { type: "reasoning", text: event.text });
        break;
      case "end": {
        const cost = costOf(model, event.usage);
        const { usage = null, costUsd = null } = job.before ?? {};
        message.finishReason = event.finishReason;
        message.status = event.finishReason === "abort" ? "stopped" : "done";
        message.usage = usage ? together(usage, event.usage) : event.usage;
        message.costUsd = cost === null && costUsd === null ? null : (cost ?? 0) + (costUsd ?? 0);
      }
    }
    job.flush ??= setTimeout(() => {
      job.flush = null;
      this.stored(() => this.store.messages.save(message));
    }, FLUSH_MS);
  }

  private finish(job: Job): void {
    const { message } = job;
    if (job.flush) clearTimeout(job.flush);
    this.stored(() => {
      this.store.messages.save(message);
      this.store.messages.saveXray(message.id, job.tokens);
    });
    this.jobs.delete(message.id);
    publish(job, { type: "done", message });
    for (const feed of job.feeds) feed.end();
  }

  /** A full disk ends no process: what could not be written is told, and the reply goes on. */
  private stored(write: () => void): void {
    try {
      write();
    } catch (error) {
      console.error(error);
    }
  }
}

function unknown(what: string): never {
  throw new ApiFailure(404, `there is no such ${what}`, { code: `${what}_not_found` });
}

function publish(job: Job, event: ReplyEvent): void {
  for (const feed of job.feeds) feed.push(event);
}

/** A continued reply's numbers: its prompt as it was first read, and all that was written since. */
function together(before: Usage, after: Usage): Usage {
  const sum = (a: number | null, b: number | null) => (a === null || b === null ? null : a + b);
  return {
    promptTokens: before.promptTokens,
    cachedTokens: before.cachedTokens,
    completionTokens: before.completionTokens + after.completionTokens,
    reasoningTokens: before.reasoningTokens + after.reasoningTokens,
    draftedTokens: before.draftedTokens + after.draftedTokens,
    acceptedTokens: before.acceptedTokens + after.acceptedTokens,
    queueSeconds: sum(before.queueSeconds, after.queueSeconds),
    prefillSeconds: sum(before.prefillSeconds, after.prefillSeconds),
    decodeSeconds: sum(before.decodeSeconds, after.decodeSeconds),
  };
}

/** Dollars, or null where no price is known. A core's time is counted as if the reply had had it alone. */
export function costOf({ price }: ModelInfo, usage: Usage): number | null {
  if (price === null) return null;
  if ("promptUsd" in price)
    return (usage.promptTokens * price.promptUsd + usage.completionTokens * price.completionUsd) / 1e6;
  const seconds = (usage.prefillSeconds ?? 0) + (usage.decodeSeconds ?? 0);
  return (seconds / 3600) * price.cores * price.coreHourUsd;
}
