/** Replies that are being written, whoever watches. */
import { EventEmitter } from "node:events";
import type { Message, ReplyEvent } from "../../src/serve/wire.ts";
import { answerTo, pieces } from "./model.ts";
import type { Store } from "./store.ts";

interface Running {
  events: EventEmitter<{ event: [ReplyEvent] }>;
  stop: () => void;
}

export class Replies {
  private readonly store: Store;
  private readonly running = new Map<string, Running>();
  /** While it is set, thoughts do not get past their middle. */
  holdThoughts = false;

  constructor(store: Store) {
    this.store = store;
  }

  events(id: string): Running["events"] | null {
    return this.running.get(id)?.events ?? null;
  }

  start(message: Message, from = ""): void {
    const prompt = message.parentId === null ? "" : (this.store.messages.get(message.parentId)?.content ?? "");
    const speech = answerTo(prompt);
    const control = { stopped: false };
    const events: Running["events"] = new EventEmitter();
    events.setMaxListeners(0);
    this.running.set(message.id, { events, stop: () => (control.stopped = true) });
    void this.write(
      message,
      from ? { ...speech, text: speech.text.slice(from.length), reasoning: "", holdsAt: null } : speech,
      control,
      events,
    );
  }

  stop(id: string): void {
    this.running.get(id)?.stop();
  }

  /** As if the process had been killed: what was running is found interrupted. */
  interrupt(): void {
    for (const [id, { stop }] of this.running) {
      stop();
      const message = this.store.messages.get(id)!;
      message.status = "interrupted";
    }
    this.running.clear();
  }

  private async write(
    message: Message,
    speech: ReturnType<typeof answerTo>,
    control: { stopped: boolean },
    events: Running["events"],
  ): Promise<void> {
    const emit = (event: ReplyEvent): void => void events.emit("event", event);
    const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, speech.pause));
    const began = Date.now();
    const promptTokens = this.store
      .branch(message.parentId)
      .reduce((sum, { content }) => sum + pieces(content).length, 8);
    await new Promise((resolve) => setTimeout(resolve, 60));
    if (message.status === "interrupted") return;
    message.status = "streaming";
    emit({ type: "start", promptTokens, cachedTokens: Math.floor(promptTokens / 2) });
    const conversation = this.store.conversations.get(message.conversationId);
    if (conversation && !conversation.title) {
      conversation.title =
        this.store.messages
          .get(message.parentId!)!
          .content.replace(/^\/\w+\s*/, "")
          .slice(0, 40) || "A chat";
      emit({ type: "title", title: conversation.title });
    }
    for (const kind of ["reasoning", "text"] as const) {
      const field = kind === "text" ? "content" : "reasoning";
      // A long answer comes in larger pieces, as from a fast model.
      const parts = pieces(speech[kind]);
      const size = Math.max(1, Math.floor(parts.length / (speech.pause > 1 ? 400 : 50)));
      for (let at = 0; at < parts.length && !control.stopped; at += size) {
        const text = parts.slice(at, at + size).join("");
        message[field] = (message[field] ?? "") + text;
        emit({ type: kind, text });
        const holds = (): boolean =>
          kind === "reasoning"
            ? this.holdThoughts && at + size > parts.length / 2
            : speech.holdsAt !== null && at + size >= parts.length * speech.holdsAt;
        do await wait();
        while (holds() && !control.stopped);
      }
    }
    if (message.status !== "streaming") return;
    if (speech.calls) {
      message.toolCalls = [{ id: "call_1", name: "get_weather", arguments: '{"city":"Paris","days":3}', result: null }];
      for (const piece of ['{"city":', '"Paris","days":3}'])
        emit({ type: "tool_call", index: 0, id: "call_1", name: "get_weather", arguments: piece });
    }
    const completionTokens = pieces(message.content).length;
    message.status = speech.fails ? "failed" : control.stopped ? "stopped" : "done";
    message.error = speech.fails ? "the upstream answered 503: no capacity" : null;
    message.finishReason = speech.fails ? null : control.stopped ? "abort" : speech.calls ? "tool_calls" : "stop";
    message.usage = {
      promptTokens,
      cachedTokens: Math.floor(promptTokens / 2),
      completionTokens,
      reasoningTokens: pieces(message.reasoning ?? "").length,
      draftedTokens: Math.floor(completionTokens / 3),
      acceptedTokens: Math.floor(completionTokens / 4),
      queueSeconds: 0,
      prefillSeconds: 0.06,
      decodeSeconds: Math.max(0.001, (Date.now() - began) / 1000),
    };
    message.costUsd = message.model === "minnow" ? 2.4e-7 * completionTokens : 1.1e-6 * completionTokens;
    this.running.delete(message.id);
    emit({ type: "done", message: { ...message } });
  }
}
