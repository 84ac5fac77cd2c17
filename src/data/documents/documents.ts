/** Documents from files: text, Markdown, JSONL and Parquet, plain, gzipped or zstd-compressed, read as a stream. */
import { InputError } from "../../base/index.ts";
import type { ChatMessage } from "../../text/index.ts";
import { BadFile, chunks, splitLines, splitText } from "./bytes.ts";
import { formatOf } from "./files.ts";
import { readParquet } from "./parquet.ts";

export type Document = { text: string; slice?: string } | { messages: ChatMessage[]; slice?: string };

/** Where in a record the document is. Without any: a text in `text`, else a conversation in `messages` or `conversations`. */
export interface Fields {
  /** The field of a text or of a conversation. */
  field?: string;
  /** The fields of a question and of its reply, which become a conversation. */
  promptField?: string;
  replyField?: string;
}

export interface ReadOptions extends Fields {
  /** What to do with a line or file that cannot be read: count it and go on (the default), or stop with an error. */
  onBad?: "skip" | "refuse";
  /** Told of each document that was skipped, with its place. */
  onSkipped?: (where: string, why: string) => void;
  /** Bytes of a line, or of a piece of text, that are not too many (default: DOCUMENT_LIMITS). */
  mostBytes?: number;
  /** Told of the bytes read from the disk, for progress. */
  onRead?: (bytes: number) => void;
}

export const DOCUMENT_LIMITS = {
  /** A line of JSONL that is longer is bad. */
  lineBytes: 64 * 2 ** 20,
  /** A text that is longer becomes several documents, cut at an empty line or a line's end. */
  textBytes: 2 ** 20,
};

/** A document with the record that it stood in, whole, and its place. */
export interface DataRecord {
  document: Document;
  json: Record<string, unknown>;
  where: string;
}

/** The reason of a skipped document without what is special to it: what counts are kept by. */
export const reasonOf = (why: string): string => why.split(" (")[0];

/** Skips and counts what is bad, or refuses it, as the options say. */
function bad(where: string, why: string, options: ReadOptions): void {
  if (options.onBad === "refuse") throw new InputError(`${where}: ${why}`);
  options.onSkipped?.(where, why);
}

/** The documents of one file. A JSONL line or a Parquet row holds one (see `Fields`); any other file is one document. */
export async function* readDocuments(path: string, options: ReadOptions = {}): AsyncGenerator<Document> {
  for await (const { document } of readRecords(path, options, false)) yield document;
}

/**
 * The records of one file: JSONL lines, Parquet rows, or a whole text as {text}.
 * `whole` says whether all columns of Parquet are wanted, or only those of the document.
 */
export async function* readRecords(path: string, options: ReadOptions = {}, whole = true): AsyncGenerator<DataRecord> {
  const format = formatOf(path);
  if (format === "text") {
    yield* readTexts(path, options);
    return;
  }
  const records = format === "parquet" ? readRows(path, options, whole) : readJsonLines(path, options);
  for await (const { json, where } of records) {
    const document = documentOf(json, options);
    if (typeof document === "string") bad(where, document, options);
    else yield { document, json: json as Record<string, unknown>, where };
  }
}

/** The values of a JSONL file, each with its place ("file:line"). Empty lines are passed over; bad ones are skipped or refused. */
export async function* readJsonLines(
  path: string,
  options: ReadOptions = {},
): AsyncGenerator<{ json: unknown; where: string }> {
  const most = options.mostBytes ?? DOCUMENT_LIMITS.lineBytes;
  let number = 0;
  try {
    for await (const bytes of splitLines(chunks(path, options.onRead), most)) {
      number++;
      const where = `${path}:${number}`;
      const text = bytes === null ? null : decodeUtf8(bytes);
      if (bytes === null) bad(where, `line too long (more than ${most} bytes)`, options);
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
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    bad(number > 0 ? `${path} after line ${number}` : path, error.message, options);
  }
}

async function* readRows(
  path: string,
  options: ReadOptions,
  whole: boolean,
): AsyncGenerator<{ json: unknown; where: string }> {
  try {
    const rows = readParquet(path, {
      columns: whole ? undefined : [...documentFields(options), "slice"],
      onBad: (where, why) => bad(where, why, options),
      onRead: options.onRead,
    });
    for await (const { row, where } of rows) yield { json: row, where };
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    bad(path, error.message, options);
  }
}

async function* readTexts(path: string, options: ReadOptions): AsyncGenerator<DataRecord> {
  const most = options.mostBytes ?? DOCUMENT_LIMITS.textBytes;
  let pieces = 0;
  try {
    for await (const bytes of splitText(chunks(path, options.onRead), most)) {
      pieces++;
      const where = pieces === 1 ? path : `${path} (piece ${pieces})`;
      const text = bytes === null ? null : decodeUtf8(bytes);
      if (bytes === null) bad(where, `line too long (more than ${most} bytes)`, options);
      else if (text === null) bad(where, "not UTF-8", options);
      else if (text.includes("\0")) bad(where, "not text (it holds a zero byte)", options);
      else if (text.trim() === "") bad(where, "empty", options);
      else yield { document: { text }, json: { text }, where };
    }
    if (pieces === 0) bad(path, "empty", options);
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    bad(path, error.message, options);
  }
}

const ROLES: Record<string, ChatMessage["role"]> = {
  system: "system",
  user: "user",
  assistant: "assistant",
  // As conversations of {from, value} name them.
  human: "user",
  gpt: "assistant",
};

const documentFields = ({ field, promptField, replyField }: Fields): string[] => {
  if (promptField !== undefined || replyField !== undefined) return [promptField ?? "prompt", replyField ?? "reply"];
  return field === undefined ? ["text", "messages", "conversations"] : [field];
};

/** A document, or why the record holds none. */
function documentOf(json: unknown, fields: Fields): Document | string {
  const names = documentFields(fields);
  if (typeof json !== "object" || json === null) return `not an object with ${names.join(" or ")}`;
  const record = json as Record<string, unknown>;
  const tag = typeof record.slice === "string" ? { slice: record.slice } : {};
  if (fields.promptField !== undefined || fields.replyField !== undefined) {
    const [prompt, reply] = names.map((name) => record[name]);
    if (typeof prompt !== "string" || typeof reply !== "string") return `has no ${names.join(" and ")} as text`;
    if (prompt.trim() === "" || reply.trim() === "") return "empty";
    return { messages: conversation(prompt, reply), ...tag };
  }
  const name = names.find((name) => typeof record[name] === "string" || Array.isArray(record[name]));
  if (name === undefined) return `has no ${names.length > 1 ? "text or messages" : names[0]}`;
  const value = record[name];
  if (typeof value === "string") return value.trim() === "" ? "empty" : { text: value, ...tag };
  const messages = (value as unknown[]).map(messageOf);
  if (messages.length === 0) return "empty";
  if (messages.some((message) => message === null))
    return "messages without a role (system, user or assistant) and a content";
  return { messages: messages as ChatMessage[], ...tag };
}

/** A question and its reply. */
export const conversation = (prompt: string, reply: string): ChatMessage[] => [
  { role: "user", content: prompt },
  { role: "assistant", content: reply },
];

function messageOf(message: unknown): ChatMessage | null {
  const { role, from, content, value } = (message ?? {}) as Record<string, unknown>;
  const name = role ?? from;
  const text = content ?? value;
  if (typeof name !== "string" || !Object.hasOwn(ROLES, name) || typeof text !== "string") return null;
  return { role: ROLES[name], content: text };
}

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
