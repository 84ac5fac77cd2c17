/** Data: documents in, packed batches out. */
export { explainSkipped, type TokeniseOptions, type TokeniseProgress, tokenise, tokenizerHash } from "./corpus.ts";
export type { Corpus } from "./corpus-file.ts";
export {
  type DataRecord,
  DOCUMENT_LIMITS,
  type Document,
  type Fields,
  type ReadOptions,
  readDocuments,
  readJsonLines,
  readRecords,
  reasonOf,
} from "./documents.ts";
export { expandPath } from "./files.ts";
export { type DatasetName, type DownloadOptions, datasetFiles, HUB_LIMITS } from "./hub.ts";
export { type Cursor, Mixture, type MixtureOptions, type Packing, type Source } from "./mixture.ts";
export { type PreferencePair, type Reply, readPreferences } from "./preferences.ts";
export { type CorpusSource, type DocumentOptions, documentsOf, type Held, labelOf, textOf } from "./sources.ts";
export {
  checkTask,
  generateApart,
  generateTask,
  type Outcome,
  type Program,
  problemOf,
  runProgram,
  SANDBOX_LIMITS,
  type Split,
  TASK_KINDS,
  type Task,
  type TaskKind,
  type TrainedOn,
  unseenTasks,
  type Verdict,
} from "./tasks/index.ts";
