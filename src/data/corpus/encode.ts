/** Documents as token ids, here or in threads of their own; the order of the answers is that of the questions either way. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { workerFile } from "../../base/index.ts";
import { encodeChat, type Tokenizer, type TokenizerParts, tokenizerToJson } from "../../text/index.ts";
import type { Document } from "../documents/records.ts";

/** Documents one after the other. */
export interface Encoded {
  tokens: Uint16Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
  /** 1 on what the assistant says, and on all of a text. */
  mask: Uint8Array<ArrayBuffer>;
  /** Tokens of each document. */
  lengths: Int32Array<ArrayBuffer>;
  textBytes: number;
}

/** Ids of a larger vocabulary need 32 bits. */
export const isWide = (tokenizer: Tokenizer): boolean => tokenizer.vocabSize > 65536;

/** A document is bos, its text, eos; a chat as the template has it. */
export function encodeDocuments(documents: readonly Document[], tokenizer: Tokenizer): Encoded {
  const parts = documents.map((document) => encodeDocument(document, tokenizer));
  const lengths = Int32Array.from(parts, ({ tokens }) => tokens.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const tokens = isWide(tokenizer) ? new Int32Array(total) : new Uint16Array(total);
  const mask = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    tokens.set(part.tokens, at);
    mask.set(part.mask, at);
    at += part.tokens.length;
  }
  return { tokens, mask, lengths, textBytes: documents.reduce((sum, document) => sum + bytesOf(document), 0) };
}

const bytesOf = (document: Document): number =>
  "text" in document
    ? Buffer.byteLength(document.text)
    : document.messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);

function encodeDocument(document: Document, tokenizer: Tokenizer): { tokens: Int32Array; mask: Uint8Array } {
  if ("messages" in document) {
    const { messages, tools } = document;
    const { ids, assistantMask } = encodeChat(tokenizer, messages, { tools, masked: true });
    return { tokens: ids, mask: assistantMask };
  }
  const text = tokenizer.encode(document.text, { addBos: true, special: "text" });
  const tokens = new Int32Array(text.length + (tokenizer.eosId === null ? 0 : 1));
  tokens.set(text);
  if (tokenizer.eosId !== null) tokens[text.length] = tokenizer.eosId;
  return { tokens, mask: new Uint8Array(tokens.length).fill(1) };
}

/** What a thread is started with: a tokenizer in a form that can be sent. */
export interface EncoderData {
  json: unknown;
  /** What tokenizer.json does not say: which tokens are whose, and the templates. */
  rest: Pick<TokenizerParts, "bosId" | "eosId" | "chatTemplate" | "toolTemplate" | "named">;
}

/** Text, in characters, before which threads are not worth their start. */
const INLINE_CHARACTERS = 4 * 2 ** 20;

/** Encodes batches, the first ones here, later ones in threads. */
export class Encoders {
  /** Batches at work that keep every thread busy while the next are read. */
  readonly most: number;
  private readonly tokenizer: Tokenizer;
  private readonly threads: number;
  private workers: Worker[] = [];
  private nextWorker = 0;
  private characters = 0;
  /** Of each worker, who waits for its next answers, in order. */
  private readonly waiting = new Map<
    Worker,
    { resolve: (encoded: Encoded) => void; reject: (error: Error) => void }[]
  >();

  constructor(
    tokenizer: Tokenizer,
    threads = Math.min(8, availableParallelism()),
    inlineCharacters = INLINE_CHARACTERS,
  ) {
    this.tokenizer = tokenizer;
    this.threads = threads;
    this.most = 2 * threads;
    this.characters = -inlineCharacters;
  }

  /** `characters` of text are in the batch. */
  async encode(documents: readonly Document[], characters: number): Promise<Encoded> {
    this.characters += characters;
    if (this.threads === 1 || this.characters < 0) return encodeDocuments(documents, this.tokenizer);
    if (this.workers.length === 0) this.workers = Array.from({ length: this.threads }, () => this.start());
    const worker = this.workers[this.nextWorker];
    this.nextWorker = (this.nextWorker + 1) % this.threads;
    return new Promise((resolve, reject) => {
      this.waiting.get(worker)!.push({ resolve, reject });
      worker.postMessage(documents);
    });
  }

  private start(): Worker {
    const { bosId, eosId, chatTemplate, toolTemplate, named } = this.tokenizer.parts;
    const rest = { bosId, eosId, chatTemplate, toolTemplate, named };
    const workerData: EncoderData = { json: tokenizerToJson(this.tokenizer), rest };
    const worker = new Worker(workerFile("encode-worker", import.meta.url), { workerData });
    this.waiting.set(worker, []);
    worker.on("message", (encoded: Encoded) => this.waiting.get(worker)!.shift()!.resolve(encoded));
    worker.on("error", (error) => {
      for (const { reject } of this.waiting.get(worker)!.splice(0)) reject(error);
    });
    return worker;
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}
