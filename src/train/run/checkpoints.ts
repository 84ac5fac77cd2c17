/** A run's checkpoints: written, rotated, gone back to. */
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { latestState, rotateStates, saveState, setAsideState } from "../../checkpoint/index.ts";
import type { F32, Storage } from "../../tensor/index.ts";
import type { Stage } from "../recipe/schema.ts";
import { pruneBest } from "./best.ts";
import { parseState, type RunState } from "./run-state.ts";
import type { TrainingRun } from "./training-run.ts";

export const checkpointsOf = (out: string) => join(out, "checkpoints");

/** The newest whole checkpoint, with the paths of damaged ones that are newer. Changes nothing. @throws InputError where none is whole */
export function newest(
  dir: string,
  damaged: string[],
  onMessage: (message: string) => void = () => {},
): { state: RunState; buffers: Record<string, Storage> } | null {
  const saved = latestState(dir, (message, path) => {
    damaged.push(path);
    onMessage(`passing over a damaged checkpoint: ${message}`);
  });
  return saved && { state: parseState(saved.json, dir), buffers: saved.buffers };
}

/** Gives damaged checkpoints other names. */
export function setAside(damaged: readonly string[], onMessage: (message: string) => void = () => {}): void {
  for (const path of damaged) onMessage(`the damaged checkpoint is kept as ${setAsideState(path)}; nothing needs it`);
}

/** Writes a checkpoint and removes the oldest. `more`: further buffers that the stage needs to go on. */
export function checkpoint(run: TrainingRun, more: Record<string, F32>): void {
  const { state, trainer, recipe, options } = run;
  state.ledgerBytes = run.ledger.bytes;
  const dir = checkpointsOf(options.out);
  try {
    saveState(dir, state.step, { buffers: { ...trainer.state, ...more }, json: { ...state } });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`${error.message}; checkpoints before it are whole: make room and go on with --resume`);
  }
  rotateStates(dir, recipe.checkpoint.keep);
  pruneBest(state, options.out);
}

/**
 * Goes back to the newest checkpoint: weights, optimiser and the place in the schedule are its own, the data go on behind what was seen.
 * What the lost steps cost stays on the bill; the ledger has a line in their place.
 * @throws InputError after onSpike.most times
 */
export function rollBack(
  run: TrainingRun,
  stage: Stage,
  spike: { loss: number; limit: number | null; why: string },
): void {
  const { state, trainer, recipe, options } = run;
  const { step: at } = state;
  const rollbacks = (state.rollbacks ?? 0) + 1;
  const { most } = recipe.onSpike!;
  if (rollbacks > most) {
    throw new InputError(
      `step ${at}: ${spike.why}, after ${most} times back to a checkpoint; lower the learning rate of stage ${stage.name} and begin a new run, or raise onSpike.most and go on with --resume`,
    );
  }
  const dir = checkpointsOf(options.out);
  const damaged: string[] = [];
  const saved = newest(dir, damaged, options.onMessage);
  if (!saved) throw new InputError(`${dir}: there is no checkpoint to go back to`);
  setAside(damaged, options.onMessage);
  const before = saved.state;
  trainer.restore(saved.buffers, before.updates);
  Object.assign(state, {
    step: before.step,
    tokens: before.tokens,
    updates: before.updates,
    // The last checkpoint of the stage before is this one's beginning.
    ...(before.stage === state.stage
      ? { stageTokens: before.stageTokens, recentLosses: before.recentLosses }
      : { stageTokens: 0, recentLosses: [] }),
    rollbacks,
  });
  run.ledger.rewind(before.ledgerBytes);
  run.event(
    {
      event: "rollback",
      stage: stage.name,
      backTo: before.step,
      loss: Number.isFinite(spike.loss) ? spike.loss : null,
      limit: spike.limit,
    },
    `step ${at}: ${spike.why}; back to step ${before.step}, going on behind the data seen by now`,
    at,
  );
}
