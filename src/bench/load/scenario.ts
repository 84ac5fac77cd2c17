/** A server of its own under load: what batching gains, how long people wait, and what is left when they have gone. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { InputError } from "../../base/index.ts";
import { type Load, measureLoad, type Percentiles, type ServerState, serverState } from "./clients.ts";

/** Seconds of the two throughput measurements, and of what comes before. */
const THROUGHPUT_SECONDS = 15;
const WARM_UP_SECONDS = 10;
/** Seconds that the server is left alone before its memory is looked at. */
const REST_SECONDS = 10;
/** Growth of the resident memory that is no leak. */
const GROWTH = 0.1;

export interface ServerLoadOptions {
  clients: number;
  /** Of the mixed load. */
  seconds: number;
  /** Arguments of `shoal serve`: a model, threads, … */
  args?: readonly string[];
}

export interface ServerLoad {
  /** One client after the other, and all at once, with short prompts. */
  alone: Load;
  together: Load;
  /** Tokens per second of the second over those of the first. */
  ratio: number;
  /** All at once; 30 % of the answers are left by their client, 25 % of the prompts are long. */
  mixed: Load;
  before: ServerState;
  after: ServerState;
  /** Nothing went wrong, all cache rows are free again, and so is the memory. */
  passed: boolean;
}

/** main: the file of the `shoal` command, of which a process is started and ended. */
export async function benchServer(
  main: string,
  { clients, seconds, args = [] }: ServerLoadOptions,
): Promise<ServerLoad> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-load-"));
  const server = spawn(process.execPath, [main, "serve", "--port", "0", "--json", "--data-dir", folder, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => server.on("exit", resolve));
  try {
    const [line] = (await server.stdout.take(1).toArray()) as Buffer[];
    if (!line) throw new InputError("the server did not start; it has said why");
    const { url } = JSON.parse(String(line)) as { url: string };
    const short = { url, tokens: [64, 64] as const };
    const load = { url, clients, leave: 0.3, long: 0.25 };
    await measureLoad({ ...load, seconds: WARM_UP_SECONDS, seed: 1 });
    const alone = await measureLoad({ ...short, clients: 1, seconds: THROUGHPUT_SECONDS, seed: 2 });
    const together = await measureLoad({ ...short, clients, seconds: THROUGHPUT_SECONDS, seed: 3 });
    // Once for the heap to grow to its working size, once to see whether it stays there.
    await measureLoad({ ...load, seconds, seed: 4 });
    await pause(REST_SECONDS * 1000);
    const before = await serverState(url);
    const mixed = await measureLoad({ ...load, seconds, seed: 5 });
    await pause(REST_SECONDS * 1000);
    const after = await serverState(url);
    const passed =
      [alone, together, mixed].every(({ errors }) => Object.keys(errors).length === 0) &&
      after.running === 0 &&
      after.cacheUsage === 0 &&
      after.residentBytes <= before.residentBytes * (1 + GROWTH);
    return { alone, together, ratio: together.tokensPerSecond / alone.tokensPerSecond, mixed, before, after, passed };
  } finally {
    server.kill("SIGTERM");
    await exited;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The result in lines for a person. */
export function describeServerLoad({ alone, together, ratio, mixed, before, after }: ServerLoad): string {
  const growth = 100 * (after.residentBytes / before.residentBytes - 1);
  return [
    ...describe("one client, short prompts", alone),
    ...describe(`${together.clients} clients, short prompts`, together),
    `continuous batching: ${ratio.toFixed(2)} × the tokens/s of one request at a time`,
    ...describe(`${mixed.clients} clients, 30 % leave, 25 % long prompts`, mixed),
    `memory ${mb(before.residentBytes)} MB before, ${mb(after.residentBytes)} MB after (${growth.toFixed(1)} %); ${after.running} requests running, ${(100 * after.cacheUsage).toFixed(1)} % of the cache in use`,
  ].join("\n");
}

function describe(title: string, load: Load): string[] {
  const { seconds, completed, left, errors, tokensPerSecond, firstToken, betweenTokens, whole } = load;
  return [
    `${title}: ${tokensPerSecond.toFixed(0)} tokens/s over ${seconds.toFixed(1)} s; ${completed} whole, ${left} left`,
    `  first token, short prompt   ${ms(firstToken.short)}`,
    ...(firstToken.long.count > 0 ? [`  first token, long prompt    ${ms(firstToken.long)}`] : []),
    `  between tokens              ${ms(betweenTokens)}`,
    `  whole answer                ${ms(whole)}`,
    ...Object.entries(errors).map(([message, count]) => `  ${count} × ${message}`),
  ];
}

function ms({ p50, p90, p99, most }: Percentiles): string {
  const shown = (seconds: number) => `${(1000 * seconds).toFixed(0)} ms`;
  return `median ${shown(p50)}, 90 % ${shown(p90)}, 99 % ${shown(p99)}, most ${shown(most)}`;
}

const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);
