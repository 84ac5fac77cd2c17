/** A corpus as token ids: tokenised once, kept in a file of its own, and memory-mapped from then on. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { openSafetensors, writeSafetensors } from "../checkpoint/index.ts";
import { InputError } from "../tensor/index.ts";
import { encodeChat, type Tokenizer, tokenizerToJson } from "../text/index.ts";
import type { ReadOptions } from "./documents.ts";
import { type CorpusSource, documentsOf, identityOf, labelOf } from "./sources.ts";

const CACHE_VERSION = 1;

export interface Corpus {
  /** Every document's tokens, one after the other. A document is bos, text, eos; a chat as its template has it. */
  tokens: Uint16Array | Int32Array;
  /** 1 where a token counts when only the assistant's words do; all 1 for plain documents. */
  mask: Uint8Array;
  /** Where each document begins, and the end of the last: [documents + 1]. */
  starts: Int32Array;
  skipped: number;
  /** Bytes of text that the tokens stand for. */
  textBytes: number;
}

export interface TokeniseOptions extends ReadOptions {
  onProgress?: (progress: { path: string; documents: number; tokens: number }) => void;
}

/** A short name for a tokenizer: caches made with another do not fit. */
export function tokenizerHash(tokenizer: Tokenizer): string {
  return createHash("sha256")
    .update(JSON.stringify(tokenizerToJson(tokenizer)))
    .digest("hex")
    .slice(0, 16);
}

/**
 * The corpus of a source, from the cache or tokenised now.
 * @throws InputError if there is no text in it
 */
export async function tokenise(
  source: CorpusSource,
  tokenizer: Tokenizer,
  cacheDir: string,
  options: TokeniseOptions = {},
): Promise<Corpus> {
  const label = labelOf(source);
  const identity = identityOf(source);
  const key = createHash("sha256")
    .update(JSON.stringify([CACHE_VERSION, tokenizerHash(tokenizer), identity]))
    .digest("hex")
    .slice(0, 16);
  const cached = join(cacheDir, `${basename(label).replace(/[^\w.-]/g, "_")}-${key}.safetensors`);
  if (!existsSync(cached)) {
    mkdirSync(cacheDir, { recursive: true });
    await writeCache(cached, source, tokenizer, options);
  }
  const corpus = openCache(cached);
  if (corpus.tokens.length === 0)
    throw new InputError(`${label}: there is no text in it (${corpus.skipped} documents skipped)`);
  return corpus;
}

async function writeCache(
  cached: string,
  source: CorpusSource,
  tokenizer: Tokenizer,
  options: TokeniseOptions,
): Promise<void> {
  const chunks: { tokens: Int32Array; mask: Uint8Array }[] = [];
  const starts: number[] = [];
  let total = 0;
  let skipped = 0;
  let textBytes = 0;
  const readOptions: ReadOptions = {
    onBad: options.onBad,
    onSkipped(where, why) {
      skipped++;
      options.onSkipped?.(where, why);
    },
  };
  for await (const document of documentsOf(source, readOptions)) {
    const { tokens, mask } = encodeDocument(document, tokenizer);
    starts.push(total);
    total += tokens.length;
    chunks.push({ tokens, mask });
    textBytes +=
      "text" in document
        ? Buffer.byteLength(document.text)
        : document.messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
    if (starts.length % 1000 === 0)
      options.onProgress?.({ path: labelOf(source), documents: starts.length, tokens: total });
  }
  if (total > 2 ** 31 - 1)
    throw new InputError(`${labelOf(source)}: more than 2³¹ tokens in one source; split it into several`);
  const tokens = tokenizer.vocabSize <= 65536 ? new Uint16Array(total) : new Int32Array(total);
  const mask = new Uint8Array(total);
  chunks.forEach((chunk, i) => {
    tokens.set(chunk.tokens, starts[i]);
    mask.set(chunk.mask, starts[i]);
  });
  starts.push(total);
  const dtype = tokens instanceof Uint16Array ? "U16" : "I32";
  writeSafetensors(
    cached,
    // Widest first, so that each part stands on a border of its own size.
    [
      { name: "starts", dtype: "I32", shape: [starts.length], data: Int32Array.from(starts) },
      { name: "tokens", dtype, shape: [total], data: tokens },
      { name: "mask", dtype: "U8", shape: [total], data: mask },
    ],
    { skipped: String(skipped), textBytes: String(textBytes) },
  );
}

function encodeDocument(
  document: { text: string } | { messages: Parameters<typeof encodeChat>[1] },
  tokenizer: Tokenizer,
): { tokens: Int32Array; mask: Uint8Array } {
  if ("messages" in document) {
    const { ids, assistantMask } = encodeChat(tokenizer, document.messages);
    return { tokens: ids, mask: assistantMask };
  }
  const text = tokenizer.encode(document.text, { addBos: true, special: "text" });
  const tokens = new Int32Array(text.length + (tokenizer.eosId === null ? 0 : 1));
  tokens.set(text);
  if (tokenizer.eosId !== null) tokens[text.length] = tokenizer.eosId;
  return { tokens, mask: new Uint8Array(tokens.length).fill(1) };
}

function openCache(path: string): Corpus {
  const file = openSafetensors(path);
  const part = (name: string) => {
    const bytes = file.bytes(name);
    return { bytes, info: file.tensors.get(name)! };
  };
  const { bytes, info } = part("tokens");
  const tokens =
    info.dtype === "U16"
      ? new Uint16Array(bytes.buffer, bytes.byteOffset, info.shape[0])
      : new Int32Array(bytes.buffer, bytes.byteOffset, info.shape[0]);
  const starts = part("starts");
  return {
    tokens,
    mask: part("mask").bytes,
    starts: new Int32Array(starts.bytes.buffer, starts.bytes.byteOffset, starts.info.shape[0]),
    skipped: Number(file.metadata.skipped),
    textBytes: Number(file.metadata.textBytes),
  };
}
