/**
 * Exports come home. A conversation that is here already, by its id or by what it holds, is not doubled: it gets the messages that it lacks, and
 * the newer title and settings. Ids are kept, so that the same file may come again; where another person has an id, one is derived from it.
 */
import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { isDeepStrictEqual } from "node:util";
import type { Conversation, Export, Imported, Message } from "../wire.ts";
import type { SqliteMessages } from "./messages.ts";

type Exported = Export["conversations"][number];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** How many milliseconds earlier a conversation may stand than it says, where another of the list has its time. */
const MAX_SHIFT_MS = 64;
/** How far clocks may differ; what was changed later than that has no clock. */
const MAX_AHEAD_MS = 60_000;

/** What was being written where an export was made is not written here. */
export const endedStatus = ({ status }: Pick<Message, "status">): Message["status"] =>
  status === "queued" || status === "streaming" ? "interrupted" : status;

export function insertConversation(db: DatabaseSync, owner: string, conversation: Conversation): void {
  const { id, title, createdAt, updatedAt, settings } = conversation;
  db.prepare(
    "INSERT INTO conversations (id, owner, title, created_at, updated_at, settings) VALUES (?, ?, ?, ?, ?, ?)",
  ).run(id, owner, title, createdAt, updatedAt, JSON.stringify(settings));
}

export class Importer {
  private readonly messages: SqliteMessages;
  private readonly now: () => number;
  private readonly db: DatabaseSync;
  private readonly ownerOf;
  private readonly hasMessage;
  private readonly hasTime;
  private readonly adopt;

  /** now: milliseconds that no conversation has yet */
  constructor(db: DatabaseSync, messages: SqliteMessages, now: () => number) {
    this.db = db;
    this.messages = messages;
    this.now = now;
    this.ownerOf = db.prepare("SELECT owner, title, updated_at, deleted_at, leaf_id FROM conversations WHERE id = ?");
    this.hasMessage = db.prepare("SELECT 1 FROM messages WHERE id = ?");
    this.hasTime = db.prepare("SELECT 1 FROM conversations WHERE owner = ? AND updated_at = ?");
    this.adopt = db.prepare(
      "UPDATE conversations SET title = ?, settings = ?, updated_at = ?, leaf_id = ?, deleted_at = NULL WHERE id = ?",
    );
  }

  import(owner: string, conversations: readonly Exported[]): Imported {
    const done: Imported = { added: 0, updated: 0, skipped: 0 };
    const byTime = this.conversationsByTime(owner);
    for (const exported of conversations) {
      const id = this.find(owner, exported, byTime);
      if (id === null) {
        this.add(owner, exported);
        done.added++;
      } else done[this.merge(owner, id, exported)]++;
    }
    return done;
  }

  /** Ids of a person's conversations by when they were begun, which no edit changes. */
  private conversationsByTime(owner: string): Map<number, string[]> {
    const rows = this.db.prepare("SELECT id, created_at FROM conversations WHERE owner = ?").all(owner);
    const byTime = new Map<number, string[]>();
    for (const { id, created_at: time } of rows) {
      const ids = byTime.get(time as number);
      if (ids) ids.push(id as string);
      else byTime.set(time as number, [id as string]);
    }
    return byTime;
  }

  private find(owner: string, { conversation, messages }: Exported, byTime: Map<number, string[]>): string | null {
    for (const id of [conversation.id, derived(owner, conversation.id)])
      if (this.ownerOf.get(id)?.owner === owner) return id;
    // It may have come before, under another id.
    const begun = messages[0] && keyOf(messages[0], null);
    for (const id of byTime.get(conversation.createdAt) ?? []) {
      const first = this.messages.all(id)[0];
      if (first ? begun === keyOf(first, null) : !begun && this.ownerOf.get(id)!.title === conversation.title)
        return id;
    }
    return null;
  }

  private add(owner: string, { conversation, messages }: Exported): void {
    const free = UUID.test(conversation.id) && !this.ownerOf.get(conversation.id);
    const id = free ? conversation.id : derived(owner, conversation.id);
    const made = { ...conversation, id, updatedAt: this.freeTime(owner, timeOf(conversation)), leafId: null };
    insertConversation(this.db, owner, made);
    this.settle(id, made, leafOf(conversation, this.addMessages(id, messages).ids));
  }

  private merge(owner: string, id: string, { conversation, messages }: Exported): keyof Imported {
    const here = this.ownerOf.get(id)!;
    const { ids, changed } = this.addMessages(id, messages);
    const newer = timeOf(conversation) > (here.updated_at as number);
    const back = here.deleted_at !== null;
    const before = this.conversation(id);
    const differs = conversation.title !== before.title || !isDeepStrictEqual(conversation.settings, before.settings);
    if (!changed && !back && !(newer && differs)) return "skipped";
    const latest = Math.max(timeOf(conversation), before.updatedAt);
    const updatedAt = latest === before.updatedAt ? latest : this.freeTime(owner, latest);
    const { title, settings } = newer ? conversation : before;
    this.settle(
      id,
      { title, settings, updatedAt },
      newer || !before.leafId ? leafOf(conversation, ids) : before.leafId,
    );
    return back ? "added" : "updated";
  }

  private conversation(id: string): Pick<Conversation, "title" | "settings" | "updatedAt" | "leafId"> {
    const row = this.db.prepare("SELECT title, settings, updated_at, leaf_id FROM conversations WHERE id = ?").get(id)!;
    return {
      title: row.title as string,
      settings: JSON.parse(row.settings as string),
      updatedAt: row.updated_at as number,
      leafId: row.leaf_id as string | null,
    };
  }

  private settle(
    id: string,
    { title, settings, updatedAt }: Pick<Conversation, "title" | "settings" | "updatedAt">,
    leafId: string | null,
  ): void {
    this.adopt.run(title, JSON.stringify(settings), updatedAt, leafId, id);
  }

  /** Adds what the conversation lacks. Which message of the export is which here, and whether anything was new. */
  private addMessages(
    conversationId: string,
    messages: Exported["messages"],
  ): { ids: Map<string, string>; changed: boolean } {
    const here = new Here(this.messages.all(conversationId));
    const ids = new Map<string, string>();
    let changed = false;
    for (const { xray = [], ...exported } of messages) {
      const parentId = ids.get(exported.parentId ?? "") ?? null;
      const message: Message = { ...exported, conversationId, parentId, status: endedStatus(exported) };
      const same = here.find(message);
      if (same && goesOn(same, message)) {
        this.messages.save({ ...message, id: same.id });
        this.messages.saveXray(same.id, xray);
        changed = true;
      } else if (!same || !isSame(same, message)) {
        // What was changed by hand stands beside what is here.
        const key = same ? `${message.id}\n${keyOf(message, parentId)}` : message.id;
        const known = here.byId(derived(conversationId, key));
        if (known) {
          ids.set(exported.id, known.id);
          continue;
        }
        const free = !same && UUID.test(message.id) && !this.hasMessage.get(message.id);
        const added = { ...message, id: free ? message.id : derived(conversationId, key) };
        ids.set(exported.id, this.messages.add(added).id);
        here.take(added);
        this.messages.saveXray(added.id, xray);
        changed = true;
        continue;
      }
      here.take(same);
      ids.set(exported.id, same.id);
    }
    return { ids, changed };
  }

  /** The time itself, or one just before it that no conversation of the list has: the list is paged by them. */
  private freeTime(owner: string, wanted: number): number {
    for (let time = wanted; time > Math.max(0, wanted - MAX_SHIFT_MS); time--)
      if (!this.hasTime.get(owner, time)) return time;
    return this.now();
  }
}

/** The messages of one conversation that are here, each of which is one of the export's at most. */
class Here {
  private readonly ids: Map<string, Message>;
  private readonly byKey: Map<string, Message[]>;
  private readonly taken = new Set<string>();

  constructor(messages: readonly Message[]) {
    this.ids = new Map(messages.map((one) => [one.id, one]));
    this.byKey = Map.groupBy(messages, (one) => keyOf(one, one.parentId));
  }

  byId(id: string): Message | null {
    const found = this.ids.get(id);
    return found && !this.taken.has(id) ? found : null;
  }

  /** By its id, by the id that it got when it came before, or by what it says and where. */
  find(message: Message): Message | null {
    return (
      this.byId(message.id) ??
      this.byId(derived(message.conversationId, message.id)) ??
      this.byKey.get(keyOf(message, message.parentId))?.find(({ id }) => !this.taken.has(id)) ??
      null
    );
  }

  take({ id }: Message): void {
    this.taken.add(id);
  }
}

/** An id of its own for what has another's, the same each time. */
function derived(scope: string, id: string): string {
  const hex = createHash("sha256")
    .update(JSON.stringify([scope, id]))
    .digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join("-");
}

/** What a message says, when and where. */
function keyOf({ role, createdAt, content, reasoning, attachments, toolCalls }: Message, parentId: string | null) {
  const said = JSON.stringify([role, createdAt, content, reasoning, attachments, toolCalls ?? [], parentId]);
  return createHash("sha256").update(said).digest("base64");
}

function isSame(here: Message, there: Message): boolean {
  if (keyOf(here, null) === keyOf({ ...there, createdAt: here.createdAt }, null)) return true;
  // A reply that is being written, or went on after the export, holds what the export has.
  return here.role === there.role && here.role === "assistant" && here.content.startsWith(there.content);
}

/** The export has more of a reply that is over here. */
function goesOn(here: Message, there: Message): boolean {
  const over = here.status !== "queued" && here.status !== "streaming";
  return (
    over &&
    here.role === "assistant" &&
    there.role === "assistant" &&
    there.content.length > here.content.length &&
    there.content.startsWith(here.content)
  );
}

const timeOf = ({ updatedAt }: Conversation): number => Math.min(updatedAt, Date.now() + MAX_AHEAD_MS);

function leafOf({ leafId }: Conversation, ids: ReadonlyMap<string, string>): string | null {
  return ids.get(leafId ?? "") ?? [...ids.values()].at(-1) ?? null;
}
