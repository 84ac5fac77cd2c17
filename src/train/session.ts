/** What a run holds while it goes on: how it begins, how it is put down in a checkpoint, and how it is taken up again. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  type CheckpointFolder,
  configOf,
  latestState,
  loadTrainingWeights,
  openFolder,
  rotateStates,
  saveState,
  writeAtomically,
} from "../checkpoint/index.ts";
import type { Cursor } from "../data/index.ts";
import { createTrainingWeights, type ModelConfig, type TrainingWeights, Transformer } from "../model/index.ts";
import { Arena, type F32, InputError, type Kernels } from "../tensor/index.ts";
import type { Tokenizer } from "../text/index.ts";
import type { ValidationText } from "./evaluate.ts";
import { checkPaths, type InputOptions, resolveData, tokenizerOf } from "./inputs.ts";
import { Ledger, type LedgerRecord } from "./ledger.ts";
import { parseRecipe, type Recipe, type Stage } from "./recipe.ts";
import { checkModel, modelConfigOf, modelFieldsOf, type Vocabulary } from "./recipe-model.ts";
import { stageTokens } from "./schedule.ts";
import { Trainer } from "./trainer.ts";
import { validationTexts } from "./validation-texts.ts";

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
  /** With onSpike: losses of the last steps, and how often the run went back. Absent in older checkpoints. */
  recentLosses?: number[];
  rollbacks?: number;
  /** CRC-32 of the weights that low-rank additions are added to. */
  base?: number;
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
  /** Of a checkpoint inside a stage of preferences: log probabilities under the weights that the stage began with. */
  reference: F32 | null;
  validation: ValidationText[];
  arena: Arena;
  lastLoss: number;
  lastBitsPerByte: number | null;
  totalTokens: number;
  /** Pace of this session's last steps, and how many it has made. */
  secondsPerToken: number;
  paceSteps: number;
  /** Until when time has been charged to the run. */
  clock: { wall: number; cpu: NodeJS.CpuUsage };
}

const checkpointsOf = (out: string) => join(out, "checkpoints");

/** Stages that have not begun may be changed; all else must be as it was. @throws InputError */
function checkSameRecipe(recipe: Recipe, { recipe: before, stage }: RunState, out: string): void {
  const begun = ({ stages, checkpoint, price, export: _, description, samples, onSpike, ...rest }: Recipe) =>
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
  const training = createTrainingWeights(modelConfigOf(recipe, vocabulary), recipe.seed);
  const { residual = 1, head = 1 } = recipe.init ?? {};
  for (const { stored, data } of training.slots) {
    const { name } = stored[0];
    const scale = /(o_proj|down_proj)\.weight$/.test(name) ? residual : name.startsWith("lm_head") ? head : 1;
    if (scale !== 1) data.set(data.map((x) => x * scale));
  }
  return { recipe, vocabulary, training };
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
  const clock = { wall: performance.now(), cpu: process.cpuUsage() };
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
  writeAtomically(join(out, "recipe.json"), [Buffer.from(`${JSON.stringify(given, null, 2)}\n`)]);
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
  if (recipe.lora) checkBase(state, training.flat, given, out);
  if (saved) {
    trainer.restore(saved.buffers, state.updates);
    options.onMessage?.(`going on from step ${state.step}`);
  } else if (options.resume) options.onMessage?.(`${out} has no checkpoint yet: beginning at step 0`);
  const { writtenAt } = ledger;
  ledger.rewind(state.ledgerBytes);
  if (saved && writtenAt !== null) {
    const { step, tokens } = state;
    const pausedSeconds = Math.max(0, Math.round((Date.now() - writtenAt) / 1000));
    const message = `going on after a pause of ${pausedSeconds} s`;
    ledger.append({ kind: "event", event: "resume", step, tokens, pausedSeconds, message });
  }
  // Every stage's model must be able to read the texts.
  const longest = Math.min(
    config.maxPositionEmbeddings,
    Math.max(...recipe.stages.map(({ sequenceLength }) => sequenceLength)),
  );
  const validation = recipe.validation
    ? await validationTexts(recipe, recipe.validation, tokenizer, longest, options)
    : [];
  return {
    recipe,
    options,
    tokenizer,
    vocabulary,
    trainer,
    ledger,
    state,
    reference: (saved?.buffers.reference as F32 | undefined) ?? null,
    validation,
    arena: new Arena(),
    lastLoss: Number.NaN,
    lastBitsPerByte: null,
    totalTokens: recipe.stages.reduce((sum, stage) => sum + stageTokens(stage), 0),
    secondsPerToken: 0,
    paceSteps: 0,
    clock,
  };
}

/** Adds the time since the last charge to the run's bill. */
export function charge(run: Run): void {
  const { user, system } = process.cpuUsage(run.clock.cpu);
  const now = performance.now();
  run.state.seconds += (now - run.clock.wall) / 1000;
  run.state.coreSeconds += (user + system) / 1e6;
  run.clock = { wall: now, cpu: process.cpuUsage() };
}

/** Writes a line into the ledger and tells whoever listens. */
export function record(run: Run, line: LedgerRecord, secondsLeft = Number.NaN): void {
  run.ledger.append(line);
  run.options.onRecord?.(line, { tokens: run.state.tokens, totalTokens: run.totalTokens, secondsLeft });
}

/** Low-rank additions fit the weights that they were trained on. @throws InputError if the folder has others now */
function checkBase(state: RunState, { buffer, byteOffset, byteLength }: F32, { from }: Recipe, out: string): void {
  const base = crc32(new Uint8Array(buffer, byteOffset, byteLength));
  if (state.base !== undefined && state.base !== base)
    throw new InputError(
      `${from}: holds other weights than when the run in ${out} began; put them back, or begin a new run`,
    );
  state.base = base;
}

/** Writes a checkpoint and removes the oldest. `more`: further buffers that the stage needs to go on. */
export function checkpoint(run: Run, more: Record<string, F32>): void {
  const { state, trainer, recipe, options } = run;
  state.ledgerBytes = run.ledger.bytes;
  const dir = checkpointsOf(options.out);
  saveState(dir, state.step, { buffers: { ...trainer.state, ...more }, json: { ...state } });
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
