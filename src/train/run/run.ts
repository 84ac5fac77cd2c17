/**
 * A training run: a recipe's stages one after the other, in a folder that holds everything about it:
 *   recipe.json · tokenizer/ · cache/ (tokenised corpora) · checkpoints/step-… · ledger.jsonl · model/ (the finished Hugging Face folder) · lock (while a process works in it)
 */
import { join } from "node:path";
import { makeFolder } from "../../base/index.ts";
import type { Recipe } from "../recipe/schema.ts";
import { takeBest } from "./best.ts";
import { exportModel } from "./export.ts";
import { tokenizerFolder } from "./inputs.ts";
import { openInputs, prepare } from "./prepare.ts";
import { lockRun } from "./run-lock.ts";
import { runStage } from "./stage-run.ts";
import type { TrainingRun, TrainOptions } from "./training-run.ts";
import { lookAhead } from "./work.ts";

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

/** Runs a recipe to its end, or until the signal. @throws InputError for anything wrong with the recipe, the data or the folder */
export async function train(given: Recipe, options: TrainOptions): Promise<RunResult> {
  const folder = openInputs(given, options);
  makeFolder(options.out);
  const lock = lockRun(options.out);
  try {
    return await runStages(await prepare(given, folder, options));
  } finally {
    lock.close();
  }
}

async function runStages(run: TrainingRun): Promise<RunResult> {
  await lookAhead(run);
  while (run.state.stage < run.stages.length) {
    if (!(await runStage(run))) return resultOf(run, null);
    run.nextStage();
  }
  run.takeUp();
  const taken = takeBest(run);
  run.event({ event: "model" }, `the model is ${taken}`);
  const { trainer, options, recipe } = run;
  // Again, where the run ended between its last checkpoint and here.
  trainer.optimizer.finish();
  const model = join(options.out, "model");
  exportModel(model, {
    config: trainer.model.config,
    weights: trainer.training.weights,
    tokenizerDir: tokenizerFolder(options.out),
    dtype: recipe.export,
    kernels: options.kernels,
  });
  return { ...resultOf(run, model), taken };
}

function resultOf(run: TrainingRun, model: string | null): RunResult {
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
