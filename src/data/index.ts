/** Data: documents in, packed batches out. */
export { ContaminationIndex, ITEM_FIELDS, itemTexts, type Overlap } from "./contamination.ts";
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
export { type Duplicate, DuplicateFinder, type DuplicateOptions } from "./duplicates.ts";
export { encodeDocuments } from "./encode.ts";
export { expandPath } from "./files.ts";
export { hashShare } from "./hash-share.ts";
export { type DatasetName, type DownloadOptions, datasetFiles, HUB_LIMITS } from "./hub.ts";
export { type Cursor, Mixture, type MixtureOptions, type Packing, type Source } from "./mixture.ts";
export { type PreferencePair, type Reply, readPreferences } from "./preferences.ts";
export { writeRecords } from "./record-writer.ts";
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
