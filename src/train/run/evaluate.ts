/** Validation: how many bits the model needs for a byte of text that it has not learnt from. */

import { InputError } from "../../base/index.ts";
import { type Document, readDocuments } from "../../data/index.ts";
import { batchOf, type Transformer } from "../../model/index.ts";
import { type Arena, type Kernels, type Precision, Tape } from "../../tensor/index.ts";
import type { Tokenizer } from "../../text/index.ts";

export interface ValidationText {
  slice: string;
  ids: Int32Array;
  bytes: number;
}

/** The documents to validate on, evenly over the file: `documents` of them, each cut after `mostLetters` and then `mostTokens`. */
export async function loadValidation(
  path: string,
  tokenizer: Tokenizer,
  documents: number,
  mostTokens: number,
  mostLetters = Infinity,
): Promise<ValidationText[]> {
  const all: { text: string; slice?: string }[] = [];
  for await (const document of readDocuments(path)) if (isText(document)) all.push(document);
  if (all.length === 0) throw new InputError(`${path}: there is no text to validate on`);
  return evenly(all, documents).map(({ text, slice = "all" }) => {
    const ids = tokenizer.encode(text.slice(0, mostLetters), { addBos: true, special: "text" });
    return validationText(slice, ids.slice(0, mostTokens), tokenizer);
  });
}

/** `count` members of a list, evenly over it. */
export function evenly<T>(all: readonly T[], count: number): T[] {
  const step = Math.max(1, all.length / count);
  return Array.from({ length: Math.min(count, all.length) }, (_, i) => all[Math.floor(i * step)]);
}

/** A text from its ids, which begin with bos where there is one. */
export function validationText(slice: string, ids: Int32Array, tokenizer: Tokenizer): ValidationText {
  const own = tokenizer.bosId === null ? ids : ids.subarray(1);
  return { slice, ids, bytes: own.reduce((sum, id) => sum + tokenizer.tokenBytes(id).length, 0) };
}

function isText(document: Document): document is { text: string; slice?: string } {
  return "text" in document;
}

export interface Validation {
  /** −log₂ p of the text over its bytes. */
  bitsPerByte: number;
  bySlice: Record<string, number>;
}

/** Scores each text from its beginning, as many texts at a time as fit into a pass of `rowsAtOnce`. */
export function validate(
  model: Transformer,
  kernels: Kernels,
  arena: Arena,
  precision: Precision,
  texts: readonly ValidationText[],
  rowsAtOnce = 4096,
): Validation {
  const nats = new Map<string, number>();
  const bytes = new Map<string, number>();
  for (const text of texts) bytes.set(text.slice, (bytes.get(text.slice) ?? 0) + text.bytes);
  let group: ValidationText[] = [];
  const flush = () => {
    for (const [slice, sum] of sumsBySlice(model, kernels, arena, precision, group))
      nats.set(slice, (nats.get(slice) ?? 0) + sum);
    group = [];
  };
  for (const text of texts) {
    if (group.length > 0 && group.reduce((sum, { ids }) => sum + ids.length, text.ids.length) > rowsAtOnce) flush();
    group.push(text);
  }
  if (group.length > 0) flush();
  const perByte = (sum: number, count: number) => sum / Math.LN2 / count;
  const total = (map: Map<string, number>) => [...map.values()].reduce((a, b) => a + b, 0);
  const bySlice = Object.fromEntries([...nats].map(([slice, sum]) => [slice, perByte(sum, bytes.get(slice)!)]));
  return { bitsPerByte: perByte(total(nats), total(bytes)), bySlice };
}

/** One pass over texts of several slices: hidden states once, then the cross entropy of each slice's rows. */
function sumsBySlice(
  model: Transformer,
  kernels: Kernels,
  arena: Arena,
  precision: Precision,
  texts: readonly ValidationText[],
): Map<string, number> {
  arena.reset();
  const tape = new Tape({ kernels, arena, precision });
  const batch = batchOf(texts.map(({ ids }) => ids));
  const hidden = model.forward(tape, batch);
  const sums = new Map<string, number>();
  let row = 0;
  for (const { slice, ids } of texts) {
    sums.set(
      slice,
      (sums.get(slice) ?? 0) + model.crossEntropySum(tape, hidden, batch.targets[0], row, row + ids.length),
    );
    row += ids.length;
  }
  return sums;
}
