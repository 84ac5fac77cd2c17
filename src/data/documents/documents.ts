/** Documents from files: text, Markdown, JSONL, JSON and Parquet, plain, gzipped or zstd-compressed, read as a stream. */
import { existsSync } from "node:fs";
import { InputError } from "../../base/index.ts";
import { BadFile } from "../containers/byte-reader.ts";
import { readParquet } from "../parquet/parquet.ts";
import { chunks, splitLines, splitText } from "./bytes.ts";
import { expandPath, formatOf } from "./files.ts";
import { parseJson } from "./json.ts";
import { splitJson } from "./json-values.ts";
import { columnsOf, type Document, documentOf, type Fields } from "./records.ts";

export interface ReadOptions extends Fields {
  /** What to do with a line or file that cannot be read: count it and go on (the default), or stop with an error. */
  onBad?: "skip" | "refuse";
  /** Told of each document that was skipped, with its place. */
  onSkipped?: (where: string, why: string) => void;
  /** Bytes of a line, or of a piece of text, that are not too many (default: DOCUMENT_LIMITS). */
  mostBytes?: number;
  /** Told of what stands in a record and is not used: once for each, with its place. */
  onNote?: (where: string, note: string) => void;
  /** Told of the bytes read from the disk, for progress. */
  onRead?: (bytes: number) => void;
  /** Ends reading. */
  signal?: AbortSignal;
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

/** The documents of a file, or of a folder's or pattern's files (see `expandPath`). A JSONL line, a record of JSON or a Parquet row holds one (see `Fields`); any other file is one document. */
export async function* readDocuments(path: string, options: ReadOptions = {}): AsyncGenerator<Document> {
  for await (const { document } of readRecords(path, options, false)) yield document;
}

/**
 * The records of a file, or of all files that a path names: JSONL lines, records of JSON, Parquet rows, or a whole text as {text}.
 * `whole` says whether all columns of Parquet are wanted, or only those of the document.
 */
export async function* readRecords(path: string, options: ReadOptions = {}, whole = true): AsyncGenerator<DataRecord> {
  // A file that is not there is told of by those who open it.
  const files = existsSync(path) || path.includes("*") ? expandPath(path) : [path];
  for (const file of files) yield* recordsOfFile(file, options, whole);
}

async function* recordsOfFile(path: string, options: ReadOptions, whole: boolean): AsyncGenerator<DataRecord> {
  if (formatOf(path) === "text") {
    yield* readTexts(path, options);
    return;
  }
  for await (const { json, where } of readObjects(path, options, whole ? undefined : columnsOf(options))) {
    const document = documentOf(json, options, (note) => options.onNote?.(where, note));
    if (typeof document === "string") bad(where, document, options);
    else yield { document, json: json as Record<string, unknown>, where };
  }
}

/**
 * The values of a JSONL, JSON or Parquet file, each with its place; of Parquet only the `columns` that are named. Bad ones are skipped or refused.
 * @throws InputError for a file of another format
 */
export async function* readObjects(
  path: string,
  options: ReadOptions = {},
  columns?: readonly string[],
): AsyncGenerator<{ json: unknown; where: string }> {
  const format = formatOf(path);
  if (format === "text") throw new InputError(`${path}: records are read from .jsonl, .json and .parquet`);
  if (format === "parquet") yield* readRows(path, options, columns);
  else yield* readJson(path, format, options);
}

/** A JSON value's place is its line in JSONL ("file:line"), and its number in JSON. Empty lines are passed over. */
async function* readJson(
  path: string,
  format: "json" | "jsonl",
  options: ReadOptions,
): AsyncGenerator<{ json: unknown; where: string }> {
  const most = options.mostBytes ?? DOCUMENT_LIMITS.lineBytes;
  const bytes = chunks(path, options.onRead);
  let number = 0;
  let first = true;
  /** The first line, while it may be the beginning of one value over several lines. */
  let opening: { where: string; why: string } | null = null;
  const tellOpening = (): void => {
    if (opening !== null) bad(opening.where, opening.why, options);
    opening = null;
  };
  try {
    for await (const value of format === "jsonl" ? splitLines(bytes, most) : splitJson(bytes, most)) {
      options.signal?.throwIfAborted();
      number++;
      const where = format === "jsonl" ? `${path}:${number}` : `${path} (record ${number})`;
      const unit = format === "jsonl" ? "line" : "record";
      const text = value === null ? null : decodeUtf8(value);
      if (value === null) bad(where, `${unit} too long (more than ${most} bytes)`, options);
      else if (text === null) bad(where, "not UTF-8", options);
      else if (text.trim() !== "") {
        const json = parseJson(text);
        const isFirst = first;
        first = false;
        if ("value" in json) {
          tellOpening();
          yield { json: json.value, where };
        } else if (isFirst && format === "jsonl" && /^\s*[[{][\s[{]*$/.test(text)) opening = { where, why: json.why };
        else {
          if (opening !== null) throw new BadFile("one JSON value over several lines (name it .json)");
          bad(where, json.why, options);
        }
      }
    }
    tellOpening();
    if (number === 0 && format === "json") bad(path, "empty", options);
  } catch (error) {
    if (!(error instanceof BadFile)) throw error;
    const last = format === "jsonl" ? "line" : "record";
    bad(number > 0 && opening === null ? `${path} after ${last} ${number}` : path, error.message, options);
  }
}

async function* readRows(
  path: string,
  options: ReadOptions,
  columns?: readonly string[],
): AsyncGenerator<{ json: unknown; where: string }> {
  try {
    const rows = readParquet(path, {
      columns,
      onBad: (where, why) => bad(where, why, options),
      onRead: options.onRead,
      signal: options.signal,
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
      options.signal?.throwIfAborted();
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

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
