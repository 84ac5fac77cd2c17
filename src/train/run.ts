/**
 * A training run: a recipe's stages one after the other, in a folder that holds everything about it:
 *   recipe.json · tokenizer/ · cache/ (tokenised corpora) · checkpoints/step-… · ledger.jsonl · model/ (the finished Hugging Face folder)
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { latestState, rotateStates, saveState } from "../checkpoint/index.ts";
import type { Cursor } from "../data/index.ts";
import { createTrainingWeights, Transformer } from "../model/index.ts";
import { countDeepseek, trainingFlops } from "../plan/index.ts";
import { Arena, InputError, type Kernels } from "../tensor/index.ts";
import type { Tokenizer } from "../text/index.ts";
import { loadValidation, type ValidationText, validate } from "./evaluate.ts";
import { exportModel } from "./export.ts";
import { checkPaths, type InputOptions, mixtureOf, resolveData, tokenizerFolder, tokenizerOf } from "./inputs.ts";
import { Ledger, type LedgerRecord, type StepRecord } from "./ledger.ts";
import { modelConfigOf, parseRecipe, type Recipe, type Stage } from "./recipe.ts";
import { biasUpdateSpeed, learningRate, mtpWeight } from "./schedule.ts";
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

export interface RunResult {
  finished: boolean;
  steps: number;
  tokens: number;
  loss: number;
  bitsPerByte: number | null;
  /** The finished model's folder; null where the run was interrupted. */
  model: string | null;
}

/** Steps in a row whose loss or gradient is not finite, after which a run gives up. */
const MOST_SKIPPED = 3;

/** What a checkpoint keeps beside the numbers. */
interface RunState {
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

/** Runs a recipe to its end, or until the signal. @throws InputError for anything wrong with the recipe, the data or the folder */
export async function train(recipe: Recipe, options: TrainOptions): Promise<RunResult> {
  const run = await prepare(recipe, options);
  for (; run.state.stage < recipe.stages.length; run.state.stage++, run.state.stageTokens = 0, run.state.cursors = []) {
    const finished = await runStage(run, recipe.stages[run.state.stage]);
    if (!finished) return resultOf(run, null);
  }
  const model = join(options.out, "model");
  exportModel(model, {
    config: run.trainer.model.config,
    weights: run.trainer.training.weights,
    tokenizerDir: tokenizerFolder(options.out),
    vocabSize: run.tokenizer.vocabSize,
    dtype: recipe.export,
    kernels: options.kernels,
  });
  return resultOf(run, model);
}

interface Run {
  recipe: Recipe;
  options: TrainOptions;
  tokenizer: Tokenizer;
  trainer: Trainer;
  ledger: Ledger;
  state: RunState;
  validation: ValidationText[];
  arena: Arena;
  lastLoss: number;
  lastBitsPerByte: number | null;
  totalTokens: number;
}

function resultOf(run: Run, model: string | null): RunResult {
  return {
    finished: model !== null,
    steps: run.state.step,
    tokens: run.state.tokens,
    loss: run.lastLoss,
    bitsPerByte: run.lastBitsPerByte,
    model,
  };
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

async function prepare(recipe: Recipe, options: TrainOptions): Promise<Run> {
  const { out, kernels } = options;
  const recipeText = JSON.stringify(recipe);
  const saved = options.resume
    ? latestState(checkpointsOf(out), (message) => options.onMessage?.(`passing over a damaged checkpoint: ${message}`))
    : null;
  if (!options.resume && existsSync(join(out, "ledger.jsonl"))) {
    throw new InputError(`${out}: holds a run already; go on with --resume, or name another folder with --out`);
  }
  if (saved) checkSameRecipe(recipe, saved.json as unknown as RunState, out);
  checkPaths(recipe, options);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "recipe.json"), `${JSON.stringify(recipe, null, 2)}\n`);
  const tokenizer = await tokenizerOf(recipe, options);
  const config = modelConfigOf(recipe, tokenizer);
  const training = createTrainingWeights(config, recipe.seed);
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
    recipe: recipeText,
  };
  const ledger = new Ledger(join(out, "ledger.jsonl"));
  const state = saved ? (saved.json as unknown as RunState) : fresh;
  if (saved) {
    const { flat, biases } = training;
    for (const [name, data] of Object.entries({ flat, biases, m: trainer.optimizer.m, v: trainer.optimizer.v }))
      data.set(saved.buffers[name] as Float32Array);
    trainer.optimizer.updates = state.updates;
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
  const totalTokens = recipe.stages.reduce(
    (sum, stage) => sum + stepsOf(stage) * stage.batchSequences * stage.sequenceLength,
    0,
  );
  return {
    recipe,
    options,
    tokenizer,
    trainer,
    ledger,
    state,
    validation,
    arena: new Arena(),
    lastLoss: Number.NaN,
    lastBitsPerByte: null,
    totalTokens,
  };
}

const stepsOf = (stage: Stage) => Math.max(1, Math.ceil(stage.tokens / (stage.batchSequences * stage.sequenceLength)));

/** Runs what is left of a stage; false if it was interrupted. */
async function runStage(run: Run, stage: Stage): Promise<boolean> {
  const { options, state, trainer, recipe } = run;
  const config = modelConfigOf(recipe, run.tokenizer, { stage: state.stage });
  trainer.model = new Transformer(config, trainer.training.weights);
  const mtpDepths = trainer.model.config.numNextnPredictLayers;
  const seed = recipe.seed + state.stage * 1000;
  const mixture = await mixtureOf(stage, { tokenizer: run.tokenizer, mtpDepths, seed }, options);
  if (state.cursors.length > 0) mixture.restore(state.cursors);
  const rows = stage.batchSequences * stage.sequenceLength;
  const stageTokens = stepsOf(stage) * rows;
  const micro = stage.microBatchSequences ?? stage.batchSequences;
  const flopsPerToken = trainingFlops(countDeepseek(trainer.model.config), {
    context: stage.sequenceLength,
    mtp: stage.mtpWeight[0] > 0,
  });
  let lastSave = performance.now();
  let skippedInARow = 0;
  while (state.stageTokens < stageTokens) {
    const started = performance.now();
    const cpu = process.cpuUsage();
    const done = state.stageTokens / stageTokens;
    const batches = Array.from({ length: stage.batchSequences / micro }, () => mixture.next(micro));
    // The schedule is asked for the middle of the step: warm-up does not begin with a step of rate 0.
    const lr = learningRate(stage, (state.stageTokens + rows / 2) / stageTokens);
    const result = trainer.step(batches, {
      lr,
      mtpWeight: mtpWeight(stage, done),
      balanceAlpha: stage.balanceAlpha,
      biasUpdateSpeed: biasUpdateSpeed(stage, done),
      recompute: stage.recompute,
    });
    const seconds = (performance.now() - started) / 1000;
    const used = process.cpuUsage(cpu);
    state.step++;
    state.tokens += rows;
    state.stageTokens += rows;
    state.updates = trainer.optimizer.updates;
    state.seconds += seconds;
    state.coreSeconds += (used.user + used.system) / 1e6;
    run.lastLoss = result.loss;
    const tflops = (flopsPerToken * rows) / seconds / 1e12;
    report(run, { ...result, stage: stage.name, lr, tokensPerSecond: rows / seconds, tflops });
    skippedInARow = result.skipped ? skippedInARow + 1 : 0;
    if (skippedInARow === MOST_SKIPPED) {
      throw new InputError(
        `step ${state.step}: loss or gradient was not finite ${MOST_SKIPPED} times in a row; lower the learning rate and go on with --resume from the last checkpoint`,
      );
    }
    const last = state.stageTokens >= stageTokens;
    if (
      recipe.validation &&
      (state.step % recipe.validation.everySteps === 0 || (last && state.stage === recipe.stages.length - 1))
    )
      runValidation(run);
    const stopping =
      options.signal?.aborted ||
      (options.maxSteps !== undefined &&
        state.step >= options.maxSteps &&
        !(last && state.stage === recipe.stages.length - 1));
    if (last || stopping || performance.now() - lastSave > recipe.checkpoint.everyMinutes * 60_000) {
      state.cursors = mixture.save();
      checkpoint(run);
      lastSave = performance.now();
    }
    if (stopping) return false;
    // Let signals and timers in.
    await new Promise((resume) => setImmediate(resume));
  }
  return true;
}

function report(
  run: Run,
  step: Pick<
    StepRecord,
    "stage" | "loss" | "mtpLoss" | "balanceLoss" | "gradNorm" | "lr" | "tokensPerSecond" | "tflops"
  > & {
    skipped: boolean;
  },
): void {
  const { state, recipe, trainer, totalTokens } = run;
  const coreHours = state.coreSeconds / 3600;
  const { skipped, ...numbers } = step;
  const record: StepRecord = {
    kind: "step",
    step: state.step,
    tokens: state.tokens,
    ...numbers,
    ...(recipe.price.peakTflops !== undefined && { utilisation: step.tflops / recipe.price.peakTflops }),
    seconds: state.seconds,
    coreHours,
    usd: coreHours * recipe.price.usdPerCoreHour,
    ...trainer.loads.summary(),
    memoryMB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    ...(skipped && { skipped: true as const }),
  };
  run.ledger.append(record);
  const secondsLeft = (totalTokens - state.tokens) / (state.tokens / state.seconds);
  run.options.onRecord?.(record, { tokens: state.tokens, totalTokens, secondsLeft });
}

function runValidation(run: Run): void {
  const { trainer, recipe, options, state, totalTokens } = run;
  const { bitsPerByte, bySlice } = validate(
    trainer.model,
    options.kernels,
    run.arena,
    recipe.precision,
    run.validation,
  );
  run.lastBitsPerByte = bitsPerByte;
  const record: LedgerRecord = {
    kind: "validation",
    step: state.step,
    tokens: state.tokens,
    seconds: state.seconds,
    bitsPerByte,
    bySlice,
  };
  run.ledger.append(record);
  options.onRecord?.(record, { tokens: state.tokens, totalTokens, secondsLeft: Number.NaN });
}

function checkpoint(run: Run): void {
  const { state, trainer, recipe, options } = run;
  state.ledgerBytes = run.ledger.bytes;
  const { flat, biases } = trainer.training;
  const { m, v } = trainer.optimizer;
  const dir = checkpointsOf(options.out);
  saveState(dir, state.step, { buffers: { flat, m, v, biases }, json: { ...state } });
  rotateStates(dir, recipe.checkpoint.keep);
}
