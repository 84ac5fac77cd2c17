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
 *   POST   /api/messages/:id/regenerate             {model?, settings?} → Message   a sibling of an assistant's message
 *   POST   /api/messages/:id/continue               {} → Message   goes on where a stopped or interrupted reply ended
 *   POST   /api/messages/:id/stop                   {} → Message
 *   GET    /api/messages/:id/events                 → text/event-stream of ReplyEvent: first a snapshot, then what comes, last a `done`
 *   GET    /api/messages/:id/xray                   → {tokens: TokenInfo[]}
 *   GET    /api/presets · PUT /api/presets          {presets: Preset[]}
 *   GET    /api/export                              → Export, as a download   ·   POST /api/import   Export → {conversations: number}
 *   DELETE /api/conversations                       → {deleted: number}   all of them, for good
 *
 * A reply belongs to the server: it goes on when the page is closed, every page may watch it, and what has come is stored as it comes.
 */
import type { GenerationSettings, ModelInfo, TokenInfo, Usage } from "../infer/index.ts";

export interface Info {
  version: string;
  models: ModelInfo[];
  defaultModel: string;
  /** What a first visit says of the default model: lines of plain text, an address of its card, example prompts. */
  welcome: { lines: string[]; card: string | null; examples: string[] };
  /** Whether requests need an API key (Authorization: Bearer …). */
  needsKey: boolean;
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

export type ReplyEvent =
  /** The message as it stands, at the beginning of every stream. */
  | { type: "snapshot"; message: Message }
  | { type: "text"; text: string }
  | { type: "reasoning"; text: string }
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

export interface ApiError {
  error: { message: string; type: string; param: string | null; code: string | null };
}
