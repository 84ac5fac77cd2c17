/** A step of a stage, with all that is counted and told of it. */
import { countDeepseek, trainingFlops } from "../../plan/index.ts";
import type { ResolvedStage } from "../recipe/model.ts";
import { planStep } from "../recipe/schedule.ts";
import { courseAfter, type StepFigures } from "./course.ts";
import type { StepRecord } from "./ledger.ts";
import type { TrainingRun } from "./training-run.ts";
import type { StageWork, WorkResult } from "./work.ts";

/** Operations of the model's products for each token that a stage trains on. */
export function flopsPerToken({ config, sequenceLength, mtpWeight, preference }: ResolvedStage): number {
  return trainingFlops(countDeepseek(config), { context: sequenceLength, mtp: mtpWeight[0] > 0 && !preference });
}

/** Makes the next step of the stage, and records it. flops: of a token. */
export function trainStep(run: TrainingRun, stage: ResolvedStage, work: StageWork, flops: number): WorkResult {
  const { state, trainer, meter } = run;
  const started = performance.now();
  const { sequences, rows, options } = planStep(stage, state.stageTokens);
  const result = work.step(sequences, options);
  const tokensPerSecond = rows / ((performance.now() - started) / 1000);
  state.step++;
  state.tokens += rows;
  state.stageTokens += rows;
  state.updates = trainer.optimizer.updates;
  const left = whyLeft(result);
  if (left !== "nothing to learn") run.lastLoss = result.loss;
  state.course = courseAfter(state.course, { step: state.step, loss: result.loss, gradNorm: result.gradNorm, left });
  meter.charge();
  const pace = { lr: options.lr, tokensPerSecond, tflops: (flops * tokensPerSecond) / 1e12 };
  const line = stepRecord(run, stage, { result, left, pace });
  meter.pace(rows, (performance.now() - started) / 1000);
  run.record(line);
  return result;
}

/** Why a step left the weights as they were. */
function whyLeft({ targets, skipped }: WorkResult): StepFigures["left"] {
  if (targets === 0) return "nothing to learn";
  return skipped ? "not finite" : null;
}

interface StepOutcome {
  result: WorkResult;
  left: StepFigures["left"];
  pace: Pick<StepRecord, "lr" | "tokensPerSecond" | "tflops">;
}

function stepRecord(run: TrainingRun, stage: ResolvedStage, { result, left, pace }: StepOutcome): StepRecord {
  const { state, trainer, recipe } = run;
  const { peakTflops } = recipe.price;
  const { skipped, rewards, ...numbers } = result;
  return {
    kind: "step",
    stage: stage.name,
    step: state.step,
    tokens: state.tokens,
    ...numbers,
    ...(left === "nothing to learn" && { loss: Number.NaN }),
    ...pace,
    ...(peakTflops !== undefined && { utilisation: pace.tflops / peakTflops }),
    ...run.meter.bill,
    ...trainer.loads.summary(),
    memoryMB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    ...(left === "not finite" && { skipped: true as const }),
    ...(rewards && { rewards }),
  };
}
