/**
 * Watches a reply. The stream begins with the message as it stands, so a lost connection costs nothing: it is opened again, after
 * growing intervals, for as long as somebody watches.
 * (fetch instead of EventSource, which cannot send a key.)
 */
import type { ReplyEvent } from "../../../src/serve/wire.ts";
import { open, RequestFailed } from "./api.ts";
import { EventParser } from "./event-parser.ts";

export interface Watcher {
  event: (event: ReplyEvent) => void;
  /** The connection was lost and will be tried again at that time (milliseconds since 1970); null: it is there. */
  waiting: (until: number | null) => void;
  /** The server refuses: the message is gone, or a key is needed. */
  refused: (error: RequestFailed) => void;
}

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 10_000;

/** @returns ends the watch */
export function watchReply(id: string, watcher: Watcher): () => void {
  const end = new AbortController();
  let wake: (() => void) | null = null;
  const online = (): void => wake?.();
  addEventListener("online", online);

  const run = async (): Promise<void> => {
    for (let failures = 0; !end.signal.aborted; failures++) {
      try {
        if (await follow(id, end.signal, () => (failures = -1), watcher)) return;
      } catch (error) {
        if (end.signal.aborted) return;
        // What the server refuses once it refuses again, except when it is only busy.
        if (error instanceof RequestFailed && error.status >= 400 && error.status < 500 && error.status !== 429)
          return watcher.refused(error);
      }
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, failures));
      watcher.waiting(Date.now() + wait);
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, wait);
      });
    }
  };
  void run().finally(() => removeEventListener("online", online));
  return () => {
    end.abort();
    wake?.();
  };
}

/** @returns whether the reply is done */
async function follow(id: string, signal: AbortSignal, arrived: () => void, watcher: Watcher): Promise<boolean> {
  const response = await open("GET", `messages/${encodeURIComponent(id)}/events`, undefined, signal);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
    for (const data of parser.push(value)) {
      const event = JSON.parse(data) as ReplyEvent;
      arrived();
      watcher.waiting(null);
      watcher.event(event);
      if (event.type === "done") return true;
    }
  }
}
