/** One sequence of tokens and its latent cache: what a generation or a chat works on. */
import { LatentCache } from "../model/index.ts";
import { type F32, type I32, InputError, Tape, type Tensor } from "../tensor/index.ts";
import type { Model } from "./model.ts";

/** Tokens that go through the model at a time while a prompt is read. */
const PREFILL_CHUNK = 256;

export class Sequence {
  /** Tokens whose latents are cached. */
  readonly ids: number[] = [];
  private readonly model: Model;
  private cache: LatentCache;
  /** The last logits, out of the arena that all sequences of the model share. */
  private readonly last: F32;

  constructor(model: Model) {
    this.model = model;
    this.cache = new LatentCache(model.config, Math.min(512, this.limit), model.dtype);
    this.last = new Float32Array(model.config.vocabSize);
  }

  /** Tokens that fit at most: the model's context. */
  get limit(): number {
    return this.model.config.maxPositionEmbeddings;
  }

  /** Forgets all but the first `length` tokens. */
  truncate(length: number): void {
    this.ids.length = Math.min(this.ids.length, length);
  }

  /**
   * Appends tokens and returns the logits [V] after the last of them, in memory of the sequence that lasts until its next call.
   * @throws InputError if they do not fit into the context, or an id is not in the vocabulary
   */
  append(ids: ArrayLike<number>): F32 {
    const { model } = this;
    const { vocabSize } = model.config;
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
    this.reserve(this.ids.length + ids.length);
    for (let from = 0; from < ids.length; from += PREFILL_CHUNK) {
      const count = Math.min(PREFILL_CHUNK, ids.length - from);
      const chunk: I32 = Int32Array.from({ length: count }, (_, i) => ids[from + i]);
      model.arena.reset();
      const tape = new Tape({ kernels: model.kernels, arena: model.arena, precision: model.precision });
      const hidden = model.transformer.forwardCached(
        tape,
        chunk,
        [{ rowStart: 0, past: this.ids.length, count }],
        this.cache,
      );
      for (const id of chunk) this.ids.push(id);
      if (from + count === ids.length) this.last.set(model.transformer.logits(tape, lastRow(hidden)).data);
    }
    return this.last;
  }

  /** Grows the cache by doubling, keeping its rows. */
  private reserve(rows: number): void {
    if (rows <= this.cache.rows) return;
    const larger = new LatentCache(
      this.model.config,
      Math.min(this.limit, Math.max(rows, this.cache.rows * 2)),
      this.model.dtype,
    );
    larger.layers.forEach((layer, i) => {
      layer.data.set(this.cache.layers[i].data);
    });
    this.cache = larger;
  }
}

function lastRow(hidden: Tensor): Tensor {
  const [T, D] = hidden.shape;
  return { data: hidden.data.subarray((T - 1) * D), shape: [1, D], grad: null };
}
