/** Conversations in memory, with the rules of src/serve/wire.ts. */
import { randomUUID } from "node:crypto";
import type { ChatSettings, Conversation, ConversationSummary, Info, Message, Preset } from "../../src/serve/wire.ts";

export class Store {
  conversations = new Map<string, Conversation>();
  messages = new Map<string, Message>();
  deleted = new Map<string, Conversation>();
  presets: Preset[] = [];
  defaults: ChatSettings = {};
  /** What is told of the server otherwise than by default. */
  info: Partial<Info> = {};

  create(part: Partial<Conversation> = {}): Conversation {
    const now = Date.now();
    const conversation = {
      id: randomUUID(),
      title: "",
      createdAt: now,
      updatedAt: now,
      settings: {},
      leafId: null,
      ...part,
    };
    this.conversations.set(conversation.id, conversation);
    return conversation;
  }

  add(conversation: Conversation, part: Partial<Message>): Message {
    const message: Message = {
      id: randomUUID(),
      conversationId: conversation.id,
      parentId: null,
      role: "user",
      content: "",
      reasoning: null,
      attachments: [],
      createdAt: Date.now(),
      model: null,
      status: "done",
      error: null,
      finishReason: null,
      usage: null,
      costUsd: null,
      ...part,
    };
    this.messages.set(message.id, message);
    conversation.leafId = message.id;
    conversation.updatedAt = Date.now();
    return message;
  }

  tree(id: string): Message[] {
    return [...this.messages.values()].filter((message) => message.conversationId === id);
  }

  branch(leafId: string | null): Message[] {
    const branch: Message[] = [];
    for (let id = leafId; id !== null; ) {
      const message = this.messages.get(id);
      if (!message) break;
      branch.unshift(message);
      id = message.parentId;
    }
    return branch;
  }

  list(query: string): ConversationSummary[] {
    const newest = [...this.conversations.values()].sort((a, b) => b.updatedAt - a.updatedAt);
    const summary = ({ id, title, updatedAt }: Conversation): ConversationSummary => ({ id, title, updatedAt });
    if (!query) return newest.map(summary);
    return newest.flatMap((conversation) => {
      for (const message of [{ id: null, content: conversation.title }, ...this.tree(conversation.id)]) {
        const at = message.content.toLowerCase().indexOf(query.toLowerCase());
        if (at < 0) continue;
        const end = at + query.length;
        const { content } = message;
        const snippet = `${content.slice(Math.max(0, at - 30), at)}\uE000${content.slice(at, end)}\uE001${content.slice(end, end + 50)}`;
        return [{ ...summary(conversation), hit: { messageId: message.id, snippet } }];
      }
      return [];
    });
  }
}
