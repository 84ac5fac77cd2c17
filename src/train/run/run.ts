/**
 * A training run: a recipe's stages one after the other, in a folder that holds everything about it:
 *   recipe.json · tokenizer/ · cache/ (tokenised corpora) · checkpoints/step-… · ledger.jsonl · model/ (the finished Hugging Face folder) · lock (while a process works in it)
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { InputError, Random } from "../../base/index.ts";
import { Transformer } from "../../model/index.ts";
import { countDeepseek, trainingFlops } from "../../plan/index.ts";
import { spikeLimit } from "../optimize/spikes.ts";
import { modelConfigOf } from "../recipe/model.ts";
import type { Recipe, Stage } from "../recipe/recipe.ts";
import { batchSequences, biasUpdateSpeed, learningRate, mtpWeight, stageTokens } from "../recipe/schedule.ts";
import { checkpoint, rollBack } from "./checkpoints.ts";
import { validate } from "./evaluate.ts";
import { exportModel, generationConfigOf } from "./export.ts";
import { tokenizerFolder } from "./inputs.ts";
import type { StepRecord } from "./ledger.ts";
import { openInputs, prepare } from "./prepare.ts";
import { lockRun } from "./run-lock.ts";
import { askable, sampleText } from "./samples.ts";
import { charge, type Run, record, type TrainOptions } from "./session.ts";
import { lookAhead, type StageWork, type WorkResult, workOf } from "./work.ts";

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
/** Steps between records of every expert's load. */
const EXPERTS_EVERY = 20;

/** Runs a recipe to its end, or until the signal. @throws InputError for anything wrong with the recipe, the data or the folder */
export async function train(given: Recipe, options: TrainOptions): Promise<RunResult> {
  const folder = openInputs(given, options);
  mkdirSync(options.out, { recursive: true });
  const lock = lockRun(options.out);
  try {
    return await runRecipe(await prepare(given, folder, options));
  } finally {
    lock.close();
  }
}

async function runRecipe(run: Run): Promise<RunResult> {
  const { recipe, state, options } = run;
  await lookAhead(run);
  while (state.stage < recipe.stages.length) {
    const finished = await runStage(run, recipe.stages[state.stage]);
    if (!finished) return resultOf(run, null);
    state.stage++;
    Object.assign(state, {
      stageTokens: 0,
      cursors: [],
      sources: [],
      course: undefined,
      ...(recipe.onSpike && { recentLosses: [] }),
    });
  }
  takeUp(run);
  // Again, where the run ended between its last checkpoint and here.
  run.trainer.optimizer.finish();
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
  const allTokens = stageTokens(stage);
  if (state.stageTokens >= allTokens) return true;
  const work = await workOf(run, stage);
  takeUp(run);
  const lastStage = state.stage === recipe.stages.length - 1;
  const save = () => {
    charge(run);
    state.cursors = work.save();
    checkpoint(run, work.buffers);
    lastSave = performance.now();
  };
  let lastSave = performance.now();
  let skippedInARow = 0;
  // A spike before the first checkpoint needs a place to go back to.
  if (recipe.onSpike && state.step === 0) save();
  if (state.stageTokens === 0) announce(run, stage, work);
  while (state.stageTokens < allTokens) {
    const result = step(run, stage, work);
    const last = state.stageTokens >= allTokens;
    if (recipe.onSpike) {
      const why = spikeOf(result, state.recentLosses ?? [], recipe.onSpike);
      if (why) {
        rollBack(run, stage, { loss: result.loss, ...why });
        if (state.stageTokens === 0) announce(run, stage, work);
        continue;
      }
      state.recentLosses = [...(state.recentLosses ?? []), result.loss].slice(-recipe.onSpike.window);
    }
    skippedInARow = result.skipped ? skippedInARow + 1 : 0;
    if (skippedInARow === MOST_SKIPPED) {
      throw new InputError(
        `step ${state.step}: loss or gradient was not finite ${MOST_SKIPPED} times in a row; lower the learning rate and go on with --resume from the last checkpoint`,
      );
    }
    // The last validation and samples are the finished model's.
    if (last && lastStage) trainer.optimizer.finish();
    if (state.step % EXPERTS_EVERY === 0) recordExperts(run);
    if (recipe.validation && (state.step % recipe.validation.everySteps === 0 || (last && lastStage)))
      runValidation(run);
    if (recipe.samples && (state.step % recipe.samples.everySteps === 0 || (last && lastStage)))
      await writeSamples(run);
    const { everyMinutes, everySteps } = recipe.checkpoint;
    const due =
      performance.now() - lastSave > everyMinutes * 60_000 ||
      (everySteps !== undefined && state.step % everySteps === 0);
    const stopping =
      options.signal?.aborted ||
      (options.maxSteps !== undefined && state.step >= options.maxSteps && !(last && lastStage));
    if (last || stopping || due) save();
    if (stopping) return false;
    // Let signals and timers in.
    await new Promise((resume) => setImmediate(resume));
  }
  return true;
}

function takeUp(run: Run): void {
  run.takeUp?.();
  run.takeUp = null;
}

/** Tells the ledger that a stage begins, and on what. */
function announce(run: Run, stage: Stage, work: StageWork): void {
  const { step, tokens } = run.state;
  const place = { kind: "event", step, tokens, stage: stage.name } as const;
  const all = stageTokens(stage);
  const message = `stage ${stage.name} begins: ${all} tokens in sequences of ${stage.sequenceLength}`;
  record(run, { ...place, event: "stage", sequenceLength: stage.sequenceLength, stageTokens: all, message });
  for (const summary of work.sources) {
    const { source, documents, sourceTokens, passes, cut, cutTokens, nothing, skipped } = summary;
    const message = [
      `${source}: ${sourceTokens === null ? `${documents} pairs` : `${documents} documents, ${sourceTokens} tokens`}, read ${passes.toFixed(2)} times`,
      ...(cut ? [`${cut} were cut and lose ${cutTokens} tokens`] : []),
      ...(nothing ? [`${nothing} have nothing to learn in them`] : []),
      ...(skipped > 0 ? [`${skipped} were bad and left out`] : []),
    ].join("; ");
    record(run, { ...place, event: "data", ...summary, message });
  }
}

/** Why a step is a spike; null where it is none. */
function spikeOf(
  { loss, skipped }: WorkResult,
  recent: readonly number[],
  settings: NonNullable<Recipe["onSpike"]>,
): { why: string; limit: number | null } | null {
  const limit = spikeLimit(recent, settings);
  if (skipped) return { why: "the loss or its gradient is not finite", limit };
  if (limit === null || loss <= limit) return null;
  return { why: `the loss ${loss.toFixed(4)} is above ${limit.toFixed(4)}`, limit };
}

function step(run: Run, stage: Stage, work: StageWork): WorkResult {
  const { state, trainer, recipe, totalTokens } = run;
  const started = performance.now();
  const allTokens = stageTokens(stage);
  const sequences = batchSequences(stage, state.stageTokens);
  const rows = sequences * stage.sequenceLength;
  const done = state.stageTokens / allTokens;
  // The schedule is asked for the middle of the step: warm-up does not begin with a step of rate 0.
  const lr = learningRate(stage, (state.stageTokens + rows / 2) / allTokens);
  const { skipped, ...result } = work.step(sequences, {
    lr,
    mtpWeight: mtpWeight(stage, done),
    balanceAlpha: stage.balanceAlpha,
    biasUpdateSpeed: biasUpdateSpeed(stage, done),
    recompute: stage.recompute,
  });
  const tokensPerSecond = rows / ((performance.now() - started) / 1000);
  state.step++;
  state.tokens += rows;
  state.stageTokens += rows;
  state.updates = trainer.optimizer.updates;
  run.lastLoss = result.loss;
  charge(run);
  const flopsPerToken = trainingFlops(countDeepseek(trainer.model.config), {
    context: stage.sequenceLength,
    mtp: stage.mtpWeight[0] > 0 && !stage.preference,
  });
  const tflops = (flopsPerToken * tokensPerSecond) / 1e12;
  const coreHours = state.coreSeconds / 3600;
  const { rewards, ...numbers } = result;
  const line: StepRecord = {
    kind: "step",
    stage: stage.name,
    step: state.step,
    tokens: state.tokens,
    ...numbers,
    lr,
    tokensPerSecond,
    tflops,
    ...(recipe.price.peakTflops !== undefined && { utilisation: tflops / recipe.price.peakTflops }),
    seconds: state.seconds,
    coreHours,
    usd: coreHours * recipe.price.usdPerCoreHour,
    ...trainer.loads.summary(),
    memoryMB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    ...(skipped && { skipped: true as const }),
    ...(rewards && { rewards }),
  };
  // What is left is told by the last steps' pace, not by a run that may have begun on another machine.
  const pace = (performance.now() - started) / 1000 / rows;
  run.paceSteps++;
  // The first step makes memory that the others use again, and is soon forgotten.
  const share = Math.max(0.1, 1 / Math.max(1, run.paceSteps - 1));
  run.secondsPerToken += share * (pace - run.secondsPerToken);
  record(run, line, (totalTokens - state.tokens) * run.secondsPerToken);
  return { ...result, skipped };
}

function recordExperts(run: Run): void {
  const { step, tokens } = run.state;
  const loads = run.trainer.loads.shares();
  if (loads.length > 0) record(run, { kind: "experts", step, tokens, loads });
}

function runValidation(run: Run): void {
  const { trainer, recipe, options, state } = run;
  const { bitsPerByte, bySlice } = validate(
    trainer.model,
    options.kernels,
    run.arena,
    recipe.precision,
    run.validation,
  );
  run.lastBitsPerByte = bitsPerByte;
  charge(run);
  const { step, tokens, seconds } = state;
  record(run, { kind: "validation", step, tokens, seconds, bitsPerByte, bySlice });
}

async function writeSamples(run: Run): Promise<void> {
  const { trainer, recipe, options, state, tokenizer, arena } = run;
  const { model: transformer } = trainer;
  const generation = generationConfigOf(transformer.config, tokenizerFolder(options.out));
  const { kernels } = options;
  const model = askable({ transformer, tokenizer, kernels, arena, precision: recipe.precision, generation });
  for (const [i, prompt] of recipe.samples!.prompts.entries()) {
    const seed = new Random(recipe.seed + i, 2 ** 31 + state.step).next();
    const text = await sampleText(model, prompt, recipe.samples!, seed);
    const shown = typeof prompt === "string" ? prompt : prompt.chat;
    record(run, { kind: "sample", step: state.step, tokens: state.tokens, prompt: shown, text });
  }
}
