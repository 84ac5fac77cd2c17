/** `shoal serve` in a process of its own, as a user would run it. */
import { type ChildProcess, spawn } from "node:child_process";
import { afterAll } from "vitest";
import { MAIN } from "./shoal.ts";

export interface Serving {
  url: string;
  process: ChildProcess;
  /** All that it has written to stderr. */
  errors: () => string;
  /** Sends a signal and waits for the end: the exit code, or null where the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Servers that run, whichever test started them: ended after the tests of the file, in which this module is loaded anew. */
const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a server on a free port and waits until it is ready; it is ended after the tests of the file. */
export async function startServing(args: readonly string[], env: Record<string, string> = {}): Promise<Serving> {
  const child = spawn(process.execPath, [MAIN, "serve", "--port", "0", "--json", ...args], {
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  child.on("exit", () => running.delete(child));
  let errors = "";
  child.stderr.on("data", (piece) => {
    errors += piece;
  });
  const exited = new Promise<number | null>((resolve) => child.on("exit", (code) => resolve(code)));
  const ready = new Promise<string>((resolve) => {
    let out = "";
    child.stdout.on("data", (piece) => {
      out += piece;
      if (out.includes("\n")) resolve(out);
    });
  });
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return exited;
  };
  const first = await Promise.race([ready, exited]);
  if (typeof first !== "string") throw new Error(`the server ended (${first}): ${errors}`);
  return { url: (JSON.parse(first) as { url: string }).url, process: child, errors: () => errors, end };
}
