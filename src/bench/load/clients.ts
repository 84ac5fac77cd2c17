/** Load on a running server, as its clients see it: many streams at once, some of which leave, and what the server is afterwards. */
import { Random } from "../../base/index.ts";

export interface LoadOptions {
  /** The server's address, without /v1. */
  url: string;
  key?: string;
  clients: number;
  seconds: number;
  /** Share of the requests that their client leaves in the middle (default 0). */
  leave?: number;
  /** Share of the requests with a prompt of about `longWords` words that no other has (default 0). */
  long?: number;
  longWords?: number;
  /** Tokens of an answer, from and to (default 16 to 128). */
  tokens?: readonly [number, number];
  seed?: number;
}

export interface Percentiles {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  most: number;
}

export interface Load {
  clients: number;
  seconds: number;
  completed: number;
  left: number;
  /** What went wrong, each message once with how often. */
  errors: Record<string, number>;
  tokens: number;
  tokensPerSecond: number;
  /** Seconds. */
  firstToken: { short: Percentiles; long: Percentiles };
  betweenTokens: Percentiles;
  whole: Percentiles;
}

interface Tally {
  completed: number;
  left: number;
  errors: Record<string, number>;
  tokens: number;
  short: number[];
  long: number[];
  between: number[];
  whole: number[];
}

/** Words of which no two prompts have the same row, so that nothing is in the cache already. */
const WORDS = "the a fox river boat red old sea king found saw went small house day tree bird said little long".split(
  " ",
);

export async function measureLoad(options: LoadOptions): Promise<Load> {
  const tally: Tally = { completed: 0, left: 0, errors: {}, tokens: 0, short: [], long: [], between: [], whole: [] };
  const began = performance.now();
  const until = began + options.seconds * 1000;
  const client = async (index: number) => {
    const random = new Random(options.seed ?? 1, index);
    while (performance.now() < until) await request(options, random, tally, until);
  };
  await Promise.all(Array.from({ length: options.clients }, (_, i) => client(i)));
  const seconds = (performance.now() - began) / 1000;
  const { completed, left, errors, tokens } = tally;
  return {
    clients: options.clients,
    seconds,
    completed,
    left,
    errors,
    tokens,
    tokensPerSecond: tokens / seconds,
    firstToken: { short: percentiles(tally.short), long: percentiles(tally.long) },
    betweenTokens: percentiles(tally.between),
    whole: percentiles(tally.whole),
  };
}

/** One request to its end, to the place where its client leaves, or to the end of the measurement. */
async function request(options: LoadOptions, random: Random, tally: Tally, until: number): Promise<void> {
  const { url, key, leave = 0, long = 0, longWords = 400, tokens: [least, most] = [16, 128] } = options;
  const isLong = random.uniform() < long;
  const words = Array.from({ length: isLong ? longWords : 8 }, () => WORDS[random.below(WORDS.length)]);
  const maxTokens = least + random.below(most - least + 1);
  const leaveAfter = random.uniform() < leave ? random.below(maxTokens) : Number.POSITIVE_INFINITY;
  const controller = new AbortController();
  const began = performance.now();
  let last = began;
  let pieces = 0;
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) },
      body: JSON.stringify({
        messages: [{ role: "user", content: words.join(" ") }],
        max_tokens: maxTokens,
        ignore_eos: true,
        stream: true,
        seed: random.below(2 ** 31),
      }),
      signal: controller.signal,
    });
    if (!response.ok) throw new Error(`${response.status} ${(await response.text()).slice(0, 200)}`);
    const decoder = new TextDecoder();
    let whole = false;
    for await (const bytes of response.body!) {
      const text = decoder.decode(bytes, { stream: true });
      if (text.includes('"error"')) throw new Error(text.slice(0, 200));
      whole ||= text.includes("[DONE]");
      const count = text.split('"content":').length - 1 - (pieces === 0 && text.includes('"role"') ? 1 : 0);
      if (count === 0) continue;
      const now = performance.now();
      if (pieces === 0) (isLong ? tally.long : tally.short).push((now - began) / 1000);
      else tally.between.push((now - last) / 1000 / count);
      last = now;
      pieces += count;
      tally.tokens += count;
      if (pieces > leaveAfter || now > until) {
        tally.left++;
        controller.abort();
        return;
      }
    }
    if (!whole) throw new Error("the stream ended without [DONE]");
    tally.completed++;
    // A piece may hold several tokens; with ignore_eos a whole answer has as many as were asked for.
    tally.tokens += maxTokens - pieces;
    tally.whole.push((performance.now() - began) / 1000);
  } catch (error) {
    // Leaving ends the reading too.
    if (controller.signal.aborted) return;
    const { message, cause } = error as Error & { cause?: Error };
    const told = cause ? `${message}: ${cause.message}` : message;
    tally.errors[told] = (tally.errors[told] ?? 0) + 1;
  }
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { count: sorted.length, p50: at(0.5), p90: at(0.9), p99: at(0.99), most: at(1) };
}

/** What the server's /metrics say of memory and of the latent cache. */
export interface ServerState {
  residentBytes: number;
  running: number;
  /** Share of the cache's rows that running requests hold. */
  cacheUsage: number;
}

export async function serverState(url: string, key?: string): Promise<ServerState> {
  const response = await fetch(`${url}/metrics`, { headers: key ? { authorization: `Bearer ${key}` } : {} });
  const text = await response.text();
  const sum = (name: string) =>
    [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].reduce(
      (all, [, value]) => all + Number(value),
      0,
    );
  return {
    residentBytes: sum("process_resident_memory_bytes"),
    running: sum("vllm:num_requests_running"),
    cacheUsage: sum("vllm:kv_cache_usage_perc"),
  };
}
