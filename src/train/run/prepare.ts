/** Everything before a run's first step, or its next: recipe, tokenizer, weights, the newest checkpoint, validation. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { type CheckpointFolder, openFolder, removeUnfinishedStates, writeAtomically } from "../../checkpoint/index.ts";
import { Transformer } from "../../model/index.ts";
import { Arena, type F32 } from "../../tensor/index.ts";
import { Trainer } from "../optimize/trainer.ts";
import { modelConfigOf } from "../recipe/model.ts";
import { stageTokens } from "../recipe/schedule.ts";
import type { Recipe } from "../recipe/schema.ts";
import { fingerprintOf, modelFrom, newModel } from "./beginning.ts";
import { filesPrint, hasChanged, printOf, recipeChanges } from "./changes.ts";
import { checkpointsOf, newest, setAside } from "./checkpoints.ts";
import { checkPaths, filesAlong, resolveModel, tokenizerFolder, tokenizerOf } from "./inputs.ts";
import { Ledger } from "./ledger.ts";
import { freshState, type RunState } from "./run-state.ts";
import type { Run, TrainOptions } from "./session.ts";
import { validationTexts } from "./validation-texts.ts";

/** Looks for all that the recipe names before a folder is made for the run. @throws InputError */
export function openInputs(recipe: Recipe, options: TrainOptions): CheckpointFolder | null {
  checkPaths(recipe, options);
  return recipe.from === undefined ? null : openFolder(resolveModel(recipe.from, options));
}

/** Opens a run, or prepares to take it up again, in a folder that is locked. Only `takeUp` changes what is there. @throws InputError */
export async function prepare(given: Recipe, folder: CheckpointFolder | null, options: TrainOptions): Promise<Run> {
  const { out, kernels } = options;
  const clock = { wall: performance.now(), cpu: process.cpuUsage() };
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
  const { recipe, vocabulary, training } = folder
    ? modelFrom(given, folder, kernels, options.onMessage)
    : newModel(given, tokenizer);
  if (tokenizer.vocabSize > vocabulary.vocabSize) {
    throw new InputError(
      `${given.from}: the tokenizer has ${tokenizer.vocabSize} ids, but the model's vocab_size is ${vocabulary.vocabSize}; they do not belong together`,
    );
  }
  const config = modelConfigOf(recipe, vocabulary);
  const trainer = new Trainer(new Transformer(config, training.weights), training, kernels, recipe);
  // Stages that began later than others changed are held against what they are now.
  const state: RunState = { ...(saved?.state ?? freshState("")), recipe: JSON.stringify(given) };
  const prints = {
    tokenizer: filesPrint(filesAlong(tokenizerFolder(out))),
    ...(folder && { config: printOf(JSON.stringify(folder.config)) }),
  };
  const remedy = "put it back, or begin a new run with --out";
  hasChanged(state.inputs.tokenizer, prints.tokenizer, { what: tokenizerFolder(out), remedy });
  if (recipe.lora) {
    const base = fingerprintOf(training.flat);
    if (state.base !== undefined && state.base !== base)
      throw new InputError(
        `${given.from}: holds other weights than when the run in ${out} began; put them back, or begin a new run`,
      );
    state.base = base;
  }
  if (folder) hasChanged(state.inputs.config, prints.config!, { what: join(folder.dir, "config.json"), remedy });
  if (saved) trainer.restore(saved.buffers, state.updates);
  // Every stage's model must be able to read the texts.
  const longest = Math.min(
    config.maxPositionEmbeddings,
    Math.max(...recipe.stages.map(({ sequenceLength }) => sequenceLength)),
  );
  const validation = recipe.validation
    ? await validationTexts(recipe, recipe.validation, tokenizer, longest, options)
    : [];
  const heldOut = `${longest}:${printOf(...validation.map(({ ids }) => ids))}`;
  // Where stages to come were changed, texts may be cut elsewhere.
  const comparable = state.inputs.validation?.startsWith(`${longest}:`) ? state.inputs.validation : undefined;
  const other = hasChanged(comparable, heldOut, {
    what: "validation",
    accept: options.acceptChangedData,
    remedy:
      "put its texts back, or go on with --accept-changed-data (figures before and after are then not comparable)",
  });
  if (other) changes.push("the validation texts");
  state.inputs = { ...prints, validation: heldOut };
  const run: Run = {
    recipe,
    options,
    tokenizer,
    vocabulary,
    trainer,
    ledger,
    state,
    reference: (saved?.buffers.reference as F32 | undefined) ?? null,
    heldReference: (saved?.buffers.heldReference as F32 | undefined) ?? null,
    validation,
    arena: new Arena(),
    lastLoss: Number.NaN,
    lastBitsPerByte: null,
    lastJudged: state.lastJudged ?? null,
    totalTokens: recipe.stages.reduce((sum, stage) => sum + stageTokens(stage), 0),
    remarks: [],
    secondsPerToken: 0,
    paceSteps: 0,
    takeUp: () => {
      removeUnfinishedStates(checkpoints);
      setAside(damaged, options.onMessage);
      if (saved) {
        writeRecipe();
        goOn(run, changes);
      } else if (options.resume) beginAnew(run);
    },
    clock,
  };
  return run;
}

/** Cuts the ledger back to the checkpoint, and tells it what has happened since. */
function goOn({ ledger, state, options }: Run, changes: readonly string[]): void {
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
function beginAnew({ ledger, options }: Run): void {
  const kept = ledger.bytes === 0 ? "" : `; what was told of the steps before is kept in ${ledger.setAside()}`;
  options.onMessage?.(`${options.out} has no checkpoint yet: beginning at step 0${kept}`);
}
