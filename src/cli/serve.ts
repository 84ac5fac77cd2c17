/** shoal serve: the chat site and the API. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { InputError } from "../base/index.ts";
import type { WeightDtype } from "../checkpoint/index.ts";
import { createEngine, type Engine, type ModelInfo, type UpstreamState } from "../infer/index.ts";
import type { CacheDtype } from "../model/index.ts";
import {
  cardOf,
  createServer,
  createUpstream,
  dataFolder,
  isLoopback,
  joinEngines,
  type LogForm,
  type NamedEngine,
  openStore,
  type Server,
  type Store,
  serve,
} from "../serve/index.ts";
import { integer, MINNOW, QuantisingLine, real, untilInterrupted } from "./common.ts";
import { type NamedModel, namedModels } from "./model-names.ts";

interface Flags {
  model?: string[];
  upstream: { url: string; keyEnv?: string }[];
  dtype?: WeightDtype;
  cache?: CacheDtype;
  threads?: number;
  host: string;
  port: number;
  open: boolean;
  dataDir?: string;
  requireKeys: boolean;
  cors: string[];
  rateLimit?: number;
  maxBody: number;
  maxRunning?: number;
  maxWaiting?: number;
  cacheMb?: number;
  coreHourUsd: number;
  log?: LogForm;
  json: boolean;
}

/** Upstreams in the order of the command line: a key's variable belongs to the address before it. */
const upstreams: Flags["upstream"] = [];

function addUpstream(url: string): Flags["upstream"] {
  upstreams.push({ url });
  return upstreams;
}

function addKeyEnv(name: string): string {
  const last = upstreams.at(-1);
  if (!last) throw new InputError("--upstream-key-env: name it after the --upstream that it belongs to");
  last.keyEnv = name;
  return name;
}

const collect = (value: string, before: string[] = []): string[] => [...before, value];

/** Requests a minute of one key, where others than this computer may ask. */
const SHARED_RATE = 600;

export const serveCommand = new Command("serve")
  .option(
    "--model <dir>",
    "a model's folder or GGUF file, or NAME=DIR to name it; may be given again (default: Minnow)",
    collect,
  )
  .option("--upstream <url>", "an OpenAI-compatible server to put in front of; may be given again", addUpstream, [])
  .option("--upstream-key-env <name>", "the variable that holds the key for the --upstream before it", addKeyEnv)
  .addOption(new Option("--dtype <dtype>", "how weights are held").choices(["f32", "bf16", "int8", "int4"]))
  .addOption(new Option("--cache <dtype>", "how the latent cache is held").choices(["f32", "bf16", "int8"]))
  .option("--threads <n>", "most threads to compute on (default: all cores)", integer("--threads", 1, 256))
  .option("--port <n>", "the port (0: any that is free)", integer("--port", 0, 65535), 3000)
  .option("--host <address>", "the address to listen at; any but this computer's own demands API keys", "127.0.0.1")
  .option("--open", "open the chat in the browser", false)
  .option("--data-dir <dir>", "where conversations and keys are kept (default: the system's place for it)")
  .option("--require-keys", "demand API keys on this computer too (see: shoal keys)", false)
  .option("--cors <origin>", "a web origin that may call the API (* for all); may be given again", collect, [])
  .option(
    "--rate-limit <n>",
    `requests a minute of each key (default: none here, ${SHARED_RATE} for others)`,
    integer("--rate-limit", 0, 1e6),
  )
  .option("--max-body <mb>", "most megabytes of a request", integer("--max-body", 1, 1024), 8)
  .option(
    "--max-running <n>",
    "requests that a model answers at the same time (default 64)",
    integer("--max-running", 1, 4096),
  )
  .option(
    "--max-waiting <n>",
    "requests that may wait; more are refused (default 256)",
    integer("--max-waiting", 0, 1e6),
  )
  .option("--cache-mb <n>", "most megabytes of a model's latent cache (default 512)", integer("--cache-mb", 1, 1 << 20))
  .option(
    "--core-hour-usd <usd>",
    "what an hour of a core costs, for the bill of a reply",
    real("--core-hour-usd", 0, 1000),
    0.02,
  )
  .addOption(
    new Option("--log <form>", "a line for each request on stderr (default: none here, json for others)").choices([
      "none",
      "text",
      "json",
    ]),
  )
  .option("--json", "print one JSON object once it is ready", false)
  .addHelpText(
    "after",
    `
Examples:
  shoal serve --open
  shoal serve --model models/minnow --upstream http://127.0.0.1:8000/v1
  shoal serve --upstream https://api.deepseek.com --upstream-key-env DEEPSEEK_API_KEY
  shoal keys create ada && shoal serve --host 0.0.0.0`,
  )
  .action(async (flags: Flags) => {
    const shared = !isLoopback(flags.host);
    const requireKeys = shared || flags.requireKeys;
    const store = openStore(resolve(flags.dataDir ?? dataFolder()));
    let engine: Engine | null = null;
    try {
      if (requireKeys && !store.keys.list().some(({ revokedAt }) => revokedAt === null))
        throw new InputError(
          `${shared ? `--host ${flags.host}` : "--require-keys"} demands API keys, and there are none; make one with: shoal keys create NAME`,
        );
      engine = joinEngines(await enginesOf(flags));
      const [local = null] = localOf(flags);
      const server = createServer({
        engine,
        store,
        requireKeys,
        cors: flags.cors,
        perMinute: flags.rateLimit ?? (shared ? SHARED_RATE : 0),
        bodyLimit: flags.maxBody << 20,
        log: flags.log ?? (shared ? "json" : "none"),
        card: cardOf(local),
      });
      await run(server, engine, store, flags);
    } finally {
      await engine?.close();
      store.close();
    }
  });

/** Serves until Ctrl-C. */
async function run(server: Server, engine: Engine, store: Store, flags: Flags): Promise<void> {
  // A mistake in one answer must not end everybody's.
  process.on("unhandledRejection", (error) => console.error(error));
  await untilInterrupted(async (signal) => {
    const listening = await serve({ server, engine, store, host: flags.host, port: flags.port });
    announce(await engine.models(), engine.upstreams?.() ?? [], listening.url, flags);
    if (flags.open) openBrowser(listening.url);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (!flags.json) console.log("\nStopping …");
    await listening.close();
  });
}

/** The folders that are served. Upstreams alone leave Minnow out. */
const localOf = ({ model, upstream }: Flags): NamedModel[] =>
  namedModels(model ?? (upstream.length > 0 ? [] : [MINNOW]));

/** Local models in one thread, and each upstream by itself. */
async function enginesOf(flags: Flags): Promise<NamedEngine[]> {
  const others = flags.upstream.map(({ url, keyEnv }) => createUpstream({ url, key: keyEnv && keyOf(keyEnv) }));
  const local = localOf(flags);
  if (local.length === 0) return others;
  const { dtype, cache, threads, maxRunning, maxWaiting, cacheMb, coreHourUsd } = flags;
  const price = { coreHourUsd, cores: threads ?? availableParallelism() };
  const cacheBytes = cacheMb && cacheMb * 2 ** 20;
  const models = local.map((named) => ({ ...named, dtype, cache, cacheBytes, price }));
  const line = new QuantisingLine();
  try {
    const engine: Engine = await createEngine({ models, threads, maxRunning, maxWaiting }, line.onQuantising);
    return [{ name: "local", engine }, ...others];
  } finally {
    line.end();
  }
}

function keyOf(variable: string): string {
  const key = process.env[variable];
  if (!key) throw new InputError(`--upstream-key-env ${variable}: there is no such variable in the environment`);
  return key;
}

function announce(
  models: readonly ModelInfo[],
  upstreams: readonly UpstreamState[],
  url: string,
  { json }: Flags,
): void {
  if (json) {
    console.log(JSON.stringify({ url, models: models.map(({ id }) => id), upstreams }));
    return;
  }
  console.log(`Chat   ${url}`);
  console.log(`API    ${url}/v1 (reference: ${url}/docs)`);
  console.log(
    `Models ${models.map(({ id, owner }) => (owner === "local" ? id : `${id} (${owner})`)).join(", ") || "none can be asked yet"}`,
  );
  for (const { url: from, error } of upstreams) if (error) console.log(`       ${from}: ${error}`);
  console.log("Ctrl-C stops the server.");
}

/** Where there is no browser, the address on the screen is enough. */
function openBrowser(url: string): void {
  const [command, ...args] =
    process.platform === "darwin"
      ? ["open", url]
      : process.platform === "win32"
        ? ["cmd", "/c", "start", "", url]
        : ["xdg-open", url];
  const child = spawn(command, args, { stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
}
