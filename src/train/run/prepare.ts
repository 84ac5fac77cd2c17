/** Everything before a run's first step, or its next: recipe, tokenizer, weights, the newest checkpoint, validation. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { type CheckpointFolder, openFolder, removeUnfinishedStates, writeAtomically } from "../../checkpoint/index.ts";
import { Transformer } from "../../model/index.ts";
import type { F32 } from "../../tensor/index.ts";
import type { Tokenizer } from "../../text/index.ts";
import { Trainer } from "../optimize/trainer.ts";
import type { ResolvedStage } from "../recipe/model.ts";
import type { Recipe } from "../recipe/schema.ts";
import { fingerprintOf, modelFrom, newModel } from "./beginning.ts";
import { filesPrint, hasChanged, printOf, recipeChanges } from "./changes.ts";
import { checkpointsOf, newest, setAside } from "./checkpoints.ts";
import type { ValidationText } from "./evaluate.ts";
import { checkPaths, filesAlong, resolveModel, tokenizerFolder, tokenizerOf } from "./inputs.ts";
import { Ledger } from "./ledger.ts";
import { Meter, moment } from "./meter.ts";
import { freshState, type RunState } from "./run-state.ts";
import { TrainingRun, type TrainOptions } from "./training-run.ts";
import { validationTexts } from "./validation-texts.ts";

/** Looks for all that the recipe names before a folder is made for the run. @throws InputError */
export function openInputs(recipe: Recipe, options: TrainOptions): CheckpointFolder | null {
  checkPaths(recipe, options);
  return recipe.from === undefined ? null : openFolder(resolveModel(recipe.from, options));
}

/** Opens a run, or prepares to take it up again, in a folder that is locked. Only `takeUp` changes what is there. @throws InputError */
export async function prepare(
  given: Recipe,
  folder: CheckpointFolder | null,
  options: TrainOptions,
): Promise<TrainingRun> {
  const { out, kernels } = options;
  const since = moment();
  const ledger = new Ledger(join(out, "ledger.jsonl"));
  const checkpoints = checkpointsOf(out);
  const damaged: string[] = [];
  if (!options.resume && (ledger.bytes > 0 || existsSync(checkpoints)))
    throw new InputError(`${out}: holds a run already; go on with --resume, or name another folder with --out`);
  const saved = options.resume ? newest(checkpoints, damaged, options.onMessage) : null;
  const changes = saved ? recipeChanges(given, saved.state, out) : [];
  const writeRecipe = () => writeAtomically(join(out, "recipe.json"), `${JSON.stringify(given, null, 2)}\n`);
  if (!saved) writeRecipe();
  const tokenizer = await tokenizerOf(given, options);
  const { recipe, stages, training } = folder
    ? modelFrom(given, folder, kernels, options.onMessage)
    : newModel(given, tokenizer);
  const { config } = stages[0];
  if (tokenizer.vocabSize > config.vocabSize) {
    throw new InputError(
      `${given.from}: the tokenizer has ${tokenizer.vocabSize} ids, but the model's vocab_size is ${config.vocabSize}; they do not belong together`,
    );
  }
  const trainer = new Trainer(new Transformer(config, training.weights), training, kernels, recipe);
  // Stages that began later than others changed are held against what they are now.
  const state: RunState = { ...(saved?.state ?? freshState("")), recipe: JSON.stringify(given) };
  checkBeginning(state, { folder, base: recipe.lora && fingerprintOf(training.flat) }, options);
  if (saved) trainer.restore(saved.buffers, state.updates);
  const validation = await validationOf(recipe, stages, tokenizer, options);
  if (validationChanged(state, validation, options)) changes.push("the validation texts");
  const { reference, heldReference } = saved?.buffers ?? {};
  const totalTokens = stages.reduce((sum, { allTokens }) => sum + allTokens, 0);
  return new TrainingRun({
    recipe,
    stages,
    options,
    tokenizer,
    trainer,
    ledger,
    meter: new Meter(state, { price: recipe.price, totalTokens, since }),
    state,
    validation: validation.texts,
    references: { learnt: (reference as F32 | undefined) ?? null, held: (heldReference as F32 | undefined) ?? null },
    takeUp: (run) => {
      removeUnfinishedStates(checkpoints);
      setAside(damaged, options.onMessage);
      if (saved) {
        writeRecipe();
        goOn(run, changes);
      } else if (options.resume) beginAnew(run);
    },
  });
}

const REMEDY = "put it back, or begin a new run with --out";

/** What a run starts from: a folder, and the fingerprint of its weights where a checkpoint holds only what is added to them. */
interface Start {
  folder: CheckpointFolder | null;
  base: number | undefined;
}

/** Holds the tokenizer and what the run starts from against those that it began with, and notes them. @throws InputError */
function checkBeginning(state: RunState, { folder, base }: Start, { out }: TrainOptions): void {
  const { inputs } = state;
  const tokenizer = filesPrint(filesAlong(tokenizerFolder(out)));
  hasChanged(inputs.tokenizer, tokenizer, { what: tokenizerFolder(out), remedy: REMEDY });
  inputs.tokenizer = tokenizer;
  if (!folder) return;
  if (base !== undefined && state.base !== undefined && state.base !== base)
    throw new InputError(
      `${folder.dir}: holds other weights than when the run in ${out} began; put them back, or begin a new run`,
    );
  if (base !== undefined) state.base = base;
  const config = printOf(JSON.stringify(folder.config));
  hasChanged(inputs.config, config, { what: join(folder.dir, "config.json"), remedy: REMEDY });
  inputs.config = config;
}

interface HeldOut {
  texts: ValidationText[];
  /** Each is cut after so many tokens, which every stage's model can read. */
  longest: number;
}

async function validationOf(
  recipe: Recipe,
  stages: readonly ResolvedStage[],
  tokenizer: Tokenizer,
  options: TrainOptions,
): Promise<HeldOut> {
  const longest = Math.min(
    stages[0].config.maxPositionEmbeddings,
    Math.max(...stages.map(({ sequenceLength }) => sequenceLength)),
  );
  const { validation } = recipe;
  const texts = validation ? await validationTexts(recipe, validation, tokenizer, longest, options) : [];
  return { texts, longest };
}

/** Whether the texts are others than before, which must be accepted. @throws InputError where it is not */
function validationChanged({ inputs }: RunState, { texts, longest }: HeldOut, options: TrainOptions): boolean {
  const print = `${longest}:${printOf(...texts.map(({ ids }) => ids))}`;
  // Where stages to come were changed, texts may be cut elsewhere.
  const comparable = inputs.validation?.startsWith(`${longest}:`) ? inputs.validation : undefined;
  const changed = hasChanged(comparable, print, {
    what: "validation",
    accept: options.acceptChangedData,
    remedy:
      "put its texts back, or go on with --accept-changed-data (figures before and after are then not comparable)",
  });
  inputs.validation = print;
  return changed;
}

/** Cuts the ledger back to the checkpoint, and tells it what has happened since. */
function goOn({ ledger, state, options }: TrainingRun, changes: readonly string[]): void {
  const { step, tokens } = state;
  options.onMessage?.(`going on from step ${step}`);
  const { writtenAt, bytes } = ledger;
  if (bytes < state.ledgerBytes)
    options.onMessage?.(
      `${ledger.path}: is shorter than when the checkpoint was written; lines of steps up to ${step} are lost`,
    );
  ledger.rewind(state.ledgerBytes);
  const pausedSeconds = writtenAt === null ? 0 : Math.max(0, Math.round((Date.now() - writtenAt) / 1000));
  const changed = changes.length > 0 ? `; changed in the recipe: ${changes.join(", ")}` : "";
  const message = `going on after a pause of ${pausedSeconds} s${changed}`;
  ledger.append({ kind: "event", event: "resume", step, tokens, pausedSeconds, message });
}

/** A run that ended before its first checkpoint begins again; what its ledger told is kept. */
function beginAnew({ ledger, options }: TrainingRun): void {
  const kept = ledger.bytes === 0 ? "" : `; what was told of the steps before is kept in ${ledger.setAside()}`;
  options.onMessage?.(`${options.out} has no checkpoint yet: beginning at step 0${kept}`);
}
