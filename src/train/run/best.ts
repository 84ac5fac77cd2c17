/** The state of a stage that did best on what it had not seen: kept beside the checkpoints, and what the finished model is made of. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../base/index.ts";
import { loadState, saveState } from "../../checkpoint/index.ts";
import type { Stage } from "../recipe/schema.ts";
import { SAME } from "./course.ts";
import type { Validation } from "./evaluate.ts";
import type { RunState } from "./run-state.ts";
import type { TrainingRun } from "./training-run.ts";

/** What a stage is judged by: what it learns, on what was held out; null where nothing was. The lower, the better. */
export function judged(stage: Stage, validation: Validation): { measure: string; value: number } | null {
  const { bitsPerByte, chatLoss, pairs } = validation;
  const of = (measure: string, value: number | undefined) => (value === undefined ? null : { measure, value });
  if (stage.preference) return of("the loss of held-out pairs", pairs?.loss);
  if (stage.loss === "assistant") return of("the loss of held-out replies", chatLoss);
  return of("bits per byte", bitsPerByte);
}

const bestFolder = (out: string) => join(out, "best");
const folderOf = (out: string, step: number) => join(bestFolder(out), `step-${String(step).padStart(8, "0")}`);

/** Keeps the weights where they do better than any before in this stage. */
export function keepBest(run: TrainingRun, stage: Stage, validation: Validation): void {
  const { state, recipe, trainer, options } = run;
  const figure = judged(stage, validation);
  state.lastJudged = figure?.value ?? null;
  if (!figure || recipe.validation?.keep !== "best") return;
  const { best } = state;
  if (best?.stage === state.stage && best.measure === figure.measure && best.value <= figure.value) return;
  saveState(bestFolder(options.out), state.step, { buffers: trainer.weights, json: { ...figure } });
  state.best = { stage: state.stage, step: state.step, ...figure };
}

/** Removes those that no checkpoint tells of any more. */
export function pruneBest({ best }: RunState, out: string): void {
  let names: string[];
  try {
    names = readdirSync(bestFolder(out));
  } catch {
    return;
  }
  const kept = best && folderOf(out, best.step);
  for (const name of names) {
    const path = join(bestFolder(out), name);
    if (path !== kept) rmSync(path, { recursive: true, force: true });
  }
}

/** Puts the best weights of the last stage in place of the last ones, where they are better. @returns what was taken, in words */
export function takeBest(run: TrainingRun): string {
  const { state, recipe, trainer, options } = run;
  const { best } = state;
  const last = `the last state, of step ${state.step}`;
  if (recipe.validation?.keep === "last") return last;
  if (best?.stage !== run.stages.length - 1)
    return recipe.validation ? `${last}: nothing was held out that tells the best` : last;
  const now = state.lastJudged ?? null;
  if (best.step === state.step) return `${last}, which is the best by ${best.measure} (${best.value.toFixed(4)})`;
  if (now !== null && best.value > now * (1 - SAME))
    return `${last}, as good as the best by ${best.measure} (${now.toFixed(4)}; ${best.value.toFixed(4)} at step ${best.step})`;
  try {
    trainer.restoreWeights(loadState(folderOf(options.out, best.step)).buffers);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return `${last}: the best, of step ${best.step}, cannot be read (${error.message})`;
  }
  const ended = now === null ? "" : `; the last had ${now.toFixed(4)}`;
  return `the best state by ${best.measure}, of step ${best.step} (${best.value.toFixed(4)}${ended}; validation.keep: "last" takes the last)`;
}
