/** Chooses a request's tokens: the logits as its settings change them, what they leave to draw from, and the draw. */
import { Random } from "../../base/index.ts";
import type { F32 } from "../../tensor/index.ts";
import { pick, type Sampler } from "./sampler.ts";
import type { Settings } from "./settings.ts";

/** One bit for each id that may be drawn. */
export type TokenMask = Uint32Array;

const ALL = 0xffffffff;

/** From this bias on a token is banned or forced, as OpenAI's −100 and 100 are: more than any logits differ by. */
const ABSOLUTE_BIAS = 100;
const FORCE = 1e6;

export class Chooser {
  private readonly random: Random;
  /** The random number for the next token: one for each, whatever is guessed before. */
  private number: number | null = null;
  private readonly settings: Settings;
  /** Ids from here on have no token: a model's vocabulary may be padded. */
  private readonly vocabSize: number;
  /** How often each id was generated, and whether it stood in the prompt. */
  private readonly generated = new Map<number, number>();
  private readonly seen: Set<number>;
  private readonly changes: boolean;
  private readonly sampler: Sampler;

  constructor(settings: Settings, prompt: Iterable<number>, vocabSize: number, sampler: Sampler) {
    this.settings = settings;
    this.random = new Random(settings.seed);
    this.vocabSize = vocabSize;
    this.sampler = sampler;
    this.seen = new Set(settings.repetitionPenalty === 1 ? [] : prompt);
    this.changes =
      settings.repetitionPenalty !== 1 ||
      settings.presencePenalty !== 0 ||
      settings.frequencyPenalty !== 0 ||
      settings.logitBias.length > 0;
  }

  /** A token for the place that these logits [V] are of, which are left as they are. */
  choose(logits: F32, mask: TokenMask | null): number {
    const id = this.drawn(logits, mask);
    this.number = null;
    return id;
  }

  /**
   * As `choose`, of logits that somebody foresees for the next place, of the first ids at least: what will be chosen there, if they are right. Null where
   * the mask leaves none of those ids.
   */
  guess(logits: F32, mask: TokenMask | null): number | null {
    return mask && !mask.subarray(0, logits.length >> 5).some((bits) => bits !== 0) ? null : this.drawn(logits, mask);
  }

  private drawn(logits: F32, mask: TokenMask | null): number {
    this.number ??= this.random.next();
    const scores = this.scores(logits, mask);
    return pick(this.sampler.distribution(scores, { ...this.settings, repetitionPenalty: 1 }), this.number);
  }

  /** Counts a token that was chosen. */
  took(id: number): void {
    if (!this.changes) return;
    this.generated.set(id, (this.generated.get(id) ?? 0) + 1);
    this.seen.add(id);
  }

  private scores(logits: F32, mask: TokenMask | null): F32 {
    const own = logits.length > this.vocabSize ? logits.subarray(0, this.vocabSize) : logits;
    if (!this.changes && !mask) return own;
    const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = this.settings;
    const scores = this.sampler.scores.subarray(0, own.length);
    scores.set(own);
    if (repetitionPenalty !== 1) {
      // Ids beyond the scores fall away.
      for (const id of this.seen)
        scores[id] = scores[id] > 0 ? scores[id] / repetitionPenalty : scores[id] * repetitionPenalty;
    }
    if (presencePenalty !== 0 || frequencyPenalty !== 0) {
      for (const [id, count] of this.generated) scores[id] -= presencePenalty + count * frequencyPenalty;
    }
    for (const [id, add] of logitBias) scores[id] += Math.abs(add) < ABSOLUTE_BIAS ? add : Math.sign(add) * FORCE;
    if (mask) leaveOnly(scores, mask);
    return scores;
  }
}

/** Rules out what the mask does not have. */
function leaveOnly(scores: F32, mask: TokenMask): void {
  for (let at = 0; at < scores.length; at += 32) {
    const bits = mask[at >> 5];
    if (bits === ALL) continue;
    const end = Math.min(at + 32, scores.length);
    if (bits === 0) scores.fill(Number.NEGATIVE_INFINITY, at, end);
    else for (let id = at; id < end; id++) if ((bits & (1 << (id & 31))) === 0) scores[id] = Number.NEGATIVE_INFINITY;
  }
}
