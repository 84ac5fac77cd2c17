/** A model's latent cache as sequences use it: rows for each, and what former ones left for prompts that begin the same. */
import { LatentCache } from "../../model/index.ts";
import type { Model } from "../model.ts";
import { type Block, BlockAllocator } from "./blocks.ts";
import { type Cached, PrefixCache, type Sought, sharedPrefix } from "./prefix-cache.ts";
import type { ReuseRule } from "./reuse.ts";

/** Shorter shared beginnings are computed again rather than copied. */
const MIN_SHARED = 8;
/** For a beginning that another sequence is reading just now, and that is longer than what is there by this much, a sequence waits. */
const WORTH_WAITING = 32;

/**
 * Where free rows lie scattered, a run is made of them by moving what lies between. Kept beginnings are given up until this share of all rows is free:
 * the fewer are, the more has to be moved for each.
 */
const FREE_SHARE = 1 / 16;

/** A sequence with rows: the tokens that stand in them, and those that will. */
export interface Reading extends Cached {
  /** Tokens that are to be read next. */
  readonly waiting: number;
}

export class KvCache {
  readonly cache: LatentCache;
  private readonly allocator: BlockAllocator;
  private readonly kept: PrefixCache;
  private readonly rule: ReuseRule | null;

  /** mtp: also for the MTP depths. rule: how repeatable requests take over rows. */
  constructor(model: Model, rows: number, mtp: boolean, rule: ReuseRule | null = null) {
    this.rule = rule;
    this.cache = new LatentCache(model.config, rows, model.cacheDtype, mtp);
    this.allocator = new BlockAllocator(rows, (from, to, count) => this.move(from, to, count));
    this.kept = new PrefixCache((block) => this.allocator.release(block));
  }

  get keptRows(): number {
    return this.kept.rows;
  }

  /**
   * A block of `capacity` rows; `used` of them hold the beginning of what is sought already, `atMost` so many. Null if too few rows can be had, or if
   * one of the `others` is about to read a longer beginning.
   */
  place(sought: Sought, atMost: number, capacity: number, others: readonly Reading[]): Block | null {
    const { tokens, scope } = sought;
    const rule = sought.repeatable ? this.rule : null;
    const { boundary, minPiece } = rule ?? { boundary: 1, minPiece: 1 };
    const most = Math.min(atMost, tokens.length - minPiece);
    const found = this.kept.longest({ tokens, scope, repeatable: rule !== null }, most, others);
    const sharable = found.shared - (found.shared % boundary);
    const entry = sharable >= MIN_SHARED ? found.entry : null;
    const shared = entry ? sharable : 0;
    const comes = (other: Reading) =>
      other.scope === sought.scope &&
      Math.min(most, sharedPrefix(other.tokens, sought.tokens)) >= shared + WORTH_WAITING;
    if (others.some((other) => other.waiting > 1 && comes(other))) return null;
    const isKept = entry !== null && this.kept.has(entry);
    const available = this.allocator.free + this.kept.rows;
    if (capacity > available) return null;
    if (isKept && (shared >= entry.tokens.length - 1 || capacity > available - entry.block.capacity)) {
      // Nothing of the entry would be left over, or there is no room for both: its rows become the sequence's own.
      this.kept.take(entry);
      this.hold(entry.block, shared, entry.block);
      this.grow(entry.block, capacity);
      this.allocator.shrink(entry.block, capacity);
      return entry.block;
    }
    this.makeRoom(capacity, null, entry);
    const block = this.allocator.allocate(capacity)!;
    if (entry) this.move(entry.block.start, block.start, shared);
    if (isKept) this.kept.touch(entry);
    this.hold(block, shared, entry?.block);
    return block;
  }

  /** A block's rows as they are once it has the first `used` of another's. */
  private hold(block: Block, used: number, from?: Block): void {
    block.used = used;
    block.repeatable = Math.min(used, from?.repeatable ?? 0);
  }

  /** Makes a block larger, at the cost of what is kept; false if too few rows can be had. */
  grow(block: Block, capacity: number): boolean {
    return this.makeRoom(capacity, block) && this.allocator.grow(block, capacity);
  }

  /** Frees rows for a new block, or for one to grow, at the cost of what is kept but for `spared`; false if too few can be had. */
  private makeRoom(capacity: number, block: Block | null, spared: Cached | null = null): boolean {
    const { allocator, kept } = this;
    const needed = capacity - (block?.capacity ?? 0);
    while (allocator.free < needed) if (!kept.evict(spared)) return false;
    const roomy = needed + this.cache.rows * FREE_SHARE;
    while (allocator.free < roomy && !allocator.fits(capacity, block)) if (!kept.evict(spared)) break;
    return true;
  }

  /** Takes a block back; the tokens in its rows stay for prompts that begin with them. */
  keep({ tokens, scope }: Sought, block: Block): void {
    if (block.used < MIN_SHARED) {
      this.allocator.release(block);
      return;
    }
    this.allocator.shrink(block, block.used);
    this.kept.keep({ tokens: Int32Array.from(tokens).slice(0, block.used), block, scope });
  }

  /** Takes a block back whose rows hold nothing of use. */
  release(block: Block): void {
    this.allocator.release(block);
  }

  /** Copies rows within every layer; the runs may overlap. */
  private move(from: number, to: number, count: number): void {
    for (const { data, scales } of this.cache.layers) {
      const width = data.length / this.cache.rows;
      data.copyWithin(to * width, from * width, (from + count) * width);
      scales?.copyWithin(to * 2, from * 2, (from + count) * 2);
    }
  }
}
