/**
 * What passes between the chat site and the server, beside the OpenAI-compatible API: types alone, so that the site can import them.
 * All paths below /api; JSON in and out; errors are {error: {message, type, param, code}} as OpenAI's.
 *
 *   GET    /api/info                                → Info
 *   GET    /api/conversations?limit=&before=&q=     → {conversations: ConversationSummary[], more: boolean}   newest first; q: full-text search, with snippets
 *   POST   /api/conversations                       {title?, settings?} → Conversation
 *   GET    /api/conversations/:id                   → ConversationTree
 *   PATCH  /api/conversations/:id                   {title?, settings?, leafId?} → Conversation
 *   DELETE /api/conversations/:id                   → {restoreUntil}   undo: POST /api/conversations/:id/restore → Conversation
 *   POST   /api/conversations/:id/fork              {messageId} → Conversation   a copy of the branch that ends there
 *   POST   /api/conversations/:id/messages          NewMessage → {message: Message, replies: Message[]}
 *   POST   /api/count                               Draft → Count   what would be sent, and what it takes of the context
 *   POST   /api/messages/:id/regenerate             {model?, settings?} → Message   a sibling of an assistant's message
 *   POST   /api/messages/:id/continue               {} → Message   goes on where a stopped or interrupted reply ended
 *   POST   /api/messages/:id/stop                   {} → Message
 *   GET    /api/messages/:id/events                 → text/event-stream of ReplyEvent: first a snapshot, then what comes, last a `done`
 *   GET    /api/messages/:id/xray                   → {tokens: TokenInfo[]}
 *   GET    /api/presets · PUT /api/presets          {presets: Preset[]}
 *   PUT    /api/defaults                            ChatSettings → ChatSettings   what a person's new chats begin with; read in Info
 *   GET    /api/card                                → {text}   the card of the model that `Info.welcome` speaks of, in Markdown
 *   GET    /api/export                              → Export, as a download   ·   POST /api/import   Export → Imported
 *   DELETE /api/conversations                       → {deleted: number}   all of them, for good
 *
 * A reply belongs to the server: it goes on when the page is closed, every page may watch it, and what has come is stored as it comes.
 */
import type { GenerationSettings, ModelInfo, TokenInfo, UpstreamState, Usage } from "../infer/index.ts";

/** What a first visit says of one model (its id; null: of none): lines of plain text, whether it has a card, example prompts. */
export interface Welcome {
  model: string | null;
  lines: string[];
  card: boolean;
  examples: string[];
}

export interface Info {
  version: string;
  models: ModelInfo[];
  defaultModel: string;
  /** Servers that stand behind this one; `error`: why one does not answer. */
  upstreams: UpstreamState[];
  welcome: Welcome;
  /** What the caller's new chats begin with. */
  defaults: ChatSettings;
  /** Whether requests need an API key (Authorization: Bearer …). */
  needsKey: boolean;
  /** Whether the caller may ask: it needs no key, or its key is in force. */
  admitted: boolean;
}

export type ChatSettings = Pick<
  GenerationSettings,
  "temperature" | "topP" | "topK" | "minP" | "repetitionPenalty" | "maxTokens" | "seed" | "stop" | "draft"
> & {
  model?: string;
  system?: string;
};

export interface Preset {
  name: string;
  settings: ChatSettings;
}

export interface Conversation {
  id: string;
  title: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  updatedAt: number;
  settings: ChatSettings;
  /** The message that the branch on show ends with; null: empty. */
  leafId: string | null;
}

export interface ConversationSummary extends Pick<Conversation, "id" | "title" | "updatedAt"> {
  /** Of a search: the place that was found, matches between U+E000 and U+E001, and its message. */
  hit?: { messageId: string | null; snippet: string };
}

/** Messages form a tree: siblings (edits, regenerations, answers of two models) share a parent. In order of creation. */
export interface ConversationTree {
  conversation: Conversation;
  messages: Message[];
}

export interface Attachment {
  name: string;
  text: string;
}

export interface MessageToolCall {
  id: string;
  name: string;
  /** JSON, as the model wrote it. */
  arguments: string;
  /** What the tool gave, where it was run. */
  result: string | null;
}

export interface Message {
  id: string;
  conversationId: string;
  parentId: string | null;
  role: "user" | "assistant";
  content: string;
  reasoning: string | null;
  attachments: Attachment[];
  createdAt: number;
  /** Of an assistant's message. */
  model: string | null;
  /** "interrupted": the server ended in the middle of it; "failed": see `error`. User messages are "done". */
  status: "queued" | "streaming" | "done" | "stopped" | "interrupted" | "failed";
  error: string | null;
  finishReason: "stop" | "length" | "tool_calls" | "content_filter" | "abort" | null;
  usage: Usage | null;
  costUsd: number | null;
  /** Of a reply: tools that the model called. */
  toolCalls?: MessageToolCall[];
  /** Of a reply among several that were asked for together: its place among them, from 1. Each goes on from its own model's answers. */
  slot?: number;
  /** Why a reply that is over is not on the disk yet; it is tried again. */
  unsaved?: string;
  /** Of a reply: earlier messages that the model was not shown, because the context has no room for them. */
  leftOut?: number;
}

export interface NewMessage {
  /** The message that it follows; null: the first. A sibling of an earlier user message is an edit. */
  parentId: string | null;
  content: string;
  attachments?: Attachment[];
  /** Models to answer, each with a reply of its own (default: the conversation's model, once). */
  models?: string[];
}

/** A message that is being written, and where. */
export interface Draft {
  /** The message that it would follow; null: it would be the first. */
  parentId: string | null;
  /** With no text and no attachments: what the branch takes by itself. */
  content: string;
  attachments?: Attachment[];
  settings: ChatSettings;
}

export interface Count {
  /** Of the prompt as it would be sent, by the model's own template and tokenizer where `exact`. */
  tokens: number;
  exact: boolean;
  /** Tokens of prompt and answer together; null where unknown. */
  context: number | null;
  /** Earlier messages that would be left out. */
  leftOut: number;
  /** Whether the rest fits. */
  fits: boolean;
}

export type ReplyEvent =
  /** The message as it stands, at the beginning of every stream. */
  | { type: "snapshot"; message: Message }
  | { type: "text"; text: string }
  | { type: "reasoning"; text: string }
  /** A piece of call number `index`: the first names it, all carry more of its arguments. */
  | { type: "tool_call"; index: number; id: string; name: string; arguments: string }
  /** The prompt has been read. */
  | { type: "start"; promptTokens: number; cachedTokens: number }
  /** A title was made for the conversation. */
  | { type: "title"; title: string }
  /** The message as it was stored; the stream ends here. */
  | { type: "done"; message: Message };

export interface Export {
  format: "shoal-conversations";
  version: 1;
  conversations: (Omit<ConversationTree, "messages"> & { messages: (Message & { xray?: TokenInfo[] })[] })[];
}

/** What became of the conversations of an import: one that is here already gets what it lacks, and is never doubled. */
export interface Imported {
  added: number;
  updated: number;
  /** They held nothing that is not here. */
  skipped: number;
}

export interface ApiError {
  error: { message: string; type: string; param: string | null; code: string | null };
}
