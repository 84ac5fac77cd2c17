/** Replies belong to the server: they go on when nobody watches, any number may watch, and what has come is stored as it comes. */
import { type Engine, EngineError, type ModelInfo } from "../../infer/index.ts";
import type { Deps } from "../deps.ts";
import { ApiFailure } from "../http/errors.ts";
import { LOCAL_OWNER } from "../http/guard.ts";
import type { Store } from "../store/store.ts";
import type { ChatSettings, Conversation, Count, Draft, Message, NewMessage, ReplyEvent } from "../wire.ts";
import { fitted } from "./fit.ts";
import { History, titleOf } from "./history.ts";
import { type ReplyHouse, ReplyJob, type ReplyOrder } from "./reply-job.ts";

export class Replies {
  private readonly store: Store;
  private readonly deps: Pick<Deps, "model">;
  private readonly house: ReplyHouse;
  private readonly jobs = new Map<string, ReplyJob>();
  private closing = false;

  constructor(engine: Engine, store: Store, deps: Pick<Deps, "model">) {
    this.store = store;
    this.deps = deps;
    this.house = { engine, messages: store.messages, silent: new Set() };
  }

  /** Stores a user's message and starts a reply of each model that is asked. @throws ApiFailure, EngineError */
  async send(
    owner: string,
    conversationId: string,
    sent: NewMessage,
  ): Promise<{ message: Message; replies: Message[] }> {
    const wanted = sent.models?.length ? sent.models : [this.conversation(owner, conversationId).settings.model];
    const models = await Promise.all(wanted.map((id) => this.deps.model(id)));
    this.refuseIfClosing();
    // It may have been changed or deleted while the models were asked for.
    const { settings, title: named } = this.conversation(owner, conversationId);
    const { parentId, content, attachments = [] } = sent;
    if (parentId !== null) this.own(owner, parentId, conversationId);
    const title = (named === "" && titleOf(content, attachments)) || null;
    const { message, replies } = this.store.whole(() => {
      const message = this.store.messages.add({ conversationId, parentId, role: "user", content, attachments });
      if (title) this.store.conversations.update(owner, conversationId, { title });
      const replies = models.map((model, i) => this.add(message, model, models.length > 1 ? i + 1 : 0));
      this.store.conversations.touch(conversationId, replies[0].id);
      return { message, replies };
    });
    for (const [i, reply] of replies.entries())
      this.start(owner, { message: reply, model: models[i], settings, title, before: null });
    return { message, replies };
  }

  /** What would be sent with a message that is being written, and what it takes of the context. */
  async count(owner: string, { parentId, content, attachments = [], settings }: Draft): Promise<Count> {
    const model = await this.deps.model(settings.model);
    const parent = parentId === null ? null : (this.store.messages.get(owner, parentId) ?? unknown("message"));
    const branch = parent ? this.store.messages.branch(parent) : [];
    if (content.trim() !== "" || attachments.length > 0) branch.push(drafted(content, attachments));
    const history = new History(branch, settings, model.id);
    return await fitted(history, { engine: this.house.engine, model, settings, continueFinal: false });
  }

  /** Another reply to the same question. */
  async regenerate(owner: string, id: string, over: { model?: string; settings?: ChatSettings }): Promise<Message> {
    const { conversationId, parentId, model: before, slot = 0 } = this.reply(owner, id);
    const model = await this.deps.model(over.model ?? over.settings?.model ?? before);
    this.refuseIfClosing();
    const settings = { ...this.conversation(owner, conversationId).settings, ...over.settings };
    const question = this.own(owner, parentId ?? "", conversationId);
    const message = this.store.whole(() => {
      const added = this.add(question, model, slot);
      this.store.conversations.touch(conversationId, added.id);
      return added;
    });
    this.start(owner, { message, model, settings, title: null, before: null });
    return message;
  }

  /** Goes on where a reply ended before it was whole. */
  async continue(owner: string, id: string): Promise<Message> {
    const model = await this.deps.model(this.reply(owner, id).model);
    this.refuseIfClosing();
    const stored = this.reply(owner, id);
    if (this.jobs.has(id)) throw new ApiFailure(409, "this reply is still being written", { code: "running" });
    const { settings } = this.conversation(owner, stored.conversationId);
    const { usage, costUsd } = stored;
    const message: Message = { ...stored, status: "queued", error: null, finishReason: null };
    this.store.messages.save(message);
    const before = { usage, costUsd, tokens: this.store.messages.xray(id) };
    this.start(owner, { message, model, settings, title: null, before });
    return message;
  }

  /** Ends a reply; what has come of it stays. */
  async stop(owner: string, id: string): Promise<Message> {
    this.reply(owner, id);
    await this.jobs.get(id)?.stop();
    return this.reply(owner, id);
  }

  /** A conversation was deleted: nobody waits for its replies. */
  leave(conversationId: string): void {
    for (const job of this.jobs.values()) if (job.message.conversationId === conversationId) void job.stop();
  }

  /** The message as it stands, what comes, and last the message as it was stored. */
  async *watch(owner: string, id: string, signal: AbortSignal): AsyncGenerator<ReplyEvent> {
    const message = this.reply(owner, id);
    const job = this.jobs.get(id);
    if (job) return yield* job.watch(signal);
    yield { type: "snapshot", message };
    yield { type: "done", message };
  }

  /** Ends all replies as interrupted, and stores them. */
  async close(): Promise<void> {
    this.closing = true;
    await Promise.all([...this.jobs.values()].map((job) => job.stop("interrupted")));
    for (const job of this.jobs.values()) job.leave();
  }

  private refuseIfClosing(): void {
    if (this.closing) throw new EngineError("unavailable", "the server is stopping");
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

  /** An empty reply, not yet begun. slot: its place among those that were asked for together; 0: it is alone. */
  private add({ conversationId, id: parentId }: Message, { id: model }: ModelInfo, slot: number): Message {
    const empty = { conversationId, parentId, role: "assistant", model, status: "queued" } as const;
    return this.store.messages.add(slot > 0 ? { ...empty, slot } : empty);
  }

  private start(owner: string, order: Omit<ReplyOrder, "client" | "scope">): void {
    const { id, conversationId } = order.message;
    // On this computer conversations take turns, elsewhere people.
    const job = new ReplyJob(this.house, {
      ...order,
      client: owner === LOCAL_OWNER ? conversationId : owner,
      scope: owner,
    });
    this.jobs.set(id, job);
    void job.kept.then(() => this.jobs.delete(id));
  }
}

function drafted(content: string, attachments: Message["attachments"]): Message {
  return {
    id: "",
    conversationId: "",
    parentId: null,
    role: "user",
    content,
    reasoning: null,
    attachments,
    createdAt: 0,
    model: null,
    status: "done",
    error: null,
    finishReason: null,
    usage: null,
    costUsd: null,
  };
}

function unknown(what: string): never {
  throw new ApiFailure(404, `there is no such ${what}`, { code: `${what}_not_found` });
}
