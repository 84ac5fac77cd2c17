/** What a stage does in a step: it predicts tokens of a mixture, or learns from preferences. */
import { type Cursor, readPreferences } from "../../data/index.ts";
import type { F32 } from "../../tensor/index.ts";
import { Preferences } from "../optimize/preference.ts";
import type { StepOptions, StepResult } from "../optimize/trainer.ts";
import type { Stage } from "../recipe/recipe.ts";
import { heldShare, mixtureOf, resolveData, type SourceSummary } from "./inputs.ts";
import type { Rewards } from "./ledger.ts";
import type { Run } from "./session.ts";

export type WorkResult = StepResult & { rewards?: Rewards };

export interface StageWork {
  sources: SourceSummary[];
  /** A training step over the next so many sequences. */
  step(sequences: number, options: StepOptions): WorkResult;
  /** Where the data stand. */
  save(): Cursor[];
  /** What a checkpoint keeps beside weights and optimiser. */
  buffers: Record<string, F32>;
}

/** The work of the run's stage, from where its state says. */
export function workOf(run: Run, stage: Stage): Promise<StageWork> {
  return stage.preference ? preferenceWork(run, stage, stage.preference) : mixtureWork(run, stage);
}

const seedOf = ({ recipe, state }: Run) => recipe.seed + state.stage * 1000;

async function mixtureWork(run: Run, stage: Stage): Promise<StageWork> {
  const { options, state, trainer, tokenizer, recipe } = run;
  const mtpDepths = trainer.model.config.numNextnPredictLayers;
  const sources: SourceSummary[] = [];
  const inputs = { tokenizer, mtpDepths, seed: seedOf(run), onBad: recipe.onBadData, held: heldShare(recipe) };
  const mixture = await mixtureOf(stage, { ...inputs, onSource: (summary) => sources.push(summary) }, options);
  if (state.cursors.length > 0) mixture.restore(state.cursors);
  const micro = stage.microBatchSequences ?? stage.batchSequences;
  return {
    sources,
    step: (sequences, settings) =>
      trainer.step(
        Array.from({ length: sequences / micro }, () => mixture.next(micro)),
        settings,
      ),
    save: () => mixture.save(),
    buffers: {},
  };
}

async function preferenceWork(
  run: Run,
  stage: Stage,
  { path, ...settings }: NonNullable<Stage["preference"]>,
): Promise<StageWork> {
  const { options, state, trainer, tokenizer, recipe } = run;
  let skipped = 0;
  const pairs = await readPreferences(resolveData(path, options), tokenizer, stage.sequenceLength, {
    onBad: recipe.onBadData,
    onSkipped: () => skipped++,
  });
  if (skipped > 0) options.onMessage?.(`${path}: ${skipped} pairs skipped`);
  const preferences = new Preferences(pairs, settings, seedOf(run));
  const micro = stage.microBatchSequences ?? stage.batchSequences;
  const rows = micro * stage.sequenceLength;
  if (state.cursors.length > 0) preferences.restore(state.cursors, run.reference);
  else {
    options.onMessage?.(`${stage.name}: how likely the ${pairs.length} pairs are before the stage`);
    preferences.measureReference(trainer, rows);
  }
  return {
    sources: [{ source: path, documents: pairs.length, sourceTokens: null, skipped }],
    step: (sequences, options) => {
      const parts = Array.from({ length: sequences / micro }, () => preferences.next(rows));
      return preferences.step(trainer, parts, options);
    },
    save: () => preferences.save(),
    buffers: { reference: preferences.reference },
  };
}
