/** Validation: how well the model predicts what it has not learnt from: bits for a byte of text, nats for a token of replies. */

import { InputError } from "../../base/index.ts";
import { type Document, encodeDocuments, type ReadOptions, readDocuments } from "../../data/index.ts";
import { batchOf, type Transformer } from "../../model/index.ts";
import { type Arena, type Kernels, type Precision, Tape } from "../../tensor/index.ts";
import type { Tokenizer } from "../../text/index.ts";

export interface ValidationText {
  slice: string;
  ids: Int32Array;
  /** What its bits are divided by: bytes of a text, predicted tokens of a conversation. */
  units: number;
  /** Of a conversation: 1 where the assistant speaks. */
  mask?: Uint8Array;
}

export interface ValidationOptions extends ReadOptions {
  /** Texts, and conversations, that are taken at most. */
  documents: number;
  /** Each is cut after so many, texts before that after `maxLetters`. */
  maxTokens: number;
  maxLetters?: number;
}

/** Texts and conversations of a file, each evenly over it. @throws InputError if there are none */
export async function loadValidation(
  path: string,
  tokenizer: Tokenizer,
  { documents, maxTokens, maxLetters = Infinity, ...options }: ValidationOptions,
): Promise<ValidationText[]> {
  const texts: Document[] = [];
  const chats: Document[] = [];
  for await (const document of readDocuments(path, options)) ("text" in document ? texts : chats).push(document);
  const held = [...evenly(texts, documents), ...evenly(chats, documents)].map((whole) => {
    const document = "text" in whole ? { ...whole, text: whole.text.slice(0, maxLetters) } : whole;
    const { tokens, mask } = encodeDocuments([document], tokenizer);
    const end = "text" in document && tokenizer.eosId !== null ? tokens.length - 1 : tokens.length;
    return validationText(document.slice ?? "all", tokens.subarray(0, Math.min(end, maxTokens)), tokenizer, {
      mask: "text" in document ? undefined : mask,
    });
  });
  if (held.every(({ units }) => units === 0)) throw new InputError(`${path}: there is no text to validate on`);
  return held.filter(({ units }) => units > 0);
}

/** `count` members of a list, evenly over it. */
export function evenly<T>(all: readonly T[], count: number): T[] {
  const step = Math.max(1, all.length / count);
  return Array.from({ length: Math.min(count, all.length) }, (_, i) => all[Math.floor(i * step)]);
}

/** A text from its ids, which begin with bos where there is one, or, with a mask, a conversation. */
export function validationText(
  slice: string,
  tokens: ArrayLike<number>,
  tokenizer: Tokenizer,
  { mask }: { mask?: Uint8Array } = {},
): ValidationText {
  const ids = Int32Array.from(tokens);
  if (mask) {
    const own = mask.slice(0, ids.length);
    // The first token is predicted by nothing.
    return { slice, ids, mask: own, units: own.subarray(1).reduce((sum, bit) => sum + bit, 0) };
  }
  const own = tokenizer.bosId === null ? ids : ids.subarray(1);
  return { slice, ids, units: own.reduce((sum, id) => sum + tokenizer.tokenBytes(id).length, 0) };
}

export interface Validation {
  /** −log₂ p of the texts over their bytes, in all and by slice. */
  bitsPerByte?: number;
  bySlice: Record<string, number>;
  /** Mean cross entropy of the assistant's tokens in held-out conversations, nats. */
  chatLoss?: number;
  chatBySlice?: Record<string, number>;
  /** Of a stage of preferences: its loss on held-out pairs, and the share of them whose chosen reply has the higher reward. */
  pairs?: { loss: number; accuracy: number };
}

export interface Validator {
  model: Transformer;
  kernels: Kernels;
  arena: Arena;
  precision: Precision;
}

/** Rows of a pass. */
const ROWS = 4096;

/** Scores each text and conversation from its beginning, as many at a time as fit into a pass. */
export function validate(validator: Validator, held: readonly ValidationText[]): Validation {
  const texts = held.filter(({ mask }) => !mask);
  const chats = held.filter(({ mask }) => mask);
  const of = (list: readonly ValidationText[], scale: number) => {
    if (list.length === 0) return null;
    const nats = natsBySlice(validator, list);
    const units = new Map<string, number>();
    for (const text of list) units.set(text.slice, (units.get(text.slice) ?? 0) + text.units);
    const total = (map: Map<string, number>) => [...map.values()].reduce((a, b) => a + b, 0);
    const bySlice = Object.fromEntries([...nats].map(([slice, sum]) => [slice, sum / scale / units.get(slice)!]));
    return { all: total(nats) / scale / total(units), bySlice };
  };
  const [text, chat] = [of(texts, Math.LN2), of(chats, 1)];
  return {
    ...(text && { bitsPerByte: text.all }),
    bySlice: text?.bySlice ?? {},
    ...(chat && { chatLoss: chat.all, chatBySlice: chat.bySlice }),
  };
}

function natsBySlice(validator: Validator, texts: readonly ValidationText[]): Map<string, number> {
  const nats = new Map<string, number>();
  let group: ValidationText[] = [];
  const flush = () => {
    for (const [slice, sum] of sumsBySlice(validator, group)) nats.set(slice, (nats.get(slice) ?? 0) + sum);
    group = [];
  };
  for (const text of texts) {
    if (group.length > 0 && group.reduce((sum, { ids }) => sum + ids.length, text.ids.length) > ROWS) flush();
    group.push(text);
  }
  if (group.length > 0) flush();
  return nats;
}

/** One pass over texts of several slices: hidden states once, then the cross entropy of each slice's rows. */
function sumsBySlice(
  { model, kernels, arena, precision }: Validator,
  texts: readonly ValidationText[],
): Map<string, number> {
  arena.reset();
  const tape = new Tape({ kernels, arena, precision });
  const batch = batchOf(texts.map(({ ids }) => ids));
  const hidden = model.forward(tape, batch);
  const sums = new Map<string, number>();
  const targets = batch.targets[0];
  let row = 0;
  for (const { slice, ids, mask } of texts) {
    if (mask) for (let i = 0; i + 1 < ids.length; i++) if (!mask[i + 1]) targets[row + i] = -1;
    sums.set(slice, (sums.get(slice) ?? 0) + model.crossEntropySum(tape, hidden, targets, row, row + ids.length));
    row += ids.length;
  }
  return sums;
}
