/** How likely a model finds a text: log probabilities token by token, in one pass, without all logits in memory. */

import { InputError } from "../base/index.ts";
import { type Batch, batchOf } from "../model/index.ts";
import { type F32, Tape } from "../tensor/index.ts";
import type { Model } from "./model.ts";

export interface Score {
  ids: number[];
  tokens: string[];
  /** logprobs[i] = log p(ids[i] given ids[<i]); null for the first, which nothing precedes. */
  logprobs: (number | null)[];
  /** −Σ log₂ p over the bytes of the tokens that have a probability; null where there is none. */
  bitsPerByte: number | null;
}

/** Rows whose logits are formed at a time. */
const ROWS = 64;

/**
 * Scores ids by the naive pass. onLogits receives the logits of rows from … as they are formed ([rows, V], valid during the call).
 * @throws InputError for no ids, too many, or ids outside the vocabulary
 */
export function score(model: Model, ids: ArrayLike<number>, onLogits?: (logits: F32, from: number) => void): Score {
  const { config, transformer, tokenizer } = model;
  const V = config.vocabSize;
  const list = Array.from(ids);
  if (list.length === 0) throw new InputError("there is nothing to score: give at least one token");
  if (list.length > config.maxPositionEmbeddings) {
    throw new InputError(
      `${list.length} tokens are more than the model's context of ${config.maxPositionEmbeddings} (max_position_embeddings)`,
    );
  }
  list.forEach((id, i) => {
    if (!(Number.isInteger(id) && id >= 0 && id < V))
      throw new InputError(`token id ${id} at place ${i} is not in the model's vocabulary of ${V} (0 to ${V - 1})`);
  });
  model.arena.reset();
  const tape = new Tape({ kernels: model.kernels, arena: model.arena, precision: model.precision });
  const batch: Batch = batchOf([list]);
  const hidden = transformer.forward(tape, batch);
  const D = config.hiddenSize;
  const logprobs: (number | null)[] = [null];
  for (let from = 0; from < list.length; from += ROWS) {
    const to = Math.min(list.length, from + ROWS);
    const mark = model.arena.mark();
    const logits = transformer.logits(tape, {
      data: hidden.data.subarray(from * D, to * D),
      shape: [to - from, D],
      grad: null,
    }).data;
    onLogits?.(logits, from);
    for (let row = from; row < to && row + 1 < list.length; row++) {
      const own = logits.subarray((row - from) * V, (row - from + 1) * V);
      logprobs.push(model.sampler.logprob(list[row + 1], own));
    }
    model.arena.release(mark);
  }
  // Ids above the tokenizer's are padding of the vocabulary: no bytes.
  const bytesOf = (id: number) => (id < tokenizer.vocabSize ? tokenizer.tokenBytes(id) : new Uint8Array(0));
  const bytes = list.slice(1).reduce((sum, id) => sum + bytesOf(id).length, 0);
  const nats = logprobs.reduce<number>((sum, x) => sum - (x ?? 0), 0);
  return {
    ids: list,
    tokens: list.map((id) => new TextDecoder().decode(bytesOf(id))),
    logprobs,
    bitsPerByte: bytes > 0 ? nats / Math.LN2 / bytes : null,
  };
}
