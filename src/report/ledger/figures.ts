/** The figures of a run: what it learnt, how fast, what it cost, and how that compares with the plan and with DeepSeek-V3's bill. */
import { deepseekBill, findHardware, planTraining, type Range } from "../../plan/index.ts";
import { stageTokens } from "../../train/index.ts";
import { type Course, mean, type StageCourse } from "./course.ts";
import type { Validation } from "./records.ts";
import type { RunFolder } from "./run-folder.ts";

/** What an hour costs and what the machine could do; the recipe's own numbers unless given. */
export interface Prices {
  usdPerCoreHour?: number;
  /** Power of a busy core with its share of memory, host and cooling, W. */
  wattsPerCore?: number;
  /** Peak of the machine in bf16 products, TFLOP/s. */
  peakTflops?: number;
}

export interface Bill {
  coreHours: number;
  usdPerCoreHour: number;
  usd: number;
  wattsPerCore: number;
  /** Nobody stated the watts: the planner's number for a server's core. */
  wattsAssumed: boolean;
  kwh: number;
  /** US$ for a million tokens, and for 10¹⁸ operations of the model's products. */
  usdPerMillionTokens: number;
  usdPerExaflop: number;
}

/** What the planner says the same steps take on a machine of this peak, hours. */
export interface Prediction {
  hours: Range;
  tokensPerSecond: number;
  mfu: number;
}

export interface StageFigures extends StageCourse {
  /** Tokens that the recipe gives it; NaN where the recipe has no such stage. */
  plannedTokens: number;
  tokensPerSecond: number;
  usd: number;
}

export type RunState = "not begun" | "running" | "stopped" | "finished";

export interface Figures {
  name: string;
  description: string;
  state: RunState;
  /** Share of the recipe's tokens. */
  progress: number;
  step: number;
  tokens: number;
  totalTokens: number;
  /** Wall-clock time of the steps. */
  seconds: number;
  secondsLeft: number;
  /** Mean of the last steps. */
  loss: number;
  mtpLoss: number[];
  validation: Validation | null;
  tokensPerSecond: { now: number; median: number; low: number; high: number };
  /** Operations of the model's products, in all, and a second over the whole run. */
  flops: number;
  tflops: number;
  /** tflops over the peak, over the whole run; and of the fastest tenth of the steps. NaN without a peak. */
  utilisation: { mean: number; high: number };
  peakTflops: number;
  /** CPU time over wall-clock time. */
  coresBusy: number;
  memoryMB: number;
  experts: { busiest: number; idle: number };
  skippedSteps: number;
  skippedDocuments: number;
  /** Sessions after the first, how long the run lay still between them, and how often it went back to a checkpoint because of a spike. */
  resumes: number;
  pausedSeconds: number;
  rollbacks: number;
  /** Share of the time that went into steps. */
  stepShare: number;
  stages: StageFigures[];
  bill: Bill;
  prediction: Prediction | null;
  deepseek: { usd: number; gpuHours: number; usdPerExaflop: number };
}

/** Power that the planner counts for a core: 6 W of the processor, half as much again for host and cooling. */
const PLANNER_WATTS = findHardware("CPU-AVX512").power * 1.5;
/** A run whose ledger has been silent for this long, or for ten of its steps, has stopped. */
const SILENT_SECONDS = 120;

let famous: Figures["deepseek"] | undefined;

/** DeepSeek-V3's own bill, worked out when it is first asked for: counting a model of that size takes a while. */
function famousBill(): Figures["deepseek"] {
  if (!famous) {
    const { rows, total, pretraining } = deepseekBill();
    famous = {
      usd: total.publishedUsd,
      gpuHours: total.publishedGpuHours,
      usdPerExaflop: rows[0].publishedUsd / (pretraining.flops / 1e18),
    };
  }
  return famous;
}

/** now, writtenAt: milliseconds since 1970; writtenAt is when the ledger last grew, null where there is none. */
export function figuresOf(
  folder: RunFolder,
  course: Course,
  { prices = {}, writtenAt, now }: { prices?: Prices; writtenAt: number | null; now: number },
): Figures {
  const { recipe } = folder;
  const last = course.last;
  const tokens = last?.tokens ?? 0;
  const seconds = last?.seconds ?? 0;
  const peakTflops = prices.peakTflops ?? recipe?.price.peakTflops ?? Number.NaN;
  const speedNow = mean(course.recent.map(({ tokensPerSecond }) => tokensPerSecond));
  const median = course.speed(0.5);
  const high = course.speed(0.9);
  const bill = billOf(folder, course, prices);
  const validation = course.validations.at(-1) ?? null;
  const tflops = course.flops / seconds / 1e12;
  const depths = Math.max(0, ...course.recent.map(({ mtpLoss }) => mtpLoss.length));
  return {
    name: recipe?.name ?? "",
    description: recipe?.description ?? "",
    state: stateOf(folder, course, writtenAt, now),
    progress: folder.finished ? 1 : Math.min(1, tokens / folder.totalTokens),
    step: last?.step ?? 0,
    tokens,
    totalTokens: folder.totalTokens,
    seconds,
    secondsLeft: folder.finished ? 0 : Math.max(0, folder.totalTokens - tokens) / speedNow,
    loss: mean(course.recent.map(({ loss }) => loss)),
    mtpLoss: Array.from({ length: depths }, (_, i) => mean(course.recent.map(({ mtpLoss }) => mtpLoss[i]))),
    validation,
    tokensPerSecond: { now: speedNow, median, low: course.speed(0.1), high },
    flops: course.flops,
    tflops,
    utilisation: { mean: tflops / peakTflops, high: ((course.flops / tokens) * high) / 1e12 / peakTflops },
    peakTflops,
    coresBusy: ((last?.coreHours ?? 0) * 3600) / seconds,
    memoryMB: last?.memoryMB ?? Number.NaN,
    experts: {
      busiest: last && last.busiest.length > 0 ? Math.max(...last.busiest) : Number.NaN,
      idle: (last?.idle ?? []).reduce((sum, idle) => sum + idle, 0),
    },
    skippedSteps: course.skippedSteps,
    skippedDocuments: skippedOf(folder, course),
    resumes: course.resumes,
    pausedSeconds: course.pausedSeconds,
    rollbacks: course.rollbacks,
    stepShare: Math.min(1, course.stepSeconds / seconds),
    stages: course.stages.map((stage) => stageFigures(stage, folder, bill)),
    bill,
    prediction: predictionOf(folder, course, peakTflops),
    deepseek: famousBill(),
  };
}

/** Documents left out as bad, each source once; from the cache where the ledger does not tell. */
function skippedOf(folder: RunFolder, course: Course): number {
  const bySource = new Map([...course.sources.values()].map(({ source, skipped }) => [source, skipped]));
  const skipped = bySource.size > 0 ? [...bySource.values()] : folder.sources.map((source) => source.skipped);
  return skipped.reduce((sum, documents) => sum + documents, 0);
}

function stateOf(folder: RunFolder, course: Course, writtenAt: number | null, now: number): RunState {
  if (folder.finished) return "finished";
  if (writtenAt === null || course.last === null) return "not begun";
  const [first, last] = [course.recent[0], course.last];
  const slowest = (last.seconds - first.seconds) / Math.max(1, course.recent.length - 1);
  return (now - writtenAt) / 1000 < Math.max(SILENT_SECONDS, 10 * slowest) ? "running" : "stopped";
}

function billOf({ recipe }: RunFolder, course: Course, prices: Prices): Bill {
  const coreHours = course.last?.coreHours ?? 0;
  const usdPerCoreHour = prices.usdPerCoreHour ?? recipe?.price.usdPerCoreHour ?? Number.NaN;
  const stated = prices.wattsPerCore ?? recipe?.price.wattsPerCore;
  const wattsPerCore = stated ?? PLANNER_WATTS;
  const usd = coreHours * usdPerCoreHour;
  return {
    coreHours,
    usdPerCoreHour,
    usd,
    wattsPerCore,
    wattsAssumed: stated === undefined,
    kwh: (coreHours * wattsPerCore) / 1000,
    usdPerMillionTokens: usd / ((course.last?.tokens ?? Number.NaN) / 1e6),
    usdPerExaflop: usd / (course.flops / 1e18),
  };
}

function stageFigures(stage: StageCourse, { recipe }: RunFolder, { usdPerCoreHour }: Bill): StageFigures {
  const planned = recipe?.stages.find(({ name }) => name === stage.name);
  return {
    ...stage,
    plannedTokens: planned ? stageTokens(planned) : Number.NaN,
    tokensPerSecond: (stage.toTokens - stage.fromTokens) / stage.seconds,
    usd: stage.coreHours * usdPerCoreHour,
  };
}

/** The planner's hours for what each stage has done so far, each at its own length of sequences. Null without a peak or a model. */
function predictionOf({ recipe, counts }: RunFolder, course: Course, peakTflops: number): Prediction | null {
  if (!recipe || !counts || !(peakTflops > 0) || !(course.last && course.last.tokens > 0)) return null;
  const hardware = { ...findHardware("CPU-AVX512"), bf16: peakTflops * 1e12 };
  const plans = course.stages.flatMap(({ name, fromTokens, toTokens }) => {
    const stage = recipe.stages.find((planned) => planned.name === name);
    if (!stage || toTokens <= fromTokens) return [];
    const { sequenceLength: context, mtpWeight, recompute } = stage;
    const mtp = mtpWeight[0] > 0;
    return [planTraining({ counts, tokens: toTokens - fromTokens, hardware, gpus: 1, context, mtp, recompute })];
  });
  if (plans.length === 0) return null;
  const hours = { low: 0, mid: 0, high: 0 };
  let flops = 0;
  for (const plan of plans) {
    hours.low += plan.gpuHours.low;
    hours.mid += plan.gpuHours.mid;
    hours.high += plan.gpuHours.high;
    flops += plan.flops;
  }
  return {
    hours,
    tokensPerSecond: course.last.tokens / (hours.mid * 3600),
    mfu: flops / (hours.mid * 3600 * peakTflops * 1e12),
  };
}
