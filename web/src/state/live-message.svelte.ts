/** A message on the page, and the watch over a reply that is still being written. */
import type { Message, ReplyEvent } from "../../../src/serve/wire.ts";
import { t } from "../i18n/index.svelte.ts";
import type { RequestFailed } from "../lib/api.ts";
import { Narrator } from "../lib/narrator.ts";
import { watchReply } from "../lib/watch.ts";
import { announcer } from "./announce.svelte.ts";

export interface LiveHandlers {
  title: (title: string) => void;
  done: (message: Message) => void;
  refused: (error: RequestFailed) => void;
}

export const isRunning = (message: Message): boolean => message.status === "queued" || message.status === "streaming";

export class LiveMessage {
  readonly id: string;
  readonly parentId: string | null;
  readonly role: Message["role"];
  readonly createdAt: number;
  readonly slot: number;
  message = $state.raw() as Message;
  /** Milliseconds since 1970 at which a lost connection is tried again; null: there is nothing to wait for. */
  retryAt = $state<number | null>(null);
  /** The prompt has been read: the first word is near. */
  prompt = $state.raw<{ promptTokens: number; cachedTokens: number } | null>(null);
  running = $derived(isRunning(this.message));
  private stopWatching: (() => void) | null = null;
  private pending = { text: "", reasoning: "" };
  private frame = 0;
  /** Characters of the text that a screen reader has been told. */
  private told = 0;

  constructor(message: Message) {
    this.id = message.id;
    this.parentId = message.parentId;
    this.role = message.role;
    this.createdAt = message.createdAt;
    this.slot = message.slot ?? 0;
    this.message = message;
  }

  watch(handlers: LiveHandlers): void {
    if (this.stopWatching || !this.running) return;
    this.told = this.message.content.length;
    const narrator = new Narrator((text) => announcer.say(text));
    announcer.say(t().replyStarted);
    this.stopWatching = watchReply(this.id, {
      event: (event) => this.take(event, narrator, handlers),
      waiting: (until) => (this.retryAt = until),
      refused: (error) => {
        this.leave();
        handlers.refused(error);
      },
    });
  }

  leave(): void {
    this.stopWatching?.();
    this.stopWatching = null;
    this.retryAt = null;
    this.flush();
  }

  private take(event: ReplyEvent, narrator: Narrator, handlers: LiveHandlers): void {
    switch (event.type) {
      case "snapshot":
        this.drop();
        this.tell(event.message, narrator);
        this.message = event.message;
        break;
      case "start":
        this.prompt = event;
        break;
      case "text":
      case "reasoning":
        this.pending[event.type] += event.text;
        this.schedule();
        if (event.type === "text") {
          this.told += event.text.length;
          narrator.push(event.text, performance.now());
        }
        break;
      case "tool_call": {
        this.flush();
        const toolCalls = [...(this.message.toolCalls ?? [])];
        const { index, id, name } = event;
        const before = toolCalls[index] ?? { id, name, arguments: "", result: null };
        toolCalls[index] = { ...before, arguments: before.arguments + event.arguments };
        this.message = { ...this.message, status: "streaming", toolCalls };
        break;
      }
      case "title":
        handlers.title(event.title);
        break;
      case "done":
        this.drop();
        this.stopWatching = null;
        this.tell(event.message, narrator);
        this.message = event.message;
        narrator.finish();
        announcer.say(event.message.status === "done" ? t().replyFinished : t().status[event.message.status]);
        handlers.done(event.message);
    }
  }

  /** What a stored message has that was not told yet. */
  private tell({ content }: Message, narrator: Narrator): void {
    if (content.length > this.told) narrator.push(content.slice(this.told), performance.now());
    this.told = content.length;
  }

  /** What has come since the last frame goes to the page with the next one: the screen sets the pace, not the network. */
  private schedule(): void {
    if (this.frame) return;
    if (document.hidden) this.frame = window.setTimeout(() => this.flush(), 250);
    else this.frame = requestAnimationFrame(() => this.flush());
  }

  private flush(): void {
    this.frame = 0;
    const { text, reasoning } = this.pending;
    if (!text && !reasoning) return;
    this.pending = { text: "", reasoning: "" };
    const { message } = this;
    this.message = {
      ...message,
      status: "streaming",
      content: message.content + text,
      reasoning: reasoning ? (message.reasoning ?? "") + reasoning : message.reasoning,
    };
  }

  private drop(): void {
    this.pending = { text: "", reasoning: "" };
  }
}
