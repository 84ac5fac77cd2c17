/** A corpus as token ids: tokenised once, in as many threads as there are cores, kept in a file of its own, and memory-mapped from then on. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { InputError, makeFolder } from "../../base/index.ts";
import { type Tokenizer, templateOf, tokenizerToJson } from "../../text/index.ts";
import { reasonOf } from "../documents/documents.ts";
import type { Document } from "../documents/records.ts";
import { type Corpus, CorpusWriter, openCorpus, sumOf } from "./corpus-file.ts";
import { type Encoded, Encoders, isWide } from "./encode.ts";
import {
  type CorpusSource,
  type DocumentOptions,
  documentsOfOpen,
  labelOf,
  type OpenSource,
  openSource,
  textOf,
} from "./sources.ts";

/** Of the form of caches, and of how documents are read: another makes new ones. */
const CACHE_VERSION = 3;

/** Characters of text that are encoded at a time. */
const BATCH_CHARACTERS = 2 ** 19;

export interface TokeniseOptions extends DocumentOptions {
  /** A source without any text is an empty corpus, and no error. */
  mayBeEmpty?: boolean;
  /** Threads to encode on (default: all cores, at most 8). The result is the same for any number. */
  threads?: number;
  onProgress?: (progress: TokeniseProgress) => void;
  /** Told while the files are compared with those that were tokenised before. */
  onCompare?: (progress: { path: string; share: number }) => void;
}

export interface TokeniseProgress {
  path: string;
  documents: number;
  tokens: number;
  /** Of the source that has been read, 0 to 1. */
  share: number;
  secondsLeft: number;
}

/** A short name for a tokenizer: caches made with another do not fit. */
export function tokenizerHash(tokenizer: Tokenizer): string {
  return createHash("sha256")
    .update(JSON.stringify([tokenizerToJson(tokenizer), templateOf(tokenizer), templateOf(tokenizer, true)]))
    .digest("hex")
    .slice(0, 16);
}

/**
 * The corpus of a source, from the cache or tokenised now.
 * @throws InputError if there is no text in it, if something in it is bad and that is refused, or if the disk is full
 */
export async function tokenise(
  source: CorpusSource,
  tokenizer: Tokenizer,
  cacheDir: string,
  options: TokeniseOptions = {},
): Promise<Corpus> {
  const label = labelOf(source);
  const opened = await openSource(source, options);
  let compared = 0;
  const onRead = (bytes: number) => {
    compared += bytes;
    options.onCompare?.({ path: label, share: compared / Math.max(1, opened.bytes) });
  };
  const identity = await opened.identity({ onRead, signal: options.signal });
  const key = createHash("sha256")
    .update(JSON.stringify([CACHE_VERSION, tokenizerHash(tokenizer), identity]))
    .digest("hex")
    .slice(0, 16);
  const cached = join(cacheDir, `${basename(label).replace(/[^\w.-]/g, "_")}-${key}.safetensors`);
  if (!existsSync(cached)) {
    makeFolder(cacheDir);
    await writeCache(cached, opened, tokenizer, options);
  }
  const corpus = { ...openCorpus(cached), passedOver: opened.passedOver };
  if (corpus.tokens.length === 0 && !options.mayBeEmpty)
    throw new InputError(
      `${label}: there is no text in it (${explainSkipped(corpus.skippedBy)})${hintOn(corpus.skippedBy)}`,
    );
  if (options.onBad === "refuse" && corpus.skipped > 0)
    throw new InputError(
      `${label}: something in it is bad (${explainSkipped(corpus.skippedBy)}); delete ${cached} to be told where`,
    );
  return corpus;
}

/** "3 documents skipped: 2 not valid JSON, 1 empty" */
export function explainSkipped(skippedBy: Record<string, number>): string {
  const reasons = Object.entries(skippedBy).sort(([, a], [, b]) => b - a);
  const list = reasons.map(([reason, count]) => `${count} ${reason}`).join(", ");
  return `${sumOf(skippedBy)} documents skipped${list && `: ${list}`}`;
}

/** What to do about what was skipped, where something can be done: to be put behind an explanation. */
export const hintOn = (skippedBy: Record<string, number>): string =>
  Object.keys(skippedBy).some((reason) => /^has no |^a question with choices/.test(reason))
    ? "; field, or promptField and replyField, name a record's fields, and shoal data stats shows the first of them"
    : "";

async function writeCache(
  cached: string,
  opened: OpenSource,
  tokenizer: Tokenizer,
  options: TokeniseOptions,
): Promise<void> {
  const skippedBy: Record<string, number> = {};
  const noted: Record<string, number> = {};
  let bytesRead = 0;
  const readOptions: DocumentOptions = {
    ...options,
    onRead: (bytes) => {
      bytesRead += bytes;
    },
    onSkipped(where, why) {
      const reason = reasonOf(why);
      skippedBy[reason] = (skippedBy[reason] ?? 0) + 1;
      options.onSkipped?.(where, why);
    },
    onNote(where, note) {
      noted[note] = (noted[note] ?? 0) + 1;
      options.onNote?.(where, note);
    },
  };
  const started = performance.now();
  const path = labelOf(opened.source);
  const writer = new CorpusWriter(cached, isWide(tokenizer));
  const encoders = new Encoders(tokenizer, options.threads);
  /** Batches at work, in order. */
  const pending: Promise<Encoded>[] = [];
  const takeOne = async (): Promise<void> => {
    writer.append(await pending.shift()!);
    options.signal?.throwIfAborted();
    const share =
      "count" in opened.source ? writer.documents / opened.source.count : bytesRead / Math.max(1, opened.bytes);
    const secondsLeft = ((performance.now() - started) / 1000) * (1 / Math.max(share, 1e-9) - 1);
    options.onProgress?.({ path, documents: writer.documents, tokens: writer.tokens, share, secondsLeft });
  };
  try {
    for await (const { documents, characters } of batches(documentsOfOpen(opened, readOptions))) {
      const encoded = encoders.encode(documents, characters);
      // If an earlier one fails, nobody waits for this one any more.
      encoded.catch(() => {});
      pending.push(encoded);
      if (pending.length > encoders.most) await takeOne();
    }
    while (pending.length > 0) await takeOne();
    writer.finish(skippedBy, noted);
  } catch (error) {
    writer.abort();
    throw error;
  } finally {
    await encoders.close();
  }
}

async function* batches(
  documents: AsyncIterable<Document>,
): AsyncGenerator<{ documents: Document[]; characters: number }> {
  let batch: Document[] = [];
  let characters = 0;
  for await (const document of documents) {
    batch.push(document);
    characters += textOf(document).length;
    if (characters < BATCH_CHARACTERS) continue;
    yield { documents: batch, characters };
    batch = [];
    characters = 0;
  }
  if (batch.length > 0) yield { documents: batch, characters };
}
