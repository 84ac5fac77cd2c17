/** How the learning rate and the other dials move over a stage (report, section 4.2). */
import type { Stage } from "./schema.ts";

/** Tokens that a stage really trains on: whole steps. */
export function stageTokens({ tokens, batchSequences, sequenceLength }: Stage): number {
  const rows = batchSequences * sequenceLength;
  return Math.max(1, Math.ceil(tokens / rows)) * rows;
}

/** Sequences of the step that begins after this many of the stage's tokens: whole micro-batches, growing where the stage has a batchRamp. */
export function batchSequences(stage: Stage, tokensDone: number): number {
  const { batchSequences: full, microBatchSequences: micro = full, batchRamp, sequenceLength } = stage;
  if (!batchRamp) return full;
  const all = stageTokens(stage);
  const share = batchRamp.until > 0 ? Math.min(1, tokensDone / all / batchRamp.until) : 1;
  const grown = batchRamp.from + (full - batchRamp.from) * share;
  // The last step is what is left.
  return Math.min(Math.floor(grown / micro) * micro, (all - tokensDone) / sequenceLength);
}

/** The learning rate after a share (0 … 1) of the stage's tokens: linear warm-up, constant, a fall to `final`, constant. */
export function learningRate(stage: Stage, done: number): number {
  const { warmup, decayFrom, decayTo, final } = stage.schedule;
  if (done < warmup) return stage.lr * (done / warmup);
  if (done < decayFrom) return stage.lr;
  if (done >= decayTo) return stage.lr * final;
  const progress = (done - decayFrom) / (decayTo - decayFrom);
  const left = stage.schedule.shape === "linear" ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress));
  return stage.lr * (final + (1 - final) * left);
}

/** λ of the MTP loss: the second value once the learning rate falls. */
export function mtpWeight(stage: Stage, done: number): number {
  return stage.mtpWeight[done < stage.schedule.decayFrom ? 0 : 1];
}

/** γ of the balancing biases: 0 at the very end. */
export function biasUpdateSpeed(stage: Stage, done: number): number {
  return done < 0.97 ? stage.biasUpdateSpeed : 0;
}

/** The next step of a stage after so many of its tokens. */
export function planStep(stage: Stage, tokensDone: number) {
  const allTokens = stageTokens(stage);
  const sequences = batchSequences(stage, tokensDone);
  const rows = sequences * stage.sequenceLength;
  const done = tokensDone / allTokens;
  return {
    sequences,
    rows,
    options: {
      // The rate is that of the middle of the step: warm-up does not begin with a step of rate 0.
      lr: learningRate(stage, (tokensDone + rows / 2) / allTokens),
      mtpWeight: mtpWeight(stage, done),
      balanceAlpha: stage.balanceAlpha,
      biasUpdateSpeed: biasUpdateSpeed(stage, done),
      recompute: stage.recompute,
    },
  };
}
