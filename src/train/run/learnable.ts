/** What of a source a stage can learn from, counted before it begins: how often it is read, what is cut off, what has no target. */
import { InputError } from "../../base/index.ts";
import type { Corpus } from "../../data/index.ts";
import type { Stage } from "../recipe/schema.ts";

/** Passes over the same text up to which nearly as much is learnt as from new text (Muennighoff et al. 2023). */
export const MANY_PASSES = 4;

export interface Learnable {
  /** Tokens that are predicted in a pass. */
  targets: number;
  /** Of chats: conversations that are longer than a sequence, and the tokens that they lose. */
  cut: number;
  cutTokens: number;
  /** Documents without a token that is predicted. */
  nothing: number;
}

/** Counts what a pass over the corpus predicts, as the stage packs it. */
export function learnableOf(
  { tokens, mask, starts }: Pick<Corpus, "tokens" | "mask" | "starts">,
  { packing, loss, sequenceLength }: Pick<Stage, "packing" | "loss" | "sequenceLength">,
): Learnable {
  const counts: Learnable = { targets: 0, cut: 0, cutTokens: 0, nothing: 0 };
  if (packing === "documents" && loss === "all") return { ...counts, targets: tokens.length };
  for (let i = 0; i + 1 < starts.length; i++) {
    const length = starts[i + 1] - starts[i];
    // Documents that are laid end to end lose nothing, and their first token is predicted from the one before.
    const kept = packing === "chats" ? Math.min(length, sequenceLength) : length;
    const first = packing === "chats" ? 1 : 0;
    let targets = Math.max(0, kept - first);
    if (loss === "assistant") {
      targets = 0;
      for (let at = starts[i] + first; at < starts[i] + kept; at++) targets += mask[at];
    }
    counts.targets += targets;
    if (kept < length) counts.cut++;
    counts.cutTokens += length - kept;
    if (targets === 0) counts.nothing++;
  }
  return counts;
}

/** Refuses a source of which nothing can be learnt. @throws InputError */
export function checkLearnable(name: string, documents: number, { targets }: Learnable, stage: Stage): void {
  if (targets > 0) return;
  const why =
    stage.loss === "assistant"
      ? `no assistant's word stands within the first ${stage.sequenceLength} tokens (stages.${stage.name}.sequenceLength)`
      : "no token follows another";
  throw new InputError(`${name}: there is nothing to learn in any of its ${documents} documents: ${why}`);
}

/** What people should know of a source before they pay for it, in words; empty where all is well. */
export function remarksOn(
  { passes, cut, cutTokens, nothing }: Pick<Learnable, "cut" | "cutTokens" | "nothing"> & { passes: number },
  stage: Stage,
  place: string,
): string[] {
  const remarks: string[] = [];
  if (passes > MANY_PASSES) {
    const enough = Math.max(1, Math.floor((stage.tokens / passes) * MANY_PASSES));
    remarks.push(
      `is read ${passes < 10 ? passes.toFixed(1) : Math.round(passes)} times, which mostly learns it by heart; set ${place}.tokens to ${round(enough)} or less, or bring more data`,
    );
  }
  if (cut > 0)
    remarks.push(
      `${cut} conversations are longer than ${stage.sequenceLength} tokens and lose ${cutTokens} of them; raise ${place}.sequenceLength`,
    );
  if (nothing > 0) remarks.push(`${nothing} documents have nothing to learn in them`);
  return remarks;
}

/** Two leading digits: a number that somebody will write into a recipe. */
function round(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.floor(value / unit) * unit;
}
