/** Chooses a request's tokens: the logits as its parameters change them, what they leave to draw from, and the draw. */
import { Random } from "../../base/index.ts";
import type { F32 } from "../../tensor/index.ts";
import { applyMask, applyPenalties, changesLogits, type TokenMask } from "./logits-processors.ts";
import type { ResolvedParams } from "./params.ts";
import { pick, type Sampler } from "./sampler.ts";

export class RequestSampler {
  private readonly random: Random;
  /** The random number for the next token: one for each, whatever is drafted before. */
  private number: number | null = null;
  private readonly params: ResolvedParams;
  private readonly history: { generated: Map<number, number>; seen: Set<number> };
  private readonly changes: boolean;
  private readonly sampler: Sampler;

  constructor(params: ResolvedParams, prompt: Iterable<number>, sampler: Sampler) {
    this.params = params;
    this.random = new Random(params.seed);
    this.sampler = sampler;
    this.history = { generated: new Map(), seen: new Set(params.repetitionPenalty === 1 ? [] : prompt) };
    this.changes = changesLogits(params);
  }

  /** A token for the place that these logits [V] are of, which are left as they are. */
  sample(logits: F32, mask: TokenMask | null): number {
    const id = this.drawn(logits, mask);
    this.number = null;
    return id;
  }

  /**
   * As `sample`, of logits that somebody foresees for the next place, of the first ids at least: what will be drawn there, if they are right. Null where
   * the mask leaves none of those ids.
   */
  draft(logits: F32, mask: TokenMask | null): number | null {
    return mask && !mask.subarray(0, logits.length >> 5).some((bits) => bits !== 0) ? null : this.drawn(logits, mask);
  }

  /** Counts a token that was chosen. */
  took(id: number): void {
    if (!this.changes) return;
    const { generated, seen } = this.history;
    generated.set(id, (generated.get(id) ?? 0) + 1);
    seen.add(id);
  }

  private drawn(logits: F32, mask: TokenMask | null): number {
    this.number ??= this.random.next();
    return pick(this.sampler.distribution(this.scores(logits, mask), this.params), this.number);
  }

  private scores(logits: F32, mask: TokenMask | null): F32 {
    if (!this.changes && !mask) return logits;
    const scores = this.sampler.scores.subarray(0, logits.length);
    scores.set(logits);
    if (this.changes) applyPenalties(scores, this.params, this.history);
    if (mask) applyMask(scores, mask);
    return scores;
  }
}
