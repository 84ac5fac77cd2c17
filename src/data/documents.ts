/** Documents from files: text, Markdown and JSONL, plain, gzipped or zstd-compressed, read as a stream. */
import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { pipeline } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { InputError } from "../tensor/index.ts";
import type { ChatMessage } from "../text/index.ts";

export type Document = { text: string; slice?: string } | { messages: ChatMessage[]; slice?: string };

export interface ReadOptions {
  /** What to do with a line or file that cannot be read: count it and go on (the default), or stop with an error. */
  onBad?: "skip" | "refuse";
  /** Told of each document that was skipped, with its place. */
  onSkipped?: (where: string, why: string) => void;
}

export const DOCUMENT_LIMITS = { lineBytes: 256 * 2 ** 20 };

const ROLES = new Set(["system", "user", "assistant"]);

/**
 * The files that a path names: itself, everything readable in a folder, or what a pattern with * in its last part matches. In order of name.
 * @throws InputError if there are none
 */
export function expandPath(path: string): string[] {
  const known = (name: string) => /\.(txt|md|jsonl|ndjson)(\.(gz|zst))?$/.test(name);
  if (path.includes("*")) {
    const dir = join(path, "..");
    const pattern = new RegExp(
      `^${basename(path)
        .split("*")
        .map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, "\\$&"))
        .join(".*")}$`,
    );
    const found = existsSync(dir) ? readdirSync(dir).filter((name) => pattern.test(name) && known(name)) : [];
    if (found.length === 0) throw new InputError(`${path}: no file matches`);
    return found.sort().map((name) => join(dir, name));
  }
  if (!existsSync(path)) throw new InputError(`${path}: there is no such file or folder`);
  if (!statSync(path).isDirectory()) return [path];
  const found = readdirSync(path, { recursive: true, encoding: "utf8" }).filter(known).sort();
  if (found.length === 0) throw new InputError(`${path}: holds no .txt, .md or .jsonl file (plain, .gz or .zst)`);
  return found.map((name) => join(path, name));
}

/** The documents of one file. A JSONL line holds {text} or {messages: [{role, content}]}; any other file is one document. */
export async function* readDocuments(path: string, options: ReadOptions = {}): AsyncGenerator<Document> {
  if (!/\.(jsonl|ndjson)(\.(gz|zst))?$/.test(path)) {
    const text = decodeUtf8(Buffer.concat(await collect(path)));
    if (text === null) bad(path, "not UTF-8", options);
    else if (text.trim() === "") bad(path, "empty", options);
    else yield { text };
    return;
  }
  for await (const { json, where } of readJsonLines(path, options)) {
    const document = documentOf(json);
    if (typeof document === "string") bad(where, document, options);
    else yield document;
  }
}

/** The values of a JSONL file, each with its place ("file:line"). Empty lines are passed over; bad ones are skipped or refused. */
export async function* readJsonLines(
  path: string,
  options: ReadOptions = {},
): AsyncGenerator<{ json: unknown; where: string }> {
  let number = 0;
  for await (const bytes of lines(path)) {
    number++;
    const where = `${path}:${number}`;
    const text = bytes === null ? null : decodeUtf8(bytes);
    if (bytes === null) bad(where, `line longer than ${DOCUMENT_LIMITS.lineBytes} bytes`, options);
    else if (text === null) bad(where, "not UTF-8", options);
    else if (text.trim() !== "") {
      let json: unknown;
      try {
        json = JSON.parse(text);
      } catch (error) {
        bad(where, `not valid JSON (${(error as Error).message.split("\n")[0].slice(0, 80)})`, options);
        continue;
      }
      yield { json, where };
    }
  }
}

function bad(where: string, why: string, options: ReadOptions): void {
  if (options.onBad === "refuse") throw new InputError(`${where}: ${why}`);
  options.onSkipped?.(where, why);
}

/** A document, or why the line holds none. */
function documentOf(json: unknown): Document | string {
  if (typeof json !== "object" || json === null) return "must be an object with text or messages";
  const { text, messages, slice } = json as Record<string, unknown>;
  const tag = typeof slice === "string" ? { slice } : {};
  if (typeof text === "string") return text.trim() === "" ? "empty text" : { text, ...tag };
  if (!Array.isArray(messages) || messages.length === 0) return "has neither text nor messages";
  for (const message of messages) {
    if (!ROLES.has(message?.role) || typeof message.content !== "string")
      return "messages need a role (system, user or assistant) and a content";
  }
  return { messages: messages.map(({ role, content }) => ({ role, content })), ...tag };
}

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** The file's bytes, decompressed, chunk by chunk. @throws InputError if it cannot be read or its compression is damaged */
async function* chunks(path: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path);
  const unpack = path.endsWith(".zst") ? createZstdDecompress() : path.endsWith(".gz") ? createGunzip() : null;
  const stream = unpack ? pipeline(file, unpack, () => {}) : file;
  try {
    for await (const chunk of stream) yield chunk as Buffer;
  } catch (error) {
    throw new InputError(`${path}: cannot be read: ${(error as Error).message.split("\n")[0]}`);
  } finally {
    file.destroy();
  }
}

async function collect(path: string): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks(path)) parts.push(chunk);
  return parts;
}

/** Lines without their ends; null in place of one that is longer than the limit. */
async function* lines(path: string): AsyncGenerator<Buffer | null> {
  let parts: Buffer[] = [];
  let length = 0;
  let tooLong = false;
  const take = (): Buffer | null => {
    const line = tooLong ? null : Buffer.concat(parts, length);
    parts = [];
    length = 0;
    tooLong = false;
    return line;
  };
  for await (const chunk of chunks(path)) {
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      length += end - from;
      yield take();
      from = end + 1;
    }
    if (tooLong) continue;
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > DOCUMENT_LIMITS.lineBytes) {
      tooLong = true;
      parts = [];
    }
  }
  if (length > 0 || tooLong) yield take();
}
