/** Where a corpus comes from: files, a data set of the Hugging Face hub, or a generator of tasks. */
import { statSync } from "node:fs";
import { type DatasetName, type DownloadOptions, datasetFiles } from "../../hub/index.ts";
import type { ChatMessage } from "../../text/index.ts";
import { hashShare } from "../cleaning/hash-share.ts";
import { type ReadOptions, readDocuments } from "../documents/documents.ts";
import { type FoundFiles, findFiles, isReadable } from "../documents/files.ts";
import { conversation, type Document, type Fields } from "../documents/records.ts";
import { EXERCISES_VERSION, type ExerciseKind, generateExercise } from "../exercises/index.ts";
import { generateApart, generateTask, TASKS_VERSION, type TaskKind } from "../tasks/index.ts";
import { type ContentOptions, contentOf } from "./content.ts";

/** A share of the documents, chosen by the hash of their text, is kept for validation; a source has either these or the others. */
export interface Held {
  /** 0.005: one document in 200. */
  share: number;
  part: "training" | "validation";
}

export type CorpusSource = (
  | /** A file, a folder or a pattern, and of a folder what else is read as text (see `findFiles`). */ ({
      path: string;
      include?: readonly string[];
    } & Fields)
  /** A data set of the hub, downloaded once. */
  | (DatasetName & Fields)
  /** `count` training tasks, of each of the kinds in turn; with `apart`, only problems that tests do not have (see tasks/apart.ts). */
  | { tasks: readonly TaskKind[]; count: number; seed: number; apart?: boolean }
  /** `count` exercises for training, of each of the kinds in turn: never of the problems, names and phrases that tests have. */
  | { exercises: readonly ExerciseKind[]; count: number; seed: number }
) & { held?: Held };

type Generated = Extract<CorpusSource, { count: number }>;

/** A name for messages. */
export function labelOf(source: CorpusSource): string {
  if ("path" in source) return source.path;
  if ("tasks" in source) return `tasks ${source.tasks.join("+")}`;
  if ("exercises" in source) return `exercises ${source.exercises.join("+")}`;
  return [source.dataset, source.config, source.split].filter((part) => part !== undefined).join("/");
}

/** A source whose files are here. */
export interface OpenSource {
  source: CorpusSource;
  /** None for what is generated. */
  files: string[];
  /** What of a folder is not read. */
  passedOver: FoundFiles["passedOver"];
  /** What tells its documents from others': the content of files, or all that a generator depends on; and the settings that they are read with. */
  identity(options: ContentOptions): Promise<unknown>;
  /** Bytes of the files on disk. */
  bytes: number;
}

/** The files of a data set that hold documents, downloaded where they are not here. @throws InputError as `datasetFiles` */
export const documentFiles = (name: DatasetName, options: DownloadOptions = {}): Promise<string[]> =>
  datasetFiles(name, isReadable, options);

/** Finds a source's files, downloading those that are not here yet. @throws InputError if there are none */
export async function openSource(source: CorpusSource, options: DownloadOptions = {}): Promise<OpenSource> {
  if ("count" in source) {
    const identity = [...generatorOf(source), source.count, source.seed, settingsOf(source)];
    return { source, files: [], passedOver: {}, identity: async () => identity, bytes: 0 };
  }
  const found: FoundFiles =
    "path" in source
      ? findFiles(source.path, source.include)
      : { files: await documentFiles(source, options), passedOver: {} };
  const identity = async (options: ContentOptions): Promise<unknown> => {
    const contents: string[][] = [];
    for (const file of found.files) contents.push(await contentOf(file, options));
    return [contents, settingsOf(source)];
  };
  return { source, ...found, identity, bytes: found.files.reduce((sum, file) => sum + statSync(file).size, 0) };
}

/** Which documents a generator makes, but for their number and seed. */
const generatorOf = (source: Generated): unknown[] =>
  "tasks" in source
    ? [TASKS_VERSION, source.tasks, ...(source.apart ? ["apart"] : [])]
    : ["exercises", EXERCISES_VERSION, source.exercises];

/** What changes the documents that are made of the same content. */
function settingsOf(source: CorpusSource): unknown {
  const { field, promptField, replyField } = source as Fields;
  return [{ field, promptField, replyField }, source.held];
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
  const wanted = (document: Document) => {
    options.signal?.throwIfAborted();
    return !held || hashShare(textOf(document)) < held.share === (held.part === "validation");
  };
  if ("count" in source) {
    for (const document of generated(source)) if (wanted(document)) yield document;
    return;
  }
  const { field, promptField, replyField } = source;
  for (const file of files)
    for await (const document of readDocuments(file, { ...options, field, promptField, replyField }))
      if (wanted(document)) yield document;
}

function* generated(source: Generated): Generator<Document> {
  const { count, seed } = source;
  for (let i = 0; i < count; i++) {
    if ("tasks" in source) {
      const { tasks, apart } = source;
      const generate = apart ? generateApart : generateTask;
      const { prompt, reply } = generate(tasks[i % tasks.length], "train", seed, Math.floor(i / tasks.length));
      yield { messages: conversation(prompt, reply) };
    } else {
      const { exercises } = source;
      const kind = exercises[i % exercises.length];
      yield { messages: generateExercise(kind, "train", seed, Math.floor(i / exercises.length)).turns };
    }
  }
}

/** All words of a document, those of tool calls too: what differs in them is not the same. */
export const textOf = (document: Document): string =>
  "text" in document ? document.text : document.messages.flatMap(wordsOf).join("\n");

const wordsOf = ({ content, toolCalls = [] }: ChatMessage): string[] => [
  content,
  ...toolCalls.map((call) => `${call.name} ${call.arguments}`),
];
