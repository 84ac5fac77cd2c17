/**
 * A training run: a recipe's stages one after the other, in a folder that holds everything about it:
 *   recipe.json · tokenizer/ · cache/ (tokenised corpora) · checkpoints/step-… · ledger.jsonl · model/ (the finished Hugging Face folder) · lock (while a process works in it)
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError, makeFolder, Random } from "../../base/index.ts";
import { Transformer } from "../../model/index.ts";
import { countDeepseek, trainingFlops } from "../../plan/index.ts";
import { spikeLimit } from "../optimize/spikes.ts";
import { modelConfigOf } from "../recipe/model.ts";
import { batchSequences, biasUpdateSpeed, learningRate, mtpWeight, stageTokens } from "../recipe/schedule.ts";
import type { Recipe, Stage } from "../recipe/schema.ts";
import { keepBest, takeBest } from "./best.ts";
import { checkpoint, checkpointsOf, rollBack } from "./checkpoints.ts";
import { courseAfter, remarksOnCourse } from "./course.ts";
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
  /** Which state it is made of, in words. */
  taken?: string;
  /** What is wrong with how the stages of this session went. */
  remarks: string[];
}

/** Steps in a row whose loss or gradient is not finite, after which a run gives up. */
const MAX_SKIPPED = 3;
/** Steps between records of every expert's load. */
const EXPERTS_EVERY = 20;

/** Runs a recipe to its end, or until the signal. @throws InputError for anything wrong with the recipe, the data or the folder */
export async function train(given: Recipe, options: TrainOptions): Promise<RunResult> {
  const folder = openInputs(given, options);
  makeFolder(options.out);
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
  const taken = takeBest(run);
  record(run, {
    kind: "event",
    event: "model",
    step: state.step,
    tokens: state.tokens,
    message: `the model is ${taken}`,
  });
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
  return { ...resultOf(run, model), taken };
}

function resultOf(run: Run, model: string | null): RunResult {
  return {
    finished: model !== null,
    steps: run.state.step,
    tokens: run.state.tokens,
    loss: run.lastLoss,
    bitsPerByte: run.lastBitsPerByte,
    model,
    remarks: run.remarks,
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
  let sessionSteps = 0;
  // A spike before the first checkpoint needs a place to go back to.
  if (recipe.onSpike && state.step === 0) save();
  if (state.stageTokens === 0) announce(run, stage, work);
  while (state.stageTokens < allTokens) {
    const result = step(run, stage, work);
    if (!result.skipped) sessionSteps++;
    const last = state.stageTokens >= allTokens;
    if (recipe.onSpike) {
      const why = spikeOf(result, state.recentLosses ?? [], recipe.onSpike);
      if (why) {
        rollBack(run, stage, { loss: result.loss, ...why });
        if (state.stageTokens === 0) announce(run, stage, work);
        continue;
      }
      if (result.targets > 0)
        state.recentLosses = [...(state.recentLosses ?? []), result.loss].slice(-recipe.onSpike.window);
    }
    if (result.targets > 0) skippedInARow = result.skipped ? skippedInARow + 1 : 0;
    if (skippedInARow === MAX_SKIPPED) throw new InputError(notFinite(run, stage, sessionSteps));
    // The last validation and samples are the finished model's.
    if (last && lastStage) trainer.optimizer.finish();
    if (state.step % EXPERTS_EVERY === 0) recordExperts(run);
    if (recipe.validation && (state.step % recipe.validation.everySteps === 0 || (last && lastStage)))
      runValidation(run, stage, work);
    if (recipe.samples && (state.step % recipe.samples.everySteps === 0 || (last && lastStage)))
      await writeSamples(run);
    const { everyMinutes, everySteps } = recipe.checkpoint;
    const due =
      performance.now() - lastSave > everyMinutes * 60_000 ||
      (everySteps !== undefined && state.step % everySteps === 0);
    const stopping =
      options.signal?.aborted ||
      (options.maxSteps !== undefined && state.step >= options.maxSteps && !(last && lastStage));
    if (last) remark(run, stage);
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
  { loss, skipped, targets }: WorkResult,
  recent: readonly number[],
  settings: NonNullable<Recipe["onSpike"]>,
): { why: string; limit: number | null } | null {
  const limit = spikeLimit(recent, settings);
  if (targets === 0) return null;
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
  const idle = result.targets === 0;
  if (!idle) run.lastLoss = result.loss;
  const left = idle ? "nothing to learn" : skipped ? "not finite" : null;
  state.course = courseAfter(state.course, { step: state.step, loss: result.loss, gradNorm: result.gradNorm, left });
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
    ...(idle && { loss: Number.NaN }),
    lr,
    tokensPerSecond,
    tflops,
    ...(recipe.price.peakTflops !== undefined && { utilisation: tflops / recipe.price.peakTflops }),
    seconds: state.seconds,
    coreHours,
    usd: coreHours * recipe.price.usdPerCoreHour,
    ...trainer.loads.summary(),
    memoryMB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    ...(left === "not finite" && { skipped: true as const }),
    ...(rewards && { rewards }),
  };
  // What is left is told by the last steps' pace, not by a run that may have begun on another machine.
  const pace = (performance.now() - started) / 1000 / rows;
  run.paceSteps++;
  // The first step makes memory that the others use again, and is soon forgotten.
  const share = Math.max(0.1, 1 / Math.max(1, run.paceSteps - 1));
  run.secondsPerToken += share * (pace - run.secondsPerToken);
  const known = run.paceSteps > 2;
  record(run, line, known ? (totalTokens - state.tokens) * run.secondsPerToken : Number.NaN);
  return { ...result, skipped };
}

function recordExperts(run: Run): void {
  const { step, tokens } = run.state;
  const loads = run.trainer.loads.shares();
  if (loads.length > 0) record(run, { kind: "experts", step, tokens, loads });
}

function runValidation(run: Run, stage: Stage, work: StageWork): void {
  const { trainer, recipe, options, state, arena } = run;
  const validator = { model: trainer.model, kernels: options.kernels, arena, precision: recipe.precision };
  const pairs = work.heldOut?.();
  const validation = { ...validate(validator, run.validation), ...(pairs && { pairs }) };
  run.lastBitsPerByte = validation.bitsPerByte ?? null;
  charge(run);
  const { step, tokens, seconds } = state;
  record(run, { kind: "validation", step, tokens, seconds, ...validation });
  keepBest(run, stage, validation);
}

/** Tells the ledger what is wrong with how a stage went. */
function remark(run: Run, stage: Stage): void {
  const { state, recipe, lastJudged: last } = run;
  const best = state.best?.stage === state.stage ? state.best : undefined;
  const remarks = remarksOnCourse(state.course, stage, { clip: recipe.adamw.clip, best, last });
  const { step, tokens } = state;
  for (const message of remarks)
    record(run, { kind: "event", event: "remark", step, tokens, stage: stage.name, message });
  run.remarks.push(...remarks);
}

/** What to do about a run that is no longer finite. sessionSteps: finite steps since the run was begun or taken up. */
function notFinite({ state, options, recipe }: Run, stage: Stage, sessionSteps: number): string {
  const what = `step ${state.step}: loss or gradient was not finite ${MAX_SKIPPED} times in a row`;
  const at = `stages.${recipe.stages.indexOf(stage)}.lr (now ${stage.lr})`;
  if (state.updates === 0)
    return `${what}, before any weight was moved: it is not the rate; look at the numbers in "model" (or in the folder of "from"), and begin a new run with --out`;
  if (options.resume && sessionSteps === 0)
    return `${what}, from the checkpoint on: its weights are past saving; lower ${at} and begin a new run with --out`;
  return existsSync(checkpointsOf(options.out))
    ? `${what}; lower ${at} in the recipe and go on with --resume from the last checkpoint`
    : `${what}, before the first checkpoint; lower ${at} in the recipe and begin again with --resume`;
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
