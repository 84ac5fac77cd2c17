/** What a run holds while it goes on: how it begins, how it is put down in a checkpoint, and how it is taken up again. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type CheckpointFolder,
  configOf,
  latestState,
  loadTrainingWeights,
  openFolder,
  rotateStates,
  saveState,
  type TrainingState,
} from "../checkpoint/index.ts";
import type { Cursor } from "../data/index.ts";
import { createTrainingWeights, type ModelConfig, type TrainingWeights, Transformer } from "../model/index.ts";
import { Arena, type F32, InputError, type Kernels } from "../tensor/index.ts";
import type { Tokenizer } from "../text/index.ts";
import { loadValidation, type ValidationText } from "./evaluate.ts";
import { checkPaths, type InputOptions, resolveData, tokenizerOf } from "./inputs.ts";
import { Ledger, type LedgerRecord } from "./ledger.ts";
import { checkModel, modelConfigOf, modelFieldsOf, parseRecipe, type Recipe, type Vocabulary } from "./recipe.ts";
import { stageTokens } from "./schedule.ts";
import { Trainer } from "./trainer.ts";

export interface TrainOptions extends InputOptions {
  /** Go on from the newest checkpoint of the folder. */
  resume?: boolean;
  kernels: Kernels;
  /** Aborted: the step at hand is finished, a checkpoint written, and the run ends. */
  signal?: AbortSignal;
  onRecord?: (record: LedgerRecord, progress: RunProgress) => void;
  /** Stop after this many steps, as if interrupted (for tests and trials). */
  maxSteps?: number;
}

export interface RunProgress {
  tokens: number;
  totalTokens: number;
  secondsLeft: number;
}

/** What a checkpoint keeps beside the numbers. */
export interface RunState {
  stage: number;
  stageTokens: number;
  step: number;
  tokens: number;
  updates: number;
  seconds: number;
  coreSeconds: number;
  ledgerBytes: number;
  cursors: Cursor[];
  recipe: string;
}

export interface Run {
  /** With the model's fields filled in where it starts from a folder. */
  recipe: Recipe;
  options: TrainOptions;
  tokenizer: Tokenizer;
  vocabulary: Vocabulary;
  trainer: Trainer;
  ledger: Ledger;
  state: RunState;
  /** The checkpoint that the run goes on from, until the stage it belongs to has taken what it needs. */
  saved: TrainingState | null;
  validation: ValidationText[];
  arena: Arena;
  lastLoss: number;
  lastBitsPerByte: number | null;
  totalTokens: number;
}

const checkpointsOf = (out: string) => join(out, "checkpoints");

/** Stages that have not begun may be changed; all else must be as it was. @throws InputError */
function checkSameRecipe(recipe: Recipe, { recipe: before, stage }: RunState, out: string): void {
  const begun = ({ stages, checkpoint, price, export: _, description, ...rest }: Recipe) =>
    JSON.stringify({ ...rest, stages: stages.slice(0, stage + 1) });
  // Parsed again, so that fields which are new since then get their defaults.
  if (begun(parseRecipe(JSON.parse(before))) === begun(recipe)) return;
  throw new InputError(
    `${out}: the recipe is not the one that this run began with (only stages that have not begun may change); put it back, or begin a new run with --out`,
  );
}

interface Beginning {
  recipe: Recipe;
  vocabulary: Vocabulary;
  training: TrainingWeights;
}

/** A new model, as the recipe describes it. */
function newModel(recipe: Recipe, vocabulary: Vocabulary): Beginning {
  return { recipe, vocabulary, training: createTrainingWeights(modelConfigOf(recipe, vocabulary), recipe.seed) };
}

/** The folder that the recipe starts from, with its weights. */
function modelFrom(recipe: Recipe, folder: CheckpointFolder, config: ModelConfig, options: TrainOptions): Beginning {
  const named = folder.config.num_nextn_predict_layers;
  if (typeof named === "number" && named > config.numNextnPredictLayers) {
    options.onMessage?.(
      `${folder.dir}: config.json names ${named} MTP depths and the weights hold ${config.numNextnPredictLayers}: training goes on with those`,
    );
  }
  const vocabulary = { vocabSize: config.vocabSize, bosId: config.bosTokenId, eosId: config.eosTokenIds };
  const filled = { ...recipe, model: modelFieldsOf(config) };
  checkModel(filled, vocabulary);
  return { recipe: filled, vocabulary, training: loadTrainingWeights(folder, config, options.kernels) };
}

/** Everything that a run needs before its first step, or its next. @throws InputError */
export async function prepare(given: Recipe, options: TrainOptions): Promise<Run> {
  const { out, kernels } = options;
  const saved = options.resume
    ? latestState(checkpointsOf(out), (message) => options.onMessage?.(`passing over a damaged checkpoint: ${message}`))
    : null;
  if (!options.resume && existsSync(join(out, "ledger.jsonl"))) {
    throw new InputError(`${out}: holds a run already; go on with --resume, or name another folder with --out`);
  }
  if (saved) checkSameRecipe(given, saved.json as unknown as RunState, out);
  checkPaths(given, options);
  const folder = given.from === undefined ? null : openFolder(resolveData(given.from, options));
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "recipe.json"), `${JSON.stringify(given, null, 2)}\n`);
  const tokenizer = await tokenizerOf(given, options);
  const { recipe, vocabulary, training } = folder
    ? modelFrom(given, folder, configOf(folder), options)
    : newModel(given, tokenizer);
  if (tokenizer.vocabSize > vocabulary.vocabSize) {
    throw new InputError(
      `${given.from}: the tokenizer has ${tokenizer.vocabSize} ids, but the model's vocab_size is ${vocabulary.vocabSize}; they do not belong together`,
    );
  }
  const config = modelConfigOf(recipe, vocabulary);
  const trainer = new Trainer(new Transformer(config, training.weights), training, kernels, recipe);
  const fresh: RunState = {
    stage: 0,
    stageTokens: 0,
    step: 0,
    tokens: 0,
    updates: 0,
    seconds: 0,
    coreSeconds: 0,
    ledgerBytes: 0,
    cursors: [],
    recipe: JSON.stringify(given),
  };
  const ledger = new Ledger(join(out, "ledger.jsonl"));
  const state = saved ? (saved.json as unknown as RunState) : fresh;
  if (saved) {
    trainer.restore(saved.buffers, state.updates);
    options.onMessage?.(`going on from step ${state.step}`);
  } else if (options.resume) options.onMessage?.(`${out} has no checkpoint yet: beginning at step 0`);
  ledger.rewind(state.ledgerBytes);
  // Every stage's model must be able to read the texts.
  const longest = Math.min(
    config.maxPositionEmbeddings,
    Math.max(...recipe.stages.map(({ sequenceLength }) => sequenceLength)),
  );
  const validation = recipe.validation
    ? await loadValidation(
        resolveData(recipe.validation.path, options),
        tokenizer,
        recipe.validation.documents,
        longest,
      )
    : [];
  return {
    recipe,
    options,
    tokenizer,
    vocabulary,
    trainer,
    ledger,
    state,
    saved,
    validation,
    arena: new Arena(),
    lastLoss: Number.NaN,
    lastBitsPerByte: null,
    totalTokens: recipe.stages.reduce((sum, stage) => sum + stageTokens(stage), 0),
  };
}

/** Writes a checkpoint and removes the oldest. `more`: further buffers that the stage needs to go on. */
export function checkpoint(run: Run, more: Record<string, F32>): void {
  const { state, trainer, recipe, options } = run;
  state.ledgerBytes = run.ledger.bytes;
  const dir = checkpointsOf(options.out);
  saveState(dir, state.step, { buffers: { ...trainer.state, ...more }, json: { ...state } });
  rotateStates(dir, recipe.checkpoint.keep);
}
