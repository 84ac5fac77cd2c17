/** A model's latent cache as sequences use it: rows for each, and what former ones left for prompts that begin the same. */
import { LatentCache } from "../../model/index.ts";
import type { Model } from "../model.ts";
import { type Cached, PrefixCache, type Sought, sharedPrefix } from "./prefix-cache.ts";
import type { ReuseRule } from "./reuse.ts";
import { type Region, RowAllocator } from "./rows.ts";

/** Shorter shared beginnings are computed again rather than copied. */
const LEAST_SHARED = 8;
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

export class Memory {
  readonly cache: LatentCache;
  private readonly allocator: RowAllocator;
  private readonly kept: PrefixCache;
  private readonly rule: ReuseRule | null;

  /** mtp: also for the MTP depths. rule: how repeatable requests take over rows. */
  constructor(model: Model, rows: number, mtp: boolean, rule: ReuseRule | null = null) {
    this.rule = rule;
    this.cache = new LatentCache(model.config, rows, model.cacheDtype, mtp);
    this.allocator = new RowAllocator(rows, (from, to, count) => this.move(from, to, count));
    this.kept = new PrefixCache((region) => this.allocator.release(region));
  }

  get keptRows(): number {
    return this.kept.rows;
  }

  /**
   * A region of `capacity` rows; `used` of them hold the beginning of what is sought already, `atMost` so many. Null if too few rows can be had, or if
   * one of the `others` is about to read a longer beginning.
   */
  place(sought: Sought, atMost: number, capacity: number, others: readonly Reading[]): Region | null {
    const { tokens, scope } = sought;
    const rule = sought.repeatable ? this.rule : null;
    const { boundary, minPiece } = rule ?? { boundary: 1, minPiece: 1 };
    const most = Math.min(atMost, tokens.length - minPiece);
    const found = this.kept.longest({ tokens, scope, repeatable: rule !== null }, most, others);
    const sharable = found.shared - (found.shared % boundary);
    const entry = sharable >= LEAST_SHARED ? found.entry : null;
    const shared = entry ? sharable : 0;
    const comes = (other: Reading) =>
      other.scope === sought.scope &&
      Math.min(most, sharedPrefix(other.tokens, sought.tokens)) >= shared + WORTH_WAITING;
    if (others.some((other) => other.waiting > 1 && comes(other))) return null;
    const isKept = entry !== null && this.kept.has(entry);
    const available = this.allocator.free + this.kept.rows;
    if (capacity > available) return null;
    if (isKept && (shared >= entry.tokens.length - 1 || capacity > available - entry.region.capacity)) {
      // Nothing of the entry would be left over, or there is no room for both: its rows become the sequence's own.
      this.kept.take(entry);
      this.hold(entry.region, shared, entry.region);
      this.grow(entry.region, capacity);
      this.allocator.shrink(entry.region, capacity);
      return entry.region;
    }
    this.makeRoom(capacity, null, entry);
    const region = this.allocator.allocate(capacity)!;
    if (entry) this.move(entry.region.start, region.start, shared);
    if (isKept) this.kept.touch(entry);
    this.hold(region, shared, entry?.region);
    return region;
  }

  /** A region's rows as they are once it has the first `used` of another's. */
  private hold(region: Region, used: number, from?: Region): void {
    region.used = used;
    region.repeatable = Math.min(used, from?.repeatable ?? 0);
  }

  /** Makes a region larger, at the cost of what is kept; false if too few rows can be had. */
  grow(region: Region, capacity: number): boolean {
    return this.makeRoom(capacity, region) && this.allocator.grow(region, capacity);
  }

  /** Frees rows for a new region, or for one to grow, at the cost of what is kept but for `spared`; false if too few can be had. */
  private makeRoom(capacity: number, region: Region | null, spared: Cached | null = null): boolean {
    const { allocator, kept } = this;
    const needed = capacity - (region?.capacity ?? 0);
    while (allocator.free < needed) if (!kept.evict(spared)) return false;
    const roomy = needed + this.cache.rows * FREE_SHARE;
    while (allocator.free < roomy && !allocator.fits(capacity, region)) if (!kept.evict(spared)) break;
    return true;
  }

  /** Takes a region back; the tokens in its rows stay for prompts that begin with them. */
  keep({ tokens, scope }: Sought, region: Region): void {
    if (region.used < LEAST_SHARED) {
      this.allocator.release(region);
      return;
    }
    this.allocator.shrink(region, region.used);
    this.kept.keep({ tokens: Int32Array.from(tokens).slice(0, region.used), region, scope });
  }

  /** Takes a region back whose rows hold nothing of use. */
  release(region: Region): void {
    this.allocator.release(region);
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
