/** Streamed answers: one pull of the client is one step of the generation, and a client that leaves ends it. */
import { type ApiFailure, asFailure } from "./errors.ts";
import type { Ctx } from "./http.ts";

/** How long a refusal may still come with a status of its own; after that the stream begins. */
const HEADERS_MS = 10_000;
/** Least time between two writes of a stream, after the first two: what comes faster than the eye reads is sent together, with less work. */
const GAP_MS = 33;
/** Silence after which a comment tells proxies that the stream is alive. */
const HEARTBEAT_MS = 15_000;

export interface StreamForm<Item> {
  contentType: string;
  write: (item: Item) => string;
  /** How an error is told once the stream has begun. */
  writeError: (failure: ApiFailure) => string;
  /** The last words of a complete stream. */
  end: string;
  /** What to send into a silence, if anything may be. */
  heartbeat: string | null;
}

/** Server-sent events without names, as OpenAI's: data lines and a last [DONE]. */
export const openaiStream: StreamForm<object> = {
  contentType: "text/event-stream; charset=utf-8",
  write: (item) => `data: ${JSON.stringify(item)}\n\n`,
  writeError: ({ body }) => `data: ${JSON.stringify(body)}\n\n`,
  end: "data: [DONE]\n\n",
  heartbeat: ": waiting\n\n",
};

/** Server-sent events whose names are their `type`. */
export const namedStream: StreamForm<{ type: string }> = {
  contentType: "text/event-stream; charset=utf-8",
  write: (item) => `event: ${item.type}\ndata: ${JSON.stringify(item)}\n\n`,
  writeError: ({ body: { error } }) =>
    `event: error\ndata: ${JSON.stringify({ ...error, type: "error", sequence_number: 0 })}\n\n`,
  end: "",
  heartbeat: ": waiting\n\n",
};

/** One JSON object a line, as Ollama's. */
export const jsonLines: StreamForm<object> = {
  contentType: "application/x-ndjson",
  write: (item) => `${JSON.stringify(item)}\n`,
  writeError: ({ message }) => `${JSON.stringify({ error: message })}\n`,
  end: "",
  heartbeat: null,
};

/** A signal that aborts with the client's, and that the stream aborts when it is left. */
export function clientSignal(c: Ctx): AbortController {
  const controller = new AbortController();
  const { signal } = c.req.raw;
  if (signal.aborted) controller.abort(signal.reason);
  else signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  return controller;
}

/**
 * Sends what `items` gives as it comes. The answer begins with the first item, so that a request which is refused gets an error status.
 * @throws whatever comes instead of a first item within ten seconds
 */
export async function streamed<Item>(
  c: Ctx,
  form: StreamForm<Item>,
  items: (signal: AbortSignal) => AsyncIterable<Item>,
): Promise<Response> {
  const controller = clientSignal(c);
  const iterator = items(controller.signal)[Symbol.asyncIterator]();
  let pending: Promise<IteratorResult<Item>> | null = iterator.next();
  await within(pending, form.heartbeat === null ? null : HEADERS_MS);

  const encoder = new TextEncoder();
  const leave = () => {
    controller.abort();
    // A generator that waits for its engine returns once the signal has ended that wait.
    Promise.resolve(iterator.return?.()).catch(() => {});
  };
  let left = false;
  let writes = 0;
  let lastWrite = 0;

  /** What else comes before the next write may be made. An end or an error waits in `pending` for its turn. */
  const together = async (first: Item): Promise<string> => {
    let text = form.write(first);
    const due = writes++ < 2 ? 0 : lastWrite + GAP_MS;
    for (let wait = due - performance.now(); wait > 0; wait = due - performance.now()) {
      pending ??= iterator.next();
      const next = await within(pending, wait).catch(() => null);
      if (next === null || next.done) break;
      pending = null;
      text += form.write(next.value);
    }
    lastWrite = performance.now();
    return text;
  };

  const body = new ReadableStream<Uint8Array>({
    async pull(out) {
      pending ??= iterator.next();
      try {
        const next = await within(pending, form.heartbeat === null ? null : HEARTBEAT_MS);
        if (next === null) return out.enqueue(encoder.encode(form.heartbeat!));
        if (!next.done) {
          pending = null;
          const text = await together(next.value);
          return left ? undefined : out.enqueue(encoder.encode(text));
        }
        if (form.end) out.enqueue(encoder.encode(form.end));
      } catch (error) {
        // Whoever left needs no last words.
        if (!controller.signal.aborted) out.enqueue(encoder.encode(form.writeError(asFailure(error))));
      }
      c.get("finished")?.();
      // Closed already where its reader has left.
      if (!left) out.close();
    },
    cancel() {
      left = true;
      leave();
      c.get("finished")?.();
    },
  });
  return new Response(body, {
    headers: { "content-type": form.contentType, "cache-control": "no-store", "x-accel-buffering": "no" },
  });
}

/** What a promise gives, or null after so many milliseconds (null: wait for ever). */
async function within<Value>(promise: Promise<Value>, ms: number | null): Promise<Value | null> {
  if (ms === null) return await promise;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
