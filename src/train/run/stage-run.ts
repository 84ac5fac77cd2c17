/** A stage from where its run's state says to its end, or until it is interrupted. */
import { existsSync } from "node:fs";
import { InputError } from "../../base/index.ts";
import { Transformer } from "../../model/index.ts";
import { spikeLimit } from "../optimize/spikes.ts";
import type { ResolvedStage } from "../recipe/model.ts";
import type { Recipe } from "../recipe/schema.ts";
import { keepBest } from "./best.ts";
import { checkpoint, checkpointsOf, rollBack } from "./checkpoints.ts";
import { remarksOnCourse } from "./course.ts";
import { validate } from "./evaluate.ts";
import { writeSamples } from "./samples.ts";
import { flopsPerToken, trainStep } from "./step.ts";
import type { TrainingRun } from "./training-run.ts";
import { type StageWork, type WorkResult, workOf } from "./work.ts";

/** Steps in a row whose loss or gradient is not finite, after which a run gives up. */
const MAX_SKIPPED = 3;
/** Steps between records of every expert's load. */
const EXPERTS_EVERY = 20;

/** Runs what is left of the stage at hand; false if it was interrupted. @throws InputError where it cannot go on */
export async function runStage(run: TrainingRun): Promise<boolean> {
  const { state, trainer } = run;
  const stage = run.stages[state.stage];
  trainer.model = new Transformer(stage.config, trainer.training.weights);
  if (state.stageTokens >= stage.allTokens) return true;
  const work = await workOf(run, stage);
  run.takeUp();
  return new StageRun(run, stage, work).toEnd();
}

class StageRun {
  private readonly run: TrainingRun;
  private readonly stage: ResolvedStage;
  private readonly work: StageWork;
  private lastSave = performance.now();
  private skippedInARow = 0;
  /** Finite steps since the run was begun or taken up. */
  private sessionSteps = 0;

  constructor(run: TrainingRun, stage: ResolvedStage, work: StageWork) {
    this.run = run;
    this.stage = stage;
    this.work = work;
  }

  async toEnd(): Promise<boolean> {
    const { run, stage, work } = this;
    const { state, recipe } = run;
    const flops = flopsPerToken(stage);
    // A spike before the first checkpoint needs a place to go back to.
    if (recipe.onSpike && state.step === 0) this.save();
    if (state.stageTokens === 0) this.announce();
    while (state.stageTokens < stage.allTokens) {
      const result = trainStep(run, stage, work, flops);
      if (!result.skipped) this.sessionSteps++;
      if (recipe.onSpike && this.goesBack(result, recipe.onSpike)) continue;
      this.checkFinite(result);
      await this.lookAtModel();
      if (this.isOver) this.remark();
      const stopping = this.isStopping;
      if (this.isOver || stopping || this.isSaveDue) this.save();
      if (stopping) return false;
      // Let signals and timers in.
      await new Promise((resume) => setImmediate(resume));
    }
    return true;
  }

  /** After the last step of the stage, and after that of the run. */
  private get isOver(): boolean {
    return this.run.state.stageTokens >= this.stage.allTokens;
  }

  private get isRunOver(): boolean {
    return this.isOver && this.stage.index === this.run.stages.length - 1;
  }

  private get isStopping(): boolean {
    const { signal, maxSteps } = this.run.options;
    return signal?.aborted || (maxSteps !== undefined && this.run.state.step >= maxSteps && !this.isRunOver);
  }

  private get isSaveDue(): boolean {
    const { everyMinutes, everySteps } = this.run.recipe.checkpoint;
    return (
      performance.now() - this.lastSave > everyMinutes * 60_000 ||
      (everySteps !== undefined && this.run.state.step % everySteps === 0)
    );
  }

  private save(): void {
    const { run, work } = this;
    run.meter.charge();
    run.state.cursors = work.save();
    checkpoint(run, work.buffers);
    this.lastSave = performance.now();
  }

  /** Tells the ledger that the stage begins, and on what. */
  private announce(): void {
    const { run, stage, work } = this;
    const { name, sequenceLength, allTokens } = stage;
    run.event(
      { event: "stage", stage: name, sequenceLength, stageTokens: allTokens },
      `stage ${name} begins: ${allTokens} tokens in sequences of ${sequenceLength}`,
    );
    for (const summary of work.sources) {
      const { source, documents, sourceTokens, passes, cut, cutTokens, nothing, skipped } = summary;
      const message = [
        `${source}: ${sourceTokens === null ? `${documents} pairs` : `${documents} documents, ${sourceTokens} tokens`}, read ${passes.toFixed(2)} times`,
        ...(cut ? [`${cut} were cut and lose ${cutTokens} tokens`] : []),
        ...(nothing ? [`${nothing} have nothing to learn in them`] : []),
        ...(skipped > 0 ? [`${skipped} were bad and left out`] : []),
      ].join("; ");
      run.event({ event: "data", stage: name, ...summary }, message);
    }
  }

  /** Goes back to the last checkpoint if the step is a spike. @returns whether it was one */
  private goesBack(result: WorkResult, settings: NonNullable<Recipe["onSpike"]>): boolean {
    const { run, stage } = this;
    const recent = run.state.recentLosses ?? [];
    const why = spikeOf(result, recent, settings);
    if (why) {
      rollBack(run, stage, { loss: result.loss, ...why });
      if (run.state.stageTokens === 0) this.announce();
    } else if (result.targets > 0) run.state.recentLosses = [...recent, result.loss].slice(-settings.window);
    return why !== null;
  }

  /** @throws InputError after too many steps in a row that were not finite */
  private checkFinite({ targets, skipped }: WorkResult): void {
    if (targets > 0) this.skippedInARow = skipped ? this.skippedInARow + 1 : 0;
    if (this.skippedInARow < MAX_SKIPPED) return;
    const { run, stage } = this;
    const { state, options } = run;
    const what = `step ${state.step}: loss or gradient was not finite ${MAX_SKIPPED} times in a row`;
    const at = `stages.${stage.index}.lr (now ${stage.lr})`;
    if (state.updates === 0)
      throw new InputError(
        `${what}, before any weight was moved: it is not the rate; look at the numbers in "model" (or in the folder of "from"), and begin a new run with --out`,
      );
    if (options.resume && this.sessionSteps === 0)
      throw new InputError(
        `${what}, from the checkpoint on: its weights are past saving; lower ${at} and begin a new run with --out`,
      );
    throw new InputError(
      existsSync(checkpointsOf(options.out))
        ? `${what}; lower ${at} in the recipe and go on with --resume from the last checkpoint`
        : `${what}, before the first checkpoint; lower ${at} in the recipe and begin again with --resume`,
    );
  }

  /** Where it is time: the experts' loads, validation, samples. */
  private async lookAtModel(): Promise<void> {
    const { run } = this;
    const { trainer, state } = run;
    const { validation, samples } = run.recipe;
    // The last validation and samples are the finished model's.
    if (this.isRunOver) trainer.optimizer.finish();
    const isDue = ({ everySteps }: { everySteps: number }) => state.step % everySteps === 0 || this.isRunOver;
    if (state.step % EXPERTS_EVERY === 0) {
      const loads = trainer.loads.shares();
      const { step, tokens } = state;
      if (loads.length > 0) run.record({ kind: "experts", step, tokens, loads });
    }
    if (validation && isDue(validation)) this.validate();
    if (samples && isDue(samples)) await writeSamples(run, samples);
  }

  private validate(): void {
    const { run, stage } = this;
    const { trainer, options, arena, recipe, state } = run;
    const validator = { model: trainer.model, kernels: options.kernels, arena, precision: recipe.precision };
    const pairs = this.work.heldOut?.();
    const validation = { ...validate(validator, run.validation), ...(pairs && { pairs }) };
    run.lastBitsPerByte = validation.bitsPerByte ?? null;
    run.meter.charge();
    const { step, tokens, seconds } = state;
    run.record({ kind: "validation", step, tokens, seconds, ...validation });
    keepBest(run, stage, validation);
  }

  /** Tells the ledger what is wrong with how the stage went. */
  private remark(): void {
    const { run, stage } = this;
    const { state } = run;
    const best = state.best?.stage === stage.index ? state.best : undefined;
    const last = state.lastJudged ?? null;
    const remarks = remarksOnCourse(state.course, stage, { clip: run.recipe.adamw.clip, best, last });
    for (const message of remarks) run.event({ event: "remark", stage: stage.name }, message);
    run.remarks.push(...remarks);
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
