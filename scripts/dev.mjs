/**
 * `npm run dev`: the server, started again whenever its sources change, and the site's sources, reloaded in the page as they change.
 * Arguments go to `shoal serve`. The page is on the address that Vite prints; it asks the server on port 3000 (or --port). Conversations are kept
 * in runs/dev, away from one's own.
 */
import { spawn } from "node:child_process";
import { watch } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Milliseconds without a further change before the server starts again: editors write several files at once. */
const QUIET = 200;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const args = process.argv.slice(2);
if (!args.includes("--data-dir")) args.push("--data-dir", join(root, "runs", "dev"));
const place = args.indexOf("--port");
const port = place >= 0 ? args[place + 1] : "3000";
const run = (...command) =>
  spawn(process.execPath, command, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, SHOAL_API: `http://127.0.0.1:${port}` },
  });

const site = run(join(root, "node_modules", "vite", "bin", "vite.js"), "--config", join(root, "web", "vite.config.ts"));
const startServer = () => run(join(root, "src", "cli", "main.ts"), "serve", ...args);
let server = startServer();
let restarting = false;

// Node's own --watch sends messages of its own through worker threads, which the engine's thread does not expect.
let timer;
watch(join(root, "src"), { recursive: true }, (_, name) => {
  if (!name?.endsWith(".ts") || name.endsWith(".test.ts")) return;
  clearTimeout(timer);
  timer = setTimeout(restart, QUIET, name);
});

function restart(name) {
  if (restarting) return;
  restarting = true;
  console.log(`src/${name} changed: starting the server again`);
  const begin = () => {
    restarting = false;
    server = startServer();
  };
  if (server.exitCode !== null || server.signalCode !== null) begin();
  else {
    server.once("exit", begin);
    server.kill("SIGTERM");
  }
}

function end() {
  site.kill("SIGTERM");
  server.kill("SIGTERM");
  process.exit();
}
site.on("exit", end);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, end);
