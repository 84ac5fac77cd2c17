/** Where a corpus comes from: files, or a generator of tasks. */
import { statSync } from "node:fs";
import { basename } from "node:path";
import { conversation, type Document, type ReadOptions, readDocuments } from "./documents.ts";
import { expandPath } from "./files.ts";
import { generateTask, TASKS_VERSION, type TaskKind } from "./tasks/index.ts";

export type CorpusSource =
  /** A file, a folder or a pattern (see `expandPath`). */
  | { path: string }
  /** `count` training tasks, of each of the kinds in turn. */
  | { tasks: readonly TaskKind[]; count: number; seed: number };

/** A name for messages. */
export function labelOf(source: CorpusSource): string {
  return "path" in source ? source.path : `tasks ${source.tasks.join("+")}`;
}

/** What tells this source's documents from others': names, sizes and times of files, or all that a generator depends on. */
export function identityOf(source: CorpusSource): unknown {
  if ("tasks" in source) return [TASKS_VERSION, source.tasks, source.count, source.seed];
  return expandPath(source.path).map((file) => [basename(file), statSync(file).size, statSync(file).mtimeMs]);
}

export async function* documentsOf(source: CorpusSource, options: ReadOptions = {}): AsyncGenerator<Document> {
  if ("path" in source) {
    for (const file of expandPath(source.path)) yield* readDocuments(file, options);
    return;
  }
  const { tasks, count, seed } = source;
  for (let i = 0; i < count; i++) {
    const kind = tasks[i % tasks.length];
    const { prompt, reply } = generateTask(kind, "train", seed, Math.floor(i / tasks.length));
    yield { messages: conversation(prompt, reply) };
  }
}
