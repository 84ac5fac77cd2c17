/**
 * A server under load: `shoal serve` in a process of its own, and as many clients as told in this one.
 *   node bench/load.ts [--clients 64] [--seconds 60] [--model DIR] [--json]
 * First one client alone, then all of them with short prompts (what continuous batching gains), then for --seconds all of them with random
 * leaving and a quarter long prompts. Memory and cache rows are compared with what they were before that. Fails if anything went wrong.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Load, measureLoad, type Percentiles, serverState } from "../src/serve/index.ts";

/** Seconds of the two throughput measurements, and of what comes before, in which the heap grows to its working size. */
const THROUGHPUT_SECONDS = 15;
const WARM_UP_SECONDS = 45;
/** Seconds that the server is left alone before its memory is looked at. */
const REST_SECONDS = 10;

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "64" },
    seconds: { type: "string", default: "60" },
    model: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const clients = Number(values.clients);
const folder = mkdtempSync(join(tmpdir(), "shoal-load-"));
const main = new URL("../src/cli/main.ts", import.meta.url).pathname;
const model = values.model ? ["--model", values.model] : [];
const server = spawn(process.execPath, [main, "serve", "--port", "0", "--json", "--data-dir", folder, ...model], {
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  const [line] = (await server.stdout.take(1).toArray()) as Buffer[];
  const { url } = JSON.parse(String(line)) as { url: string };
  const short = { url, tokens: [64, 64] as const };
  const mixed = { url, clients, leave: 0.3, long: 0.25 };
  await measureLoad({ ...mixed, seconds: WARM_UP_SECONDS, seed: 1 });
  const alone = await measureLoad({ ...short, clients: 1, seconds: THROUGHPUT_SECONDS, seed: 2 });
  const together = await measureLoad({ ...short, clients, seconds: THROUGHPUT_SECONDS, seed: 3 });
  await pause(REST_SECONDS * 1000);
  const before = await serverState(url);
  const load = await measureLoad({ ...mixed, seconds: Number(values.seconds), seed: 4 });
  await pause(REST_SECONDS * 1000);
  const after = await serverState(url);
  const ratio = together.tokensPerSecond / alone.tokensPerSecond;
  const growth = after.residentBytes / before.residentBytes - 1;
  if (values.json) console.log(JSON.stringify({ alone, together, ratio, load, before, after, growth }));
  else {
    print("one client, short prompts", alone);
    print(`${clients} clients, short prompts`, together);
    console.log(`continuous batching: ${ratio.toFixed(2)} × the tokens/s of one request at a time\n`);
    print(`${clients} clients, 30 % leave, 25 % long prompts`, load);
    console.log(
      `memory ${mb(before.residentBytes)} MB before, ${mb(after.residentBytes)} MB after (${(100 * growth).toFixed(1)} %); ${after.running} requests running, ${(100 * after.cacheUsage).toFixed(1)} % of the cache in use`,
    );
  }
  const wrong = [alone, together, load].some(({ errors }) => Object.keys(errors).length > 0);
  if (wrong || after.running > 0 || after.cacheUsage > 0 || growth > 0.1) process.exitCode = 1;
} finally {
  server.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}

function print(
  title: string,
  { seconds, completed, left, errors, tokensPerSecond, firstToken, betweenTokens, whole }: Load,
): void {
  console.log(
    `${title}: ${tokensPerSecond.toFixed(0)} tokens/s over ${seconds.toFixed(1)} s; ${completed} whole, ${left} left`,
  );
  console.log(`  first token, short prompt   ${ms(firstToken.short)}`);
  if (firstToken.long.count > 0) console.log(`  first token, long prompt    ${ms(firstToken.long)}`);
  console.log(`  between tokens              ${ms(betweenTokens)}`);
  console.log(`  whole answer                ${ms(whole)}`);
  for (const [message, count] of Object.entries(errors)) console.log(`  ${count} × ${message}`);
  console.log("");
}

function ms({ p50, p90, p99, most }: Percentiles): string {
  const shown = (seconds: number) => `${(1000 * seconds).toFixed(0)} ms`;
  return `median ${shown(p50)}, 90 % ${shown(p90)}, 99 % ${shown(p99)}, most ${shown(most)}`;
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
