/** Which files a path names: itself, a folder's, or those that match a pattern. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";

const READABLE = /\.(txt|md|jsonl|ndjson|parquet)(\.(gz|zst))?$/;

/** What a file holds, by its name; anything unknown is text. */
export function formatOf(path: string): "jsonl" | "parquet" | "text" {
  const plain = path.replace(/\.(gz|zst)$/, "");
  return /\.(jsonl|ndjson)$/.test(plain) ? "jsonl" : plain.endsWith(".parquet") ? "parquet" : "text";
}

export const isReadable = (name: string): boolean => READABLE.test(name);

/**
 * The files that a path names: itself, everything readable in a folder and below it, or what a pattern matches: * stands for any part of a
 * name, ** for any folders. In order of name.
 * @throws InputError if there are none
 */
export function expandPath(path: string): string[] {
  if (path.includes("*")) return expandPattern(path);
  if (!existsSync(path)) throw new InputError(`${path}: there is no such file or folder`);
  if (!statSync(path).isDirectory()) return [path];
  const found = readdirSync(path, { recursive: true, encoding: "utf8" }).filter(isReadable).sort();
  if (found.length === 0)
    throw new InputError(`${path}: holds no .txt, .md, .jsonl or .parquet file (plain, .gz or .zst)`);
  return found.map((name) => join(path, name));
}

function expandPattern(path: string): string[] {
  const parts = path.split("/");
  const first = parts.findIndex((part) => part.includes("*"));
  // The folder above the first star; "" is the root where the path begins with "/".
  const dir = first === 0 ? "." : parts.slice(0, first).join("/") || "/";
  const rest = parts.slice(first);
  const source = rest.map((part, i) => {
    const last = i === rest.length - 1;
    if (part === "**") return last ? ".*" : "(?:[^/]+/)*";
    const name = part.replace(/[\\^$.+?()[\]{}|]/g, "\\$&").replaceAll("*", "[^/]*");
    return last ? name : `${name}/`;
  });
  const pattern = new RegExp(`^${source.join("")}$`);
  const deep = rest.length > 1 || rest[0] === "**";
  const names = existsSync(dir) ? readdirSync(dir, { recursive: deep, encoding: "utf8" }) : [];
  const found = names.filter((name) => pattern.test(name) && isReadable(name)).sort();
  if (found.length === 0) throw new InputError(`${path}: no file matches`);
  return found.map((name) => join(dir, name));
}
