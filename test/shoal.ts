/** Runs the command line in a process of its own, as a user would. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const MAIN = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));

export interface Ended {
  code: number | null;
  out: string;
  errors: string;
}

/** A command to its end. */
export function shoal(args: readonly string[], input = "", env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...process.env, NO_COLOR: "1", ...env },
      timeout: 60_000,
    });
    const ended: Ended = { code: null, out: "", errors: "" };
    child.stdout.on("data", (chunk) => {
      ended.out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      ended.errors += chunk;
    });
    child.on("close", (code) => resolve({ ...ended, code }));
    child.stdin.end(input);
  });
}
