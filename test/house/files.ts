/** The repository's own files, for tests that read the code. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What is made, not written: never read by a house test. */
const MADE = new Set([".git", ".cache", ".setup.lock", "build", "dist", "node_modules", "prebuilds", "runs"]);

/** Paths of all files below `folder` (relative to the root) whose names match, sorted, with forward slashes. */
export function listFiles(folder: string, name: RegExp): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory() && !MADE.has(entry.name)) found.push(...listFiles(path, name));
    else if (entry.isFile() && name.test(entry.name)) found.push(path);
  }
  return found.sort();
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

export function readAll(paths: readonly string[]): Map<string, string> {
  return new Map(paths.map((path) => [path, readText(path)]));
}
