/** Data: documents in, packed batches out. */
export { type Corpus, tokenise, type TokeniseOptions, tokenizerHash } from "./corpus.ts";
export { type Document, DOCUMENT_LIMITS, expandPath, readDocuments, type ReadOptions } from "./documents.ts";
export { type Cursor, Mixture, type MixtureOptions, type Packing, type Source } from "./mixture.ts";
