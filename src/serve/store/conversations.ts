import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type {
  ChatSettings,
  Conversation,
  ConversationSummary,
  ConversationTree,
  Export,
  Imported,
  Message,
} from "../wire.ts";
import { endedStatus, Importer, insertConversation } from "./importer.ts";
import type { SqliteMessages } from "./messages.ts";
import type { Searcher } from "./searcher.ts";
import { type ConversationStore, UNDO_MS } from "./store.ts";
import { remove, whole } from "./whole.ts";

type Row = Record<string, string | number | null>;

export class SqliteConversations implements ConversationStore {
  private readonly db: DatabaseSync;
  private readonly messages: SqliteMessages;
  private readonly searcher: Searcher;
  private readonly select;
  private lastTime = 0;

  constructor(db: DatabaseSync, messages: SqliteMessages, searcher: Searcher) {
    this.db = db;
    this.messages = messages;
    this.searcher = searcher;
    this.select = db.prepare("SELECT * FROM conversations WHERE id = ? AND owner = ? AND deleted_at IS NULL");
    this.lastTime = this.latest();
  }

  private latest(): number {
    return (this.db.prepare("SELECT max(updated_at) AS last FROM conversations").get()!.last as number | null) ?? 0;
  }

  list(owner: string, { limit, before = Number.MAX_SAFE_INTEGER }: { limit: number; before?: number }) {
    const conversations = this.db
      .prepare(
        `SELECT id, title, updated_at AS updatedAt FROM conversations
         WHERE owner = ? AND deleted_at IS NULL AND updated_at < ? ORDER BY updated_at DESC LIMIT ?`,
      )
      .all(owner, before, limit + 1)
      .map((row) => ({ ...row }) as unknown as ConversationSummary);
    return pageOf(conversations, limit);
  }

  async search(
    owner: string,
    { query, limit, before = Number.MAX_SAFE_INTEGER }: { query: string; limit: number; before?: number },
  ) {
    return pageOf(await this.searcher.find({ owner, query, limit: limit + 1, before }), limit);
  }

  create(owner: string, { title = "", settings = {} }: { title?: string; settings?: ChatSettings }): Conversation {
    const time = this.now();
    const conversation = { id: randomUUID(), title, createdAt: time, updatedAt: time, settings, leafId: null };
    insertConversation(this.db, owner, conversation);
    return conversation;
  }

  get(owner: string, id: string): Conversation | null {
    const row = this.select.get(id, owner);
    return row ? conversationOf(row as Row) : null;
  }

  tree(owner: string, id: string): ConversationTree | null {
    const conversation = this.get(owner, id);
    return conversation && { conversation, messages: this.messages.all(id) };
  }

  update(
    owner: string,
    id: string,
    values: { title?: string; settings?: ChatSettings; leafId?: string },
  ): Conversation | null {
    const before = this.get(owner, id);
    if (!before) return null;
    const after = { ...before, ...values };
    // Paging through branches is no change of what was said: the conversation keeps its place in the list.
    if (values.title !== undefined || values.settings !== undefined) after.updatedAt = this.now();
    this.db
      .prepare("UPDATE conversations SET title = ?, settings = ?, leaf_id = ?, updated_at = ? WHERE id = ?")
      .run(after.title, JSON.stringify(after.settings), after.leafId, after.updatedAt, id);
    return after;
  }

  touch(id: string, leafId: string): void {
    this.db.prepare("UPDATE conversations SET leaf_id = ?, updated_at = ? WHERE id = ?").run(leafId, this.now(), id);
  }

  delete(owner: string, id: string): number | null {
    const time = Date.now();
    const done = this.db
      .prepare("UPDATE conversations SET deleted_at = ? WHERE id = ? AND owner = ? AND deleted_at IS NULL")
      .run(time, id, owner);
    return done.changes > 0 ? time + UNDO_MS : null;
  }

  restore(owner: string, id: string): Conversation | null {
    this.db
      .prepare("UPDATE conversations SET deleted_at = NULL WHERE id = ? AND owner = ? AND deleted_at IS NOT NULL")
      .run(id, owner);
    return this.get(owner, id);
  }

  deleteAll(owner: string): number {
    // Those that were deleted one by one are gone for good too, but nobody counts them.
    const shown = this.db
      .prepare("SELECT count(*) AS n FROM conversations WHERE owner = ? AND deleted_at IS NULL")
      .get(owner)!.n as number;
    remove(this.db, "owner = ?", owner);
    return shown;
  }

  fork(owner: string, id: string, messageId: string): Conversation | null {
    const from = this.get(owner, id);
    const message = this.messages.get(owner, messageId);
    if (!from || message?.conversationId !== id) return null;
    const branch = this.messages.branch(message).map((one) => ({ ...one, xray: this.messages.xray(one.id) }));
    const { title, settings } = from;
    return whole(this.db, () => {
      const made = this.create(owner, { title, settings });
      const leafId = this.addTree(made.id, branch).get(messageId)!;
      return this.update(owner, made.id, { leafId })!;
    });
  }

  *export(owner: string): Generator<Export["conversations"][number]> {
    const ids = this.db
      .prepare("SELECT id FROM conversations WHERE owner = ? AND deleted_at IS NULL ORDER BY updated_at")
      .all(owner);
    for (const { id } of ids) {
      const tree = this.tree(owner, id as string);
      if (!tree) continue;
      const messages = tree.messages.map((message) => {
        const xray = this.messages.xray(message.id);
        return xray.length > 0 ? { ...message, xray } : message;
      });
      yield { conversation: tree.conversation, messages };
    }
  }

  import(owner: string, conversations: Export["conversations"]): Imported {
    const importer = new Importer(this.db, this.messages, () => this.now());
    const done = whole(this.db, () => importer.import(owner, conversations));
    // What is changed after an import is newer than what came with it.
    this.lastTime = Math.max(this.lastTime, this.latest());
    return done;
  }

  /** Adds copies of messages under ids of their own; which became which. */
  private addTree(conversationId: string, messages: Export["conversations"][number]["messages"]): Map<string, string> {
    const ids = new Map<string, string>();
    for (const { xray, ...message } of messages) {
      const parentId = ids.get(message.parentId ?? "") ?? null;
      const copy: Message = { ...message, id: randomUUID(), conversationId, parentId, status: endedStatus(message) };
      ids.set(message.id, this.messages.add(copy).id);
      this.messages.saveXray(copy.id, xray ?? []);
    }
    return ids;
  }

  /** Milliseconds, never the same twice: the list is paged by them. */
  private now(): number {
    this.lastTime = Math.max(Date.now(), this.lastTime + 1);
    return this.lastTime;
  }
}

/** @param found one more than the page holds, if there are more */
const pageOf = (found: ConversationSummary[], limit: number) => ({
  conversations: found.slice(0, limit),
  more: found.length > limit,
});

function conversationOf(row: Row): Conversation {
  return {
    id: row.id as string,
    title: row.title as string,
    createdAt: row.created_at as number,
    updatedAt: row.updated_at as number,
    settings: JSON.parse(row.settings as string),
    leafId: row.leaf_id as string | null,
  };
}
