/**
 * A server under load: `shoal serve` in a process of its own, and as many clients as told in this one.
 *   node bench/load.ts [--clients 64] [--seconds 60] [--json] [-- ARGUMENTS OF shoal serve]
 * First one client alone, then all of them with short prompts (what continuous batching gains), then for --seconds all of them with random
 * leaving and a quarter long prompts. Memory and cache rows are compared with what they were before that. Exits 1 if anything went wrong.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { benchServer, describeServerLoad } from "../src/serve/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clients: { type: "string", default: "64" },
    seconds: { type: "string", default: "60" },
    json: { type: "boolean", default: false },
  },
});
const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const { clients, seconds, json } = values;
const result = await benchServer(main, { clients: Number(clients), seconds: Number(seconds), args: positionals });
console.log(json ? JSON.stringify(result) : describeServerLoad(result));
if (!result.passed) process.exitCode = 1;
