/** A run's checkpoints: written, rotated, gone back to; and which recipe may go on from them. */
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { latestState, rotateStates, saveState } from "../../checkpoint/index.ts";
import type { F32 } from "../../tensor/index.ts";
import { parseRecipe, type Recipe, type Stage } from "../recipe/recipe.ts";
import { type Run, type RunState, record } from "./session.ts";

export const checkpointsOf = (out: string) => join(out, "checkpoints");

/** Stages that have not begun may be changed; all else must be as it was. @throws InputError */
export function checkSameRecipe(recipe: Recipe, { recipe: before, stage }: RunState, out: string): void {
  const begun = ({ stages, checkpoint, price, export: _, description, samples, onSpike, ...rest }: Recipe) =>
    JSON.stringify({ ...rest, stages: stages.slice(0, stage + 1) });
  // Parsed again, so that fields which are new since then get their defaults.
  if (begun(parseRecipe(JSON.parse(before))) === begun(recipe)) return;
  throw new InputError(
    `${out}: the recipe is not the one that this run began with (only stages that have not begun may change); put it back, or begin a new run with --out`,
  );
}

/** Writes a checkpoint and removes the oldest. `more`: further buffers that the stage needs to go on. */
export function checkpoint(run: Run, more: Record<string, F32>): void {
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
}

/**
 * Goes back to the newest checkpoint: weights, optimiser and the place in the schedule are its own, the data go on behind what was seen.
 * What the lost steps cost stays on the bill; the ledger has a line in their place.
 * @throws InputError after onSpike.most times
 */
export function rollBack(run: Run, stage: Stage, spike: { loss: number; limit: number | null; why: string }): void {
  const { state, trainer, recipe, options } = run;
  const { step: at } = state;
  const rollbacks = (state.rollbacks ?? 0) + 1;
  const { most } = recipe.onSpike!;
  if (rollbacks > most) {
    throw new InputError(
      `step ${at}: ${spike.why}, after ${most} times back to a checkpoint; lower the learning rate of stage ${stage.name} and begin a new run, or raise onSpike.most and go on with --resume`,
    );
  }
  const saved = latestState(checkpointsOf(options.out), options.onMessage);
  if (!saved) throw new InputError(`${checkpointsOf(options.out)}: there is no whole checkpoint to go back to`);
  const before = saved.json as unknown as RunState;
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
  record(run, {
    kind: "event",
    event: "rollback",
    step: at,
    tokens: state.tokens,
    stage: stage.name,
    backTo: before.step,
    loss: Number.isFinite(spike.loss) ? spike.loss : null,
    limit: spike.limit,
    message: `step ${at}: ${spike.why}; back to step ${before.step}, going on behind the data seen by now`,
  });
}
