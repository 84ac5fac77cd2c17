/** Data: documents in, packed batches out. */

export { type DatasetName, type DownloadOptions, HUB_LIMITS } from "../hub/index.ts";
export { ContaminationIndex, ITEM_FIELDS, isQuestion, itemTexts, type Overlap } from "./cleaning/contamination.ts";
export { type Duplicate, DuplicateFinder, type DuplicateOptions } from "./cleaning/duplicates.ts";
export { hashShare } from "./cleaning/hash-share.ts";
export {
  explainSkipped,
  hintOn,
  type TokeniseOptions,
  type TokeniseProgress,
  tokenise,
  tokenizerHash,
} from "./corpus/corpus.ts";
export type { Corpus } from "./corpus/corpus-file.ts";
export { encodeDocuments } from "./corpus/encode.ts";
export { type Cursor, Mixture, type MixtureOptions, type Packing, type Source } from "./corpus/mixture.ts";
export { sampleTexts } from "./corpus/sample-texts.ts";
export {
  type CorpusSource,
  type DocumentOptions,
  documentFiles,
  documentsOf,
  type Held,
  labelOf,
  textOf,
} from "./corpus/sources.ts";
export {
  type DataRecord,
  DOCUMENT_LIMITS,
  type ReadOptions,
  readDocuments,
  readObjects,
  readRecords,
  reasonOf,
} from "./documents/documents.ts";
export {
  checkOutputs,
  expandPath,
  explainPassedOver,
  type FoundFiles,
  findFiles,
  isText,
  type PassedOver,
  refusalOf,
  textEnding,
} from "./documents/files.ts";
export type { Turn } from "./documents/messages.ts";
export { type PreferencePair, type Reply, readPreferences } from "./documents/preferences.ts";
export { writeRecords } from "./documents/record-writer.ts";
export type { Document, Fields } from "./documents/records.ts";
export {
  EXERCISE_KINDS,
  type Exercise,
  type ExerciseKind,
  type ExerciseSplit,
  generateExercise,
} from "./exercises/index.ts";
export {
  checkTask,
  type FunctionTest,
  generateApart,
  generateTask,
  type Outcome,
  type Program,
  problemOf,
  runProgram,
  SANDBOX_LIMITS,
  type SandboxLimits,
  type Split,
  TASK_KINDS,
  type Task,
  type TaskKind,
  type TrainedOn,
  unseenTasks,
  type Verdict,
} from "./tasks/index.ts";
