/** The famous bill, reproduced: DeepSeek-V3's table 1 beside the prediction, and what each saving is worth. */
import { countDeepseek, trainingFlops } from "./count.ts";
import { CALIBRATION, efficiency } from "./efficiency.ts";
import { findHardware } from "./hardware.ts";
import { DEEPSEEK_V3 } from "./published.ts";
import { planTraining, type Range, type TrainPlan } from "./train.ts";

export interface BillRow {
  stage: string;
  gpuHours: Range;
  usd: Range;
  publishedGpuHours: number;
  publishedUsd: number;
  note: string;
}

export interface WhatIf {
  name: string;
  gpuHours: number;
  usd: number;
  /** Of the bill as it was. */
  factor: number;
  why: string;
}

export interface DeepseekBill {
  rows: BillRow[];
  total: BillRow;
  pretraining: TrainPlan;
  whatIfs: WhatIf[];
  /** The famous comparison: over $100M against this bill. */
  rivalUsd: number;
  leftOut: string[];
}

const GPUS = 2048;
const PRICE = 2;
/** Report, section 4.3: 1,000 steps of 1,920 sequences of 32K, then 1,000 steps of 480 sequences of 128K. */
const EXTENSION = [
  { context: 32768, tokens: 1000 * 1920 * 32768 },
  { context: 131072, tokens: 1000 * 480 * 131072 },
];
/** No count of tokens is published for post-training; the published hours are taken over. */
const POST_TRAINING_HOURS = 5_000;
const RIVAL_USD = 100e6;
/** DeepSeekMoE (Dai et al. 2024): its 16B mixture equals a dense 7B with 40 % of the operations. */
const DENSE_FOR_EQUAL_QUALITY = 2.5;
/** Report, section 3.2.1: without overlap, communication takes about as long as computation. */
const COMMUNICATION_PER_COMPUTATION = 1;

const scaled = ({ low, mid, high }: Range, factor: number): Range => ({
  low: low * factor,
  mid: mid * factor,
  high: high * factor,
});
const sum = (ranges: Range[]): Range =>
  ranges.reduce((a, b) => ({ low: a.low + b.low, mid: a.mid + b.mid, high: a.high + b.high }));

/** Table 1 of the report beside the prediction, and the what-ifs. */
export function deepseekBill(): DeepseekBill {
  const counts = countDeepseek(DEEPSEEK_V3);
  const hardware = findHardware("H800");
  const pretraining = planTraining({ counts, tokens: 14.8e12, hardware, gpus: GPUS, precision: "fp8", price: PRICE });
  const extension = sum(
    EXTENSION.map(({ context, tokens }) => {
      const { mfu, spread } = efficiency({
        hardware,
        devices: GPUS,
        active: counts.active,
        experts: true,
        precision: "fp8",
        longContext: true,
      });
      const mid = (trainingFlops(counts, { context }) * tokens) / (hardware.bf16 * mfu) / 3600;
      return { low: mid * spread[0], mid, high: mid * spread[1] };
    }),
  );
  const post = { low: POST_TRAINING_HOURS, mid: POST_TRAINING_HOURS, high: POST_TRAINING_HOURS };
  const row = (stage: string, gpuHours: Range, published: number, note: string): BillRow => ({
    stage,
    gpuHours,
    usd: scaled(gpuHours, PRICE),
    publishedGpuHours: published,
    publishedUsd: published * PRICE,
    note,
  });
  const rows = [
    row("pre-training", pretraining.gpuHours, 2_664_000, "14.8T tokens, 2,048 H800, FP8"),
    row(
      "context extension",
      extension,
      119_000,
      "63B tokens at 32K and 63B at 128K, where attention outweighs the rest",
    ),
    row("post-training", post, 5_000, "tokens not published: hours taken over, not predicted"),
  ];
  const total = row("in all", sum(rows.map(({ gpuHours }) => gpuHours)), 2_788_000, "");
  return { rows, total, pretraining, whatIfs: whatIfs(pretraining), rivalUsd: RIVAL_USD, leftOut: LEFT_OUT };
}

function whatIfs(actual: TrainPlan): WhatIf[] {
  const counts = countDeepseek(DEEPSEEK_V3);
  const hours = actual.gpuHours.mid;
  const on = (gpu: string, precision: "bf16" | "fp8") =>
    planTraining({ counts, tokens: 14.8e12, hardware: findHardware(gpu), gpus: GPUS, precision, layout: undefined });
  const factorOf = (name: string, factor: number, why: string, price = PRICE): WhatIf => ({
    name,
    gpuHours: hours * factor,
    usd: hours * factor * price,
    factor: (factor * price) / PRICE,
    why,
  });
  const dense = efficiency({
    hardware: findHardware("H800"),
    devices: GPUS,
    active: counts.active * DENSE_FOR_EQUAL_QUALITY,
    experts: false,
    precision: "fp8",
  });
  const denseHours =
    (DENSE_FOR_EQUAL_QUALITY * 6 * counts.active * 14.8e12) / (findHardware("H800").bf16 * dense.mfu) / 3600;
  const a100 = on("A100", "bf16");
  const a100Price = findHardware("A100").price;
  const savings = [
    factorOf(
      "a dense model of equal quality",
      denseHours / hours,
      `${DENSE_FOR_EQUAL_QUALITY} × the operations (DeepSeekMoE 16B against a dense 7B), no all-to-all`,
    ),
    factorOf(
      "all 671B parameters active",
      (counts.total / counts.active) * (actual.mfu.mid / (dense.mfu * 1.05)),
      "a dense model of the same size, on as many tokens",
    ),
    factorOf(
      "bf16 instead of FP8, and V2's communication",
      CALIBRATION.experts.fp8 / CALIBRATION.experts.bf16,
      "as V2 was trained on the same GPUs; the two savings cannot be told apart from outside",
    ),
    factorOf(
      "no overlap of communication",
      1 + COMMUNICATION_PER_COMPUTATION,
      "report, section 3.2.1: all-to-all takes about as long as computation, and is hidden",
    ),
    {
      name: "A100 instead of H800, hence bf16",
      gpuHours: a100.gpuHours.mid,
      usd: a100.gpuHours.mid * a100Price,
      factor: (a100.gpuHours.mid * a100Price) / (hours * PRICE),
      why: `at $${a100Price} an hour`,
    },
  ];
  const product = savings[0].factor * savings[2].factor * savings[3].factor;
  savings.push({
    name: "dense, in bf16, nothing hidden",
    gpuHours: hours * product,
    usd: hours * product * PRICE,
    factor: product,
    why: "the three together; rivals' bills also hold larger models, more tokens and dearer hours",
  });
  return savings;
}

const LEFT_OUT = [
  "research before it, ablations and failed runs (the report says so itself)",
  "staff, data, its licensing and cleaning",
  "buying rather than renting: 2,048 H800 with hosts and network cost over $50M",
  "R1's reinforcement learning on top: 147,000 H800-hours, $294K, published later",
];
