/** Events on their way to one watcher. A slow one costs no memory beyond the text itself: pieces that wait become one. */
import type { ReplyEvent } from "../wire.ts";

export class Feed implements AsyncIterable<ReplyEvent> {
  private readonly waiting: ReplyEvent[] = [];
  private readonly signal: AbortSignal;
  private ended = false;
  private wake: () => void = () => {};

  /** signal: the watcher has left. */
  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  push(event: ReplyEvent): void {
    const last = this.waiting.at(-1);
    if ((event.type === "text" || event.type === "reasoning") && last?.type === event.type)
      this.waiting[this.waiting.length - 1] = { type: event.type, text: last.text + event.text };
    else this.waiting.push(event);
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReplyEvent> {
    const leave = () => this.wake();
    this.signal.addEventListener("abort", leave);
    try {
      while (!this.signal.aborted) {
        const next = this.waiting.shift();
        if (next) yield next;
        else if (this.ended) return;
        else {
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
        }
      }
    } finally {
      this.signal.removeEventListener("abort", leave);
    }
  }
}
