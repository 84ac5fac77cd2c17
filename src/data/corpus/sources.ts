/** Where a corpus comes from: files, a data set of the Hugging Face hub, or a generator of tasks. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { type DatasetName, type DownloadOptions, datasetFiles } from "../../hub/index.ts";
import { hashShare } from "../cleaning/hash-share.ts";
import { type ReadOptions, readDocuments } from "../documents/documents.ts";
import { expandPath, isReadable } from "../documents/files.ts";
import { conversation, type Document, type Fields } from "../documents/records.ts";
import { generateApart, generateTask, TASKS_VERSION, type TaskKind } from "../tasks/index.ts";

/** A share of the documents, chosen by the hash of their text, is kept for validation; a source has either these or the others. */
export interface Held {
  /** 0.005: one document in 200. */
  share: number;
  part: "training" | "validation";
}

export type CorpusSource = (
  | /** A file, a folder or a pattern (see `expandPath`). */ ({ path: string } & Fields)
  /** A data set of the hub, downloaded once. */
  | (DatasetName & Fields)
  /** `count` training tasks, of each of the kinds in turn; with `apart`, only problems that tests do not have (see tasks/apart.ts). */
  | { tasks: readonly TaskKind[]; count: number; seed: number; apart?: boolean }
) & { held?: Held };

/** A name for messages. */
export function labelOf(source: CorpusSource): string {
  if ("path" in source) return source.path;
  if ("tasks" in source) return `tasks ${source.tasks.join("+")}`;
  return [source.dataset, source.config, source.split].filter((part) => part !== undefined).join("/");
}

/** A source whose files are here. */
export interface OpenSource {
  source: CorpusSource;
  /** None for tasks. */
  files: string[];
  /** What tells its documents from others': names, sizes and times of files, or all that a generator depends on. */
  identity: unknown;
  /** Bytes of the files on disk. */
  bytes: number;
}

/** The files of a data set that hold documents, downloaded where they are not here. @throws InputError as `datasetFiles` */
export const documentFiles = (name: DatasetName, options: DownloadOptions = {}): Promise<string[]> =>
  datasetFiles(name, isReadable, options);

/** Finds a source's files, downloading those that are not here yet. @throws InputError if there are none */
export async function openSource(source: CorpusSource, options: DownloadOptions = {}): Promise<OpenSource> {
  if ("tasks" in source) {
    const { tasks, count, seed, apart } = source;
    const identity = identityOf([TASKS_VERSION, tasks, count, seed, ...(apart ? ["apart"] : [])], source);
    return { source, files: [], identity, bytes: 0 };
  }
  const files = "path" in source ? expandPath(source.path) : await documentFiles(source, options);
  const stats = files.map((file) => ({ name: basename(file), ...sizeAndTime(file) }));
  // A download's time says nothing of its content; its folder is of one revision.
  const own =
    "path" in source ? [] : [source.dataset, source.config ?? null, source.split ?? null, source.revision ?? null];
  const known = stats.map(({ name, size, time }) => ("path" in source ? [name, size, time] : [name, size]));
  const identity = identityOf([...own, ...known], source);
  return { source, files, identity, bytes: stats.reduce((sum, { size }) => sum + size, 0) };
}

function sizeAndTime(file: string): { size: number; time: number } {
  const { size, mtimeMs } = statSync(file);
  return { size, time: mtimeMs };
}

/** Settings of a source that are not the default's, behind what it is. */
function identityOf(own: unknown[], source: CorpusSource): unknown {
  const { field, promptField, replyField } = source as Fields;
  const fields = { field, promptField, replyField };
  const changed = Object.values(fields).some((value) => value !== undefined);
  return [...own, ...(changed ? [fields] : []), ...(source.held ? [source.held] : [])];
}

export interface DocumentOptions extends Omit<ReadOptions, keyof Fields>, DownloadOptions {}

/** The documents of a source, in order. */
export async function* documentsOf(source: CorpusSource, options: DocumentOptions = {}): AsyncGenerator<Document> {
  yield* documentsOfOpen(await openSource(source, options), options);
}

export async function* documentsOfOpen(
  { source, files }: OpenSource,
  options: DocumentOptions = {},
): AsyncGenerator<Document> {
  const { held } = source;
  const wanted = (document: Document) =>
    !held || hashShare(textOf(document)) < held.share === (held.part === "validation");
  if ("tasks" in source) {
    for (const document of taskDocuments(source)) if (wanted(document)) yield document;
    return;
  }
  const { field, promptField, replyField } = source;
  for (const file of files)
    for await (const document of readDocuments(file, { ...options, field, promptField, replyField }))
      if (wanted(document)) yield document;
}

function* taskDocuments({ tasks, count, seed, apart }: Extract<CorpusSource, { tasks: unknown }>): Generator<Document> {
  const generate = apart ? generateApart : generateTask;
  for (let i = 0; i < count; i++) {
    const { prompt, reply } = generate(tasks[i % tasks.length], "train", seed, Math.floor(i / tasks.length));
    yield { messages: conversation(prompt, reply) };
  }
}

/** All words of a document. */
export const textOf = (document: Document): string =>
  "text" in document ? document.text : document.messages.map(({ content }) => content).join("\n");
