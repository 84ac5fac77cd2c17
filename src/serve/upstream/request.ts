/** How an upstream is asked: time limits, retries where nothing can have happened yet, and failures in readable words. */
import { setTimeout as pause } from "node:timers/promises";
import { eventData } from "../../base/index.ts";
import { EngineError, type EngineErrorKind } from "../../infer/index.ts";
import { isPage, withoutKey, wordsOf } from "./words.ts";

/** Milliseconds. */
export interface Timeouts {
  /** Until the answer's first byte: the upstream may have to read a long prompt, or have a queue. */
  firstByte: number;
  /** Between two pieces of an answer. */
  idle: number;
  /** While something comes, but nothing of an answer: servers with a queue send comments meanwhile. */
  quiet: number;
  /** For a whole answer. */
  answer: number;
  /** For a list of models. */
  list: number;
}

const TIMEOUTS: Timeouts = {
  firstByte: 290_000,
  idle: 120_000,
  quiet: 900_000,
  answer: 4 * 3_600_000,
  list: 10_000,
};

/** Waits before the second and third attempt, where the first did not reach the server. */
const RETRY_MS = [150, 600];
/** Most characters of an error's body, or of an answer that is no stream, that are read. */
const LARGEST_ERROR = 64 << 10;
const LARGEST_ANSWER = 64 << 20;
/** Chunks in a row that may bring nothing of an answer. */
const MAX_QUIET_CHUNKS = 50_000;
/** Milliseconds of chunks in a row after which others get their turn, however quickly an upstream sends. */
const TURN_MS = 20;
/** Seconds. */
const LONGEST_RETRY = 3600;

/** What a stream gives last, where its server says that it is at its end. */
export const DONE = Symbol("done");

export class UpstreamHttp {
  readonly host: string;
  readonly url: string;
  readonly key: string | undefined;
  private readonly base: URL;
  private readonly name: string;
  private readonly timeouts: Timeouts;

  constructor(base: URL, name: string, key?: string, timeouts: Partial<Timeouts> = {}) {
    this.base = base;
    this.host = base.hostname;
    this.url = base.href;
    this.name = name;
    this.key = key;
    this.timeouts = { ...TIMEOUTS, ...timeouts };
  }

  async get(path: string, signal: AbortSignal): Promise<unknown> {
    const timer = new Deadline(signal, this.timeouts.list);
    try {
      const response = await this.reach(path, { method: "GET" }, timer.signal);
      const text = await readText(response, LARGEST_ANSWER);
      if (isPage(text)) throw this.page(path);
      return JSON.parse(text);
    } catch (error) {
      throw this.readable(error, timer, signal);
    } finally {
      timer.end();
    }
  }

  /**
   * The chunks of a streamed answer, each parsed, and `DONE` where its server marks the end; a server that does not stream gives one.
   * @param given how much of an answer the reader has found in them so far
   */
  async *stream(path: string, body: object, signal: AbortSignal, given: () => number): AsyncGenerator<unknown> {
    const timer = new Deadline(signal, this.timeouts.firstByte);
    let response: Response | null = null;
    try {
      response = await this.reach(path, { method: "POST", body: JSON.stringify(body) }, timer.signal);
      const pieces = this.watched(response, timer, given);
      const { start, rest } = await begun(pieces);
      if (isPage(start)) throw this.page(path);
      // By what it is, not by what it is called: some servers send one under the other's content type.
      if (/^\s*[{[]/.test(start)) {
        for (const chunk of jsonValues(await textOf(rest, LARGEST_ANSWER))) yield chunk;
        yield DONE;
        return;
      }
      let turn = performance.now();
      let quiet = { given: given(), chunks: 0 };
      for await (const data of eventData(rest)) {
        const word = data.trim();
        if (word === "[DONE]") {
          yield DONE;
          return;
        }
        if (word === "") continue;
        // What the reader does with a chunk is not the upstream's time.
        timer.clear();
        yield JSON.parse(word);
        if (given() > quiet.given) quiet = { given: given(), chunks: 0 };
        if (++quiet.chunks > MAX_QUIET_CHUNKS)
          throw new RangeError(`sent ${MAX_QUIET_CHUNKS} chunks with nothing of an answer in them`);
        if (performance.now() - turn > TURN_MS) {
          await new Promise(setImmediate);
          turn = performance.now();
        }
        timer.extend(this.timeouts.idle);
      }
    } catch (error) {
      throw this.readable(error, timer, signal);
    } finally {
      timer.end();
      // Whatever is left of it is not read; a request that failed has nothing left.
      await response?.body?.cancel().catch(() => {});
      if (response) timer.abort();
    }
  }

  /** An answer's bytes, with an eye on the time and on whether they bring anything. */
  private async *watched(response: Response, timer: Deadline, given: () => number): AsyncGenerator<Uint8Array> {
    const { idle, quiet, answer } = this.timeouts;
    const began = performance.now();
    let useful = { at: began, given: given(), bytes: 0 };
    for await (const piece of response.body ?? []) {
      const now = performance.now();
      if (given() > useful.given) useful = { at: now, given: given(), bytes: 0 };
      useful.bytes += piece.byteLength;
      if (now - useful.at > quiet) throw this.late(`sent nothing of an answer for ${Math.round(quiet / 1000)} s`);
      if (now - began > answer) throw this.late(`did not end its answer in ${Math.round(answer / 1000)} s`);
      if (useful.bytes > LARGEST_ANSWER)
        throw new RangeError(`sent ${LARGEST_ANSWER} bytes with nothing of an answer in them`);
      timer.extend(idle);
      yield piece;
    }
  }

  private late(what: string): EngineError {
    return new EngineError("timeout", `${this.name} ${what}`);
  }

  private page(path: string): EngineError {
    return new EngineError("upstream", `${this.name} sent a web page, not JSON; ${this.hint(path)}`);
  }

  /** What to do about an address that is none of an API. */
  private hint(path: string): string {
    const below = /\/v\d+$/.test(this.base.pathname) ? "" : "; most end with /v1";
    return `there is no OpenAI-compatible API at ${this.base.origin}${this.base.pathname}${path}${below}`;
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
        const response = await fetch(url, { ...init, headers, signal, redirect: "manual" });
        if (response.ok) return response;
        const retry = init.method === "GET" && [502, 503, 504].includes(response.status);
        if (!retry || attempt >= RETRY_MS.length) throw await this.refused(response, path);
        await response.body?.cancel();
      } catch (error) {
        // Refused connections have reached nobody, and a list may be asked for twice; anything else may have begun.
        const again = init.method === "GET" ? !(error instanceof EngineError) : codeOf(error) === "ECONNREFUSED";
        if (signal.aborted || !again || attempt >= RETRY_MS.length) throw error;
      }
      await pause(RETRY_MS[attempt], undefined, { signal });
    }
  }

  private async refused(response: Response, path: string): Promise<EngineError> {
    const { status, headers } = response;
    if (status >= 300 && status < 400) {
      await response.body?.cancel();
      const to = URL.parse(headers.get("location") ?? "", this.base)?.origin;
      const where = to && to !== this.base.origin ? ` (${to})` : "";
      return new EngineError(
        "unavailable",
        `${this.name} answered ${status}: it sends elsewhere${where}; give that address itself`,
      );
    }
    const body = await readText(response, LARGEST_ERROR).catch(() => "");
    const words = wordsOf(body);
    const message = withoutKey(words.message, this.key);
    const retryAfter = secondsOf(headers);
    const detail = { status, ...(retryAfter !== null && { retryAfter }) };
    if (status === 401 || status === 403) {
      const why = this.key
        ? "does not accept the key that this server sends"
        : "demands a key; name its variable with --upstream-key-env";
      return new EngineError("upstream", `${this.name} ${why} (${status})`, detail);
    }
    // A path that is not there, rather than a model.
    const nowhere = /^(404 )?(page )?not found\.?$/i.test(message);
    if ((status === 404 || status === 405) && (message === "" || nowhere || isPage(body)))
      return new EngineError("upstream", `${this.name} answered ${status}: ${this.hint(path)}`, { status: 502 });
    const said = message ? `: ${message}` : "";
    const kind: EngineErrorKind =
      words.code === "context_length_exceeded" || /context length|maximum context|context size/i.test(message)
        ? "context_length"
        : "upstream";
    const param = words.param && withoutKey(words.param, this.key);
    return new EngineError(kind, `${this.name} answered ${status}${said}`, { ...detail, param });
  }

  private readable(error: unknown, timer: Deadline, signal: AbortSignal): unknown {
    if (error instanceof EngineError || signal.aborted) return error;
    if (timer.passed) return this.late(`was silent for ${Math.round(timer.lastMs / 1000)} s`);
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

  /** Stops the clock for good. */
  end(): void {
    this.clear();
    this.outer.removeEventListener("abort", this.follow);
  }

  abort(): void {
    this.controller.abort();
  }
}

function codeOf(error: unknown): string {
  const { cause, code, message } = error as Error & { code?: string; cause?: { code?: string; message?: string } };
  return cause?.code ?? code ?? cause?.message ?? message;
}

async function* only(...pieces: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

/** The first words of an answer, once they are not blank, and all of it. */
async function begun(pieces: AsyncGenerator<Uint8Array>): Promise<{ start: string; rest: AsyncIterable<Uint8Array> }> {
  const read: Uint8Array[] = [];
  const decoder = new TextDecoder();
  let start = "";
  while (start.trim() === "" && start.length < LARGEST_ERROR) {
    const next = await pieces.next();
    if (next.done) return { start, rest: only(...read) };
    read.push(next.value);
    start += decoder.decode(next.value, { stream: true });
  }
  const rest = async function* () {
    yield* read;
    yield* pieces;
  };
  return { start, rest: rest() };
}

/** One JSON value, or one on each line. @throws SyntaxError */
function jsonValues(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch (error) {
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    if (lines.length < 2) throw error;
    return lines.map((line) => JSON.parse(line));
  }
}

const readText = (response: Response, most: number): Promise<string> => textOf(response.body ?? only(), most);

async function textOf(pieces: AsyncIterable<Uint8Array>, most: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of pieces) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > most) throw new RangeError(`an answer is longer than ${most} characters`);
  }
  return text + decoder.decode();
}

/** When to come back, in seconds: a server says how long, or at what time. */
function secondsOf(headers: Headers): number | null {
  const ms = Number(headers.get("retry-after-ms"));
  const given = headers.get("retry-after") ?? "";
  const seconds = ms > 0 ? ms / 1000 : Number(given) || (Date.parse(given) - Date.now()) / 1000;
  return seconds > 0 ? Math.min(seconds, LONGEST_RETRY) : null;
}
