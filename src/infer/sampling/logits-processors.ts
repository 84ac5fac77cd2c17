/** What changes logits before a token is drawn from them: penalties, biases, and the mask of a grammar. */
import type { F32 } from "../../tensor/index.ts";
import type { Tokenizer } from "../../text/index.ts";
import { type ResolvedParams, SAMPLING_LIMITS } from "./params.ts";

/** One bit for each id that may be drawn. */
export type TokenMask = Uint32Array;

/** What a request has read and written, as penalties count it. */
export interface TokenHistory {
  /** How often each id was generated. */
  generated: ReadonlyMap<number, number>;
  /** Ids of the prompt and of what was generated. */
  seen: ReadonlySet<number>;
}

/** A bias of ±100 bans or forces, as OpenAI's does: it is more than any logits differ by. */
const FORCE = 1e6;
const ALL = 0xffffffff;

/** Whether the parameters change any logits. */
export function changesLogits(params: ResolvedParams): boolean {
  const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = params;
  return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0 || logitBias.length > 0;
}

/** Penalties and biases, in place. Ids beyond the scores fall away. */
export function applyPenalties(scores: F32, params: ResolvedParams, { generated, seen }: TokenHistory): void {
  const { repetitionPenalty, presencePenalty, frequencyPenalty, logitBias } = params;
  if (repetitionPenalty !== 1) {
    for (const id of seen)
      scores[id] = scores[id] > 0 ? scores[id] / repetitionPenalty : scores[id] * repetitionPenalty;
  }
  if (presencePenalty !== 0 || frequencyPenalty !== 0) {
    for (const [id, count] of generated) scores[id] -= presencePenalty + count * frequencyPenalty;
  }
  for (const [id, add] of logitBias) scores[id] += Math.abs(add) < SAMPLING_LIMITS.bias ? add : Math.sign(add) * FORCE;
}

/** Rules out what the mask does not have, in place. */
export function applyMask(scores: F32, mask: TokenMask): void {
  for (let at = 0; at < scores.length; at += 32) {
    const bits = mask[at >> 5];
    if (bits === ALL) continue;
    const end = Math.min(at + 32, scores.length);
    if (bits === 0) scores.fill(Number.NEGATIVE_INFINITY, at, end);
    else for (let id = at; id < end; id++) if ((bits & (1 << (id & 31))) === 0) scores[id] = Number.NEGATIVE_INFINITY;
  }
}

/** Rules out ids that have no token: a model's vocabulary may be padded. Every row of logits that is drawn from goes through here. */
export function withoutPadding(logits: F32, { vocabSize, holes }: Pick<Tokenizer, "vocabSize" | "holes">): F32 {
  if (logits.length > vocabSize) logits.fill(Number.NEGATIVE_INFINITY, vocabSize);
  for (const id of holes) logits[id] = Number.NEGATIVE_INFINITY;
  return logits;
}
