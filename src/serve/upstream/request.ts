/** How an upstream is asked: time limits, retries where nothing can have happened yet, and failures in readable words. */
import { setTimeout as pause } from "node:timers/promises";
import { eventData } from "../../base/index.ts";
import { EngineError, type EngineErrorKind } from "../../infer/index.ts";

/** Milliseconds. */
export interface Timeouts {
  /** Until the answer's first byte: the upstream may have to read a long prompt, or have a queue. */
  firstByte: number;
  /** Between two pieces of an answer. */
  idle: number;
  /** For a list of models. */
  list: number;
}

const TIMEOUTS: Timeouts = { firstByte: 290_000, idle: 120_000, list: 10_000 };

/** Waits before the second and third attempt, where the first did not reach the server. */
const RETRY_MS = [150, 600];
/** Most of an error's body, or of an answer that is no stream, that is read. */
const LARGEST_ERROR = 64 << 10;
const LARGEST_ANSWER = 64 << 20;
/** Characters of an upstream's own words that are passed on. */
const LONGEST_WORDS = 500;

export class UpstreamHttp {
  readonly host: string;
  private readonly base: URL;
  private readonly name: string;
  private readonly key: string | undefined;
  private readonly timeouts: Timeouts;

  constructor(base: URL, name: string, key?: string, timeouts: Partial<Timeouts> = {}) {
    this.base = base;
    this.host = base.hostname;
    this.name = name;
    this.key = key;
    this.timeouts = { ...TIMEOUTS, ...timeouts };
  }

  async get(path: string, signal: AbortSignal): Promise<unknown> {
    const timer = new Deadline(signal, this.timeouts.list);
    try {
      const response = await this.reach(path, { method: "GET" }, timer.signal);
      return JSON.parse(await readText(response, LARGEST_ANSWER));
    } catch (error) {
      throw this.readable(error, timer, signal);
    } finally {
      timer.clear();
    }
  }

  /** The chunks of a streamed answer, each parsed; a server that does not stream gives one. */
  async *stream(path: string, body: object, signal: AbortSignal): AsyncGenerator<unknown> {
    const timer = new Deadline(signal, this.timeouts.firstByte);
    try {
      const response = await this.reach(path, { method: "POST", body: JSON.stringify(body) }, timer.signal);
      if (!/event-stream/.test(response.headers.get("content-type") ?? "")) {
        yield JSON.parse(await readText(response, LARGEST_ANSWER));
        return;
      }
      const { idle } = this.timeouts;
      const pieces = async function* () {
        for await (const piece of response.body!) {
          timer.extend(idle);
          yield piece;
        }
      };
      for await (const data of eventData(pieces())) {
        if (data === "[DONE]") return;
        // What the reader does with a chunk is not the upstream's time.
        timer.clear();
        yield JSON.parse(data);
        timer.extend(idle);
      }
    } catch (error) {
      throw this.readable(error, timer, signal);
    } finally {
      timer.abort();
    }
  }

  private async reach(path: string, init: RequestInit, signal: AbortSignal): Promise<Response> {
    const url = new URL(this.base);
    url.pathname += path;
    const headers = {
      "content-type": "application/json",
      ...(this.key && { authorization: `Bearer ${this.key}` }),
    };
    for (let attempt = 0; ; attempt++) {
      try {
        // A redirect would take the key elsewhere.
        const response = await fetch(url, { ...init, headers, signal, redirect: "error" });
        if (response.ok) return response;
        const retry = init.method === "GET" && [502, 503, 504].includes(response.status);
        if (!retry || attempt >= RETRY_MS.length) throw await this.refused(response);
        await response.body?.cancel();
      } catch (error) {
        // Refused connections have reached nobody, and a list may be asked for twice; anything else may have begun.
        const again = init.method === "GET" ? !(error instanceof EngineError) : codeOf(error) === "ECONNREFUSED";
        if (signal.aborted || !again || attempt >= RETRY_MS.length) throw error;
      }
      await pause(RETRY_MS[attempt], undefined, { signal });
    }
  }

  private async refused(response: Response): Promise<EngineError> {
    const { status } = response;
    const words = wordsOf(await readText(response, LARGEST_ERROR).catch(() => ""));
    const wait = Number(response.headers.get("retry-after"));
    const detail = { status, ...(wait > 0 && { retryAfter: Math.min(wait, 3600) }) };
    if (status === 401 || status === 403)
      return new EngineError(
        "upstream",
        `${this.name} does not accept the key that this server sends (${status})`,
        detail,
      );
    const said = words.message ? `: ${words.message}` : "";
    const kind: EngineErrorKind =
      words.code === "context_length_exceeded" || /context length|maximum context|context size/i.test(words.message)
        ? "context_length"
        : "upstream";
    return new EngineError(kind, `${this.name} answered ${status}${said}`, { ...detail, param: words.param });
  }

  private readable(error: unknown, timer: Deadline, signal: AbortSignal): unknown {
    if (error instanceof EngineError || signal.aborted) return error;
    if (timer.passed)
      return new EngineError("timeout", `${this.name} was silent for ${Math.round(timer.lastMs / 1000)} s`);
    const code = codeOf(error);
    if (error instanceof SyntaxError)
      return new EngineError("upstream", `${this.name} sent what is not JSON; is it an OpenAI-compatible server?`);
    if (error instanceof RangeError) return new EngineError("upstream", `${this.name}: ${error.message}`);
    const reached = code === "UND_ERR_SOCKET" || code === "ECONNRESET";
    return new EngineError(
      "unavailable",
      reached ? `${this.name} broke off the connection` : `${this.name} cannot be reached (${code})`,
    );
  }
}

/** A signal that aborts with another, or when time is up. */
class Deadline {
  passed = false;
  lastMs: number;
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private readonly outer: AbortSignal;
  private readonly follow = () => this.controller.abort(this.outer.reason);

  constructor(outer: AbortSignal, ms: number) {
    this.outer = outer;
    this.lastMs = ms;
    if (outer.aborted) this.follow();
    else outer.addEventListener("abort", this.follow, { once: true });
    this.extend(ms);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  extend(ms: number): void {
    clearTimeout(this.timer);
    this.lastMs = ms;
    this.timer = setTimeout(() => {
      this.passed = true;
      this.controller.abort();
    }, ms);
  }

  /** Stops the clock. */
  clear(): void {
    clearTimeout(this.timer);
  }

  /** Ends the request, whatever is left of it. */
  abort(): void {
    this.clear();
    this.outer.removeEventListener("abort", this.follow);
    this.controller.abort();
  }
}

function codeOf(error: unknown): string {
  const { cause, code, message } = error as Error & { code?: string; cause?: { code?: string; message?: string } };
  return cause?.code ?? code ?? cause?.message ?? message;
}

async function readText(response: Response, most: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > most) throw new RangeError(`an answer is longer than ${most} characters`);
  }
  return text + decoder.decode();
}

/** What an error's body says, in whatever form servers have for it. */
function wordsOf(text: string): { message: string; code: string; param: string | undefined } {
  const short = (value: unknown) =>
    typeof value === "string" ? value.replaceAll(/\s+/g, " ").trim().slice(0, LONGEST_WORDS) : "";
  try {
    const body = JSON.parse(text);
    const error = body?.error ?? body;
    const message = short(error) || short(error?.message) || short(body?.message) || short(body?.detail);
    return { message, code: short(error?.code), param: short(error?.param) || undefined };
  } catch {
    // A page of HTML from a proxy says little.
    return { message: text.trimStart().startsWith("<") ? "" : short(text), code: "", param: undefined };
  }
}
