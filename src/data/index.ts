/** Data: documents in, packed batches out. */
export { type Corpus, type TokeniseOptions, tokenise, tokenizerHash } from "./corpus.ts";
export {
  DOCUMENT_LIMITS,
  type Document,
  expandPath,
  type ReadOptions,
  readDocuments,
  readJsonLines,
} from "./documents.ts";
export { type Cursor, Mixture, type MixtureOptions, type Packing, type Source } from "./mixture.ts";
export { type CorpusSource, documentsOf, labelOf } from "./sources.ts";
export { generateTask, type Split, TASK_KINDS, type Task, type TaskKind } from "./tasks/index.ts";
