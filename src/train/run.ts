/**
 * A training run: a recipe's stages one after the other, in a folder that holds everything about it:
 *   recipe.json · tokenizer/ · cache/ (tokenised corpora) · checkpoints/step-… · ledger.jsonl · model/ (the finished Hugging Face folder)
 */
import { join } from "node:path";
import { Transformer } from "../model/index.ts";
import { countDeepseek, trainingFlops } from "../plan/index.ts";
import { InputError } from "../tensor/index.ts";
import { validate } from "./evaluate.ts";
import { exportModel } from "./export.ts";
import { mixtureOf, tokenizerFolder } from "./inputs.ts";
import type { LedgerRecord, StepRecord } from "./ledger.ts";
import { modelConfigOf, type Recipe, type Stage } from "./recipe.ts";
import { biasUpdateSpeed, learningRate, mtpWeight, stageTokens } from "./schedule.ts";
import { checkpoint, prepare, type Run, type TrainOptions } from "./session.ts";

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

/** Runs a recipe to its end, or until the signal. @throws InputError for anything wrong with the recipe, the data or the folder */
export async function train(given: Recipe, options: TrainOptions): Promise<RunResult> {
  const run = await prepare(given, options);
  const { recipe } = run;
  for (; run.state.stage < recipe.stages.length; run.state.stage++, run.state.stageTokens = 0, run.state.cursors = []) {
    const finished = await runStage(run, recipe.stages[run.state.stage]);
    if (!finished) return resultOf(run, null);
  }
  const model = join(options.out, "model");
  exportModel(model, {
    config: run.trainer.model.config,
    weights: run.trainer.training.weights,
    tokenizerDir: tokenizerFolder(options.out),
    dtype: recipe.export,
    kernels: options.kernels,
  });
  return resultOf(run, model);
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

/** Runs what is left of a stage; false if it was interrupted. */
async function runStage(run: Run, stage: Stage): Promise<boolean> {
  const { options, state, trainer, recipe } = run;
  const config = modelConfigOf(recipe, run.vocabulary, { stage: state.stage });
  trainer.model = new Transformer(config, trainer.training.weights);
  const mtpDepths = trainer.model.config.numNextnPredictLayers;
  const seed = recipe.seed + state.stage * 1000;
  const mixture = await mixtureOf(stage, { tokenizer: run.tokenizer, mtpDepths, seed }, options);
  if (state.cursors.length > 0) mixture.restore(state.cursors);
  const rows = stage.batchSequences * stage.sequenceLength;
  const allTokens = stageTokens(stage);
  const micro = stage.microBatchSequences ?? stage.batchSequences;
  const flopsPerToken = trainingFlops(countDeepseek(trainer.model.config), {
    context: stage.sequenceLength,
    mtp: stage.mtpWeight[0] > 0,
  });
  let lastSave = performance.now();
  let skippedInARow = 0;
  while (state.stageTokens < allTokens) {
    const started = performance.now();
    const cpu = process.cpuUsage();
    const done = state.stageTokens / allTokens;
    const batches = Array.from({ length: stage.batchSequences / micro }, () => mixture.next(micro));
    // The schedule is asked for the middle of the step: warm-up does not begin with a step of rate 0.
    const lr = learningRate(stage, (state.stageTokens + rows / 2) / allTokens);
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
    const last = state.stageTokens >= allTokens;
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
      checkpoint(run, {});
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
