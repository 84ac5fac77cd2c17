/** What is kept: conversations, messages, presets and API keys. `sqlite.ts` keeps it in one file. */
import type { TokenInfo } from "../../infer/index.ts";
import type {
  ChatSettings,
  Conversation,
  ConversationSummary,
  ConversationTree,
  Export,
  Imported,
  Message,
  Preset,
} from "../wire.ts";

/** How long a deleted conversation can be restored. */
export const UNDO_MS = 60 * 60 * 1000;

/** `owner` is whose conversations are meant: the name of an API key, or "local". Ids of others are as unknown as ids of nothing. */
export interface ConversationStore {
  /** Newest first; `before`: only those changed earlier (milliseconds). */
  list(
    owner: string,
    page: { limit: number; before?: number },
  ): { conversations: ConversationSummary[]; more: boolean };
  /** Those in which every word of a query is found. @throws ApiFailure if it takes too long */
  search(
    owner: string,
    page: { query: string; limit: number; before?: number },
  ): Promise<{ conversations: ConversationSummary[]; more: boolean }>;
  create(owner: string, values: { title?: string; settings?: ChatSettings }): Conversation;
  get(owner: string, id: string): Conversation | null;
  tree(owner: string, id: string): ConversationTree | null;
  update(
    owner: string,
    id: string,
    values: { title?: string; settings?: ChatSettings; leafId?: string },
  ): Conversation | null;
  /** A message was added, and the branch that ends with it is on show: the conversation moves to the top. */
  touch(id: string, leafId: string): void;
  /** Until when (milliseconds) it can be restored; null: there is none. */
  delete(owner: string, id: string): number | null;
  restore(owner: string, id: string): Conversation | null;
  /** All of them, for good. */
  deleteAll(owner: string): number;
  /** A copy of the branch that ends with a message. */
  fork(owner: string, id: string, messageId: string): Conversation | null;
  /** One by one, so that an export of any size streams. */
  export(owner: string): Generator<Export["conversations"][number]>;
  /** All or nothing. What is here already, by id or by content, gets what it lacks instead of a double. */
  import(owner: string, conversations: Export["conversations"]): Imported;
}

/** A message that is to be stored: what is left out is empty. */
export type NewStoredMessage = Pick<Message, "conversationId" | "parentId" | "role"> & Partial<Message>;

export interface MessageStore {
  add(message: NewStoredMessage): Message;
  get(owner: string, id: string): Message | null;
  /** From the first message of the conversation to this one. */
  branch(message: Message): Message[];
  /** Every message of a conversation, in order of creation. */
  all(conversationId: string): Message[];
  /** Writes what a reply has become. */
  save(message: Message): void;
  xray(id: string): TokenInfo[];
  saveXray(id: string, tokens: readonly TokenInfo[]): void;
}

export interface PresetStore {
  list(owner: string): Preset[];
  replace(owner: string, presets: readonly Preset[]): void;
  /** What new chats begin with. */
  defaults(owner: string): ChatSettings;
  setDefaults(owner: string, settings: ChatSettings): void;
}

export interface StoredKey {
  id: string;
  /** Whose conversations the key sees. */
  name: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  lastUsedAt: number | null;
  revokedAt: number | null;
}

export interface KeyStore {
  /** The key is shown this once: only its hash is kept. */
  create(name: string): { id: string; key: string };
  list(): StoredKey[];
  /** By id; false: there is no such key that is in force. */
  revoke(id: string): boolean;
  /** The name that a key in force belongs to. */
  check(key: string): string | null;
}

export interface Store {
  readonly conversations: ConversationStore;
  readonly messages: MessageStore;
  readonly presets: PresetStore;
  readonly keys: KeyStore;
  /** Does all of it or nothing. */
  whole<Result>(work: () => Result): Result;
  /** Removes for good what was deleted long enough ago. A failure is logged: the next time tries again. */
  purge(): void;
  close(): void;
}
