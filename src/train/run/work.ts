/** What a stage does in a step: it predicts tokens of a mixture, or learns from preferences. */
import { InputError } from "../../base/index.ts";
import { type Cursor, hashShare, type PreferencePair, readPreferences } from "../../data/index.ts";
import type { F32 } from "../../tensor/index.ts";
import { Preferences } from "../optimize/preference.ts";
import type { StepOptions, StepResult } from "../optimize/trainer.ts";
import type { ResolvedStage } from "../recipe/model.ts";
import type { Stage } from "../recipe/schema.ts";
import { hasChanged, printOf } from "./changes.ts";
import { heldShare, mixtureOf, remarkOn, resolveData, type SourceSummary } from "./inputs.ts";
import type { Rewards } from "./ledger.ts";
import type { TrainingRun } from "./training-run.ts";

export type WorkResult = StepResult & { rewards?: Rewards };

export interface StageWork {
  sources: SourceSummary[];
  /** A training step over the next so many sequences. */
  step(sequences: number, options: StepOptions): WorkResult;
  /** Where the data stand. */
  save(): Cursor[];
  /** Of a stage of preferences with pairs held out: how it does on them. */
  heldOut?: () => { loss: number; accuracy: number };
  /** What a checkpoint keeps beside weights and optimiser. */
  buffers: Record<string, F32>;
}

/** The work of the stage at hand, from where the run's state says. */
export function workOf(run: TrainingRun, stage: ResolvedStage): Promise<StageWork> {
  return stage.preference ? preferenceWork(run, stage, stage.preference) : mixtureWork(run, stage);
}

const seedOf = ({ recipe }: TrainingRun, { index }: ResolvedStage) => recipe.seed + index * 1000;

/** Tokenises what the stages to come read, so that bad data and many passes are told before the first step. @throws InputError */
export async function lookAhead({ recipe, stages, options, state, tokenizer }: TrainingRun): Promise<void> {
  const inputs = { tokenizer, mtpDepths: 0, seed: 0, onBad: recipe.onBadData, held: heldShare(recipe) };
  for (const stage of stages.slice(state.stage))
    if (stage.mixture.length > 0)
      remarkOn(stage, stage.index, (await mixtureOf(stage, inputs, options)).sources, options);
}

const REMEDY = "put it back, or go on with --accept-changed-data (the source is then read from its beginning)";

async function mixtureWork(run: TrainingRun, stage: ResolvedStage): Promise<StageWork> {
  const { options, state, trainer, tokenizer, recipe } = run;
  const mtpDepths = stage.config.numNextnPredictLayers;
  const inputs = { tokenizer, mtpDepths, seed: seedOf(run, stage), onBad: recipe.onBadData, held: heldShare(recipe) };
  const { mixture, sources, prints } = await mixtureOf(stage, inputs, options);
  const changed = sources.map(({ source }, i) => {
    const what = `${source} (stages.${stage.index}.mixture.${i})`;
    return hasChanged(state.sources[i], prints[i], { what, accept: options.acceptChangedData, remedy: REMEDY });
  });
  state.sources = prints;
  const anew = { epoch: 0, document: 0, offset: 0 };
  if (state.cursors.length > 0)
    mixture.restore(state.cursors.map((cursor, i) => (changed[i] ? { ...cursor, ...anew } : cursor)));
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
  run: TrainingRun,
  stage: ResolvedStage,
  { path, ...settings }: NonNullable<Stage["preference"]>,
): Promise<StageWork> {
  const { options, state, trainer, tokenizer, recipe } = run;
  let skipped = 0;
  const all = await readPreferences(resolveData(path, options), tokenizer, stage.sequenceLength, {
    onBad: recipe.onBadData,
    onSkipped: () => skipped++,
    signal: options.signal,
  });
  const { pairs, held } = splitPairs(all, heldShare(recipe));
  const print = pairsPrint(all);
  hasChanged(state.sources[0], print, {
    what: `${path} (stages.${stage.index}.preference)`,
    // What the pairs were worth when the stage began can no longer be measured.
    remedy: "put it back, or begin a new run with --out",
  });
  state.sources = [print];
  const preferences = new Preferences(pairs, settings, seedOf(run, stage));
  const heldOut = new Preferences(held, settings, 0);
  const micro = stage.microBatchSequences ?? stage.batchSequences;
  const rows = micro * stage.sequenceLength;
  const tokens = pairs.reduce((sum, { chosen, rejected }) => sum + chosen.ids.length + rejected.ids.length, 0);
  const source = {
    source: path,
    documents: pairs.length,
    sourceTokens: null,
    passes: stage.allTokens / tokens,
    skipped,
  };
  remarkOn(stage, stage.index, [source], options);
  if (skipped > 0) options.onMessage?.(`${path}: ${skipped} pairs skipped`);
  if (state.cursors.length > 0) {
    preferences.restore(state.cursors, run.references.learnt);
    heldOut.restore([], run.references.held ?? heldOut.reference);
  } else {
    options.onMessage?.(`${stage.name}: how likely the ${pairs.length} pairs are before the stage`);
    preferences.measureReference(trainer, rows);
    heldOut.measureReference(trainer, rows);
  }
  return {
    sources: [source],
    step: (sequences, options) => {
      const parts = Array.from({ length: sequences / micro }, () => preferences.next(rows));
      return preferences.step(trainer, parts, options);
    },
    save: () => preferences.save(),
    ...(held.length > 0 && { heldOut: () => heldOut.evaluate(trainer, rows) }),
    buffers: {
      reference: preferences.reference,
      ...(held.length > 0 && { heldReference: heldOut.reference }),
    },
  };
}

/** By the hash of their prompts, so that replies to one prompt stay on one side. @throws InputError where none is left to learn from */
function splitPairs(all: PreferencePair[], share = 0): { pairs: PreferencePair[]; held: PreferencePair[] } {
  const isHeld = ({ chosen: { ids, replyStart } }: PreferencePair) =>
    hashShare(ids.subarray(0, replyStart).join()) < share;
  const pairs = all.filter((pair) => !isHeld(pair));
  if (pairs.length === 0) throw new InputError(`validation.share: ${share} leaves no pair to learn from; lower it`);
  return { pairs, held: all.filter(isHeld) };
}

const pairsPrint = (pairs: readonly PreferencePair[]): string =>
  printOf(
    ...pairs.flatMap((pair) => [pair.chosen, pair.rejected].flatMap((side) => [side.ids, `${side.replyStart}|`])),
  );
