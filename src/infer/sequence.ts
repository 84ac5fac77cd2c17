/** One sequence of tokens and its latent cache: what a generation or a chat works on. */

import { InputError } from "../base/index.ts";
import { LatentCache } from "../model/index.ts";
import { type F32, type I32, Tape, type Tensor } from "../tensor/index.ts";
import type { Model } from "./model.ts";

/** Tokens that go through the model at a time while a prompt is read. */
const PREFILL_CHUNK = 256;

export class Sequence {
  /** Tokens whose latents are cached. */
  readonly ids: number[] = [];
  /** Whether the first MTP depth is kept in step, so that `draft` can be asked. */
  readonly drafts: boolean;
  readonly model: Model;
  private cache: LatentCache;
  /** The last logits, out of the arena that all sequences of the model share. */
  private readonly last: F32;
  /** Hidden states [rows, D] at the end of `ids` that the MTP depth has not seen, because it needs the token after each: of the last token or two. */
  private pending: F32[] = [];

  constructor(model: Model, options: { drafts?: boolean } = {}) {
    this.model = model;
    this.drafts = (options.drafts ?? false) && model.config.numNextnPredictLayers > 0;
    this.cache = new LatentCache(model.config, Math.min(512, this.limit), model.cacheDtype, this.drafts);
    this.last = new Float32Array(model.config.vocabSize);
  }

  /** Tokens that fit at most: the model's context. */
  get limit(): number {
    return this.model.config.maxPositionEmbeddings;
  }

  /** Forgets all but the first `length` tokens. */
  truncate(length: number): void {
    const dropped = this.ids.length - length;
    if (dropped <= 0) return;
    this.ids.length = length;
    this.pending = this.pending.slice(0, Math.max(0, this.pending.length - dropped));
  }

  /**
   * Appends tokens and returns the logits [V] after the last of them, in memory of the sequence that lasts until its next call.
   * @throws InputError if they do not fit into the context, or an id is not in the vocabulary
   */
  append(ids: ArrayLike<number>): F32 {
    this.check(ids);
    const { transformer } = this.model;
    for (let from = 0; from < ids.length; from += PREFILL_CHUNK) {
      const chunk: I32 = Int32Array.from(
        { length: Math.min(PREFILL_CHUNK, ids.length - from) },
        (_, i) => ids[from + i],
      );
      const { tape, hidden } = this.pass(chunk);
      if (from + chunk.length === ids.length)
        this.last.set(transformer.logits(tape, rowsOf(hidden, chunk.length - 1, 1)).data);
    }
    return this.last;
  }

  /** Appends a few tokens in one pass and returns the logits [V] after each, in memory that lasts until the next pass. */
  appendEach(ids: readonly number[]): F32[] {
    this.check(ids);
    const { tape, hidden } = this.pass(Int32Array.from(ids));
    const V = this.model.config.vocabSize;
    const logits = this.model.transformer.logits(tape, hidden).data;
    return ids.map((_, row) => logits.subarray(row * V, (row + 1) * V));
  }

  /** Whether `draft` can be asked now. */
  get canDraft(): boolean {
    return this.pending.length > 0;
  }

  /** Logits of the token after `next`, which comes next, for the commonest ids: the MTP depth's guess, made of what the last pass left. */
  draft(next: number): F32 {
    const { model } = this;
    model.arena.reset();
    const tape = new Tape({ kernels: model.kernels, arena: model.arena, precision: model.precision });
    const known = this.ids.slice(this.ids.length - this.pending.length + 1);
    const hidden = this.readAhead(tape, [...known, next]);
    return model.transformer.draftLogits(tape, rowsOf(hidden, hidden.shape[0] - 1, 1)).data;
  }

  /** One pass of the main model over new tokens; the MTP depth follows, one token behind. */
  private pass(ids: I32): { tape: Tape; hidden: Tensor } {
    const { model } = this;
    const past = this.ids.length;
    this.reserve(past + ids.length);
    model.arena.reset();
    const tape = new Tape({ kernels: model.kernels, arena: model.arena, precision: model.precision });
    const spans = [{ rowStart: 0, past, count: ids.length }];
    const hidden = model.transformer.forwardCached(tape, ids, spans, this.cache);
    if (this.drafts) this.remember(tape, ids, hidden);
    for (const id of ids) this.ids.push(id);
    return { tape, hidden };
  }

  /** Long prompts go through the MTP depth at once; of a few tokens the states are kept until the token after them is certain. */
  private remember(tape: Tape, ids: I32, hidden: Tensor): void {
    const D = this.model.config.hiddenSize;
    if (ids.length > 2) {
      if (this.pending.length > 0)
        this.readAhead(tape, [...this.ids.slice(this.ids.length - this.pending.length + 1), ids[0]]);
      const spans = [{ rowStart: 0, past: this.ids.length, count: ids.length - 1 }];
      const { config, transformer } = this.model;
      const known = rowsOf(hidden, 0, ids.length - 1);
      transformer.mtpForwardCached(tape, 1, known, ids.slice(1), spans, this.cache.layers[config.numHiddenLayers]);
    }
    const from = ids.length > 2 ? ids.length - 1 : 0;
    this.pending = Array.from({ length: ids.length - from }, (_, i) =>
      hidden.data.slice((from + i) * D, (from + i + 1) * D),
    );
  }

  /** Runs the MTP depth over the pending states, whose following tokens are `nextIds`. They stay pending until the next pass. */
  private readAhead(tape: Tape, nextIds: readonly number[]): Tensor {
    const { config, transformer } = this.model;
    const count = this.pending.length;
    const rows = tape.tensor(count, config.hiddenSize);
    this.pending.forEach((state, i) => {
      rows.data.set(state, i * config.hiddenSize);
    });
    const spans = [{ rowStart: 0, past: this.ids.length - count, count }];
    const next = Int32Array.from(nextIds);
    return transformer.mtpForwardCached(tape, 1, rows, next, spans, this.cache.layers[config.numHiddenLayers]);
  }

  private check(ids: ArrayLike<number>): void {
    const { vocabSize } = this.model.config;
    if (ids.length === 0) throw new InputError("there is no token to begin with: give a prompt");
    if (this.ids.length + ids.length > this.limit) {
      throw new InputError(
        `${this.ids.length + ids.length} tokens are more than the model's context of ${this.limit} (max_position_embeddings): shorten the prompt`,
      );
    }
    for (let i = 0; i < ids.length; i++) {
      if (!(ids[i] >= 0 && ids[i] < vocabSize))
        throw new InputError(
          `token id ${ids[i]} at place ${i} is not in the model's vocabulary of ${vocabSize} (0 to ${vocabSize - 1})`,
        );
    }
  }

  /** Grows the cache by doubling, keeping its rows. */
  private reserve(rows: number): void {
    if (rows <= this.cache.rows) return;
    const larger = new LatentCache(
      this.model.config,
      Math.min(this.limit, Math.max(rows, this.cache.rows * 2)),
      this.model.cacheDtype,
      this.drafts,
    );
    larger.layers.forEach((layer, i) => {
      layer.copyFrom(this.cache.layers[i]);
    });
    this.cache = larger;
  }
}

function rowsOf(hidden: Tensor, from: number, count: number): Tensor {
  const D = hidden.shape[1];
  return { data: hidden.data.subarray(from * D, (from + count) * D), shape: [count, D], grad: null };
}
