/** How a model is laid over many devices: tensor, pipeline, expert and data parallelism, chosen so that it fits, or given. */
import { InputError } from "../base/index.ts";
import { type Counts, trainingMemory } from "./count.ts";
import type { Hardware } from "./hardware.ts";

export interface Layout {
  tensor: number;
  pipeline: number;
  expert: number;
  data: number;
  /** Bytes on each device: weights, gradients, their part of the optimiser, activations of one micro-batch. */
  bytesPerDevice: number;
  /** Share of a step in which pipeline stages wait for each other. */
  bubble: number;
}

export interface GivenLayout {
  tensor?: number;
  pipeline?: number;
  expert?: number;
}

/** The training that is laid out: on how many devices, and over how many tokens a sequence. */
export interface LaidOutTraining {
  devices: number;
  precision: "bf16" | "fp8";
  context: number;
}

/** Micro-batches in flight per pipeline stage: enough to hide most of the bubble, as usual runs have. */
const MICRO_BATCHES_PER_STAGE = 8;
/** Share of a device's memory that a run may plan with. */
const USABLE = 0.9;

/**
 * The cheapest layout that fits: experts and pipeline stages before tensor parallelism for mixtures (as V3 does, which has none), tensor parallelism
 * inside a machine first for dense models. Optimiser state is shared among data-parallel ranks (ZeRO-1).
 * @throws InputError where no layout fits
 */
export function chooseLayout(
  counts: Counts,
  hardware: Hardware,
  training: LaidOutTraining,
  given: GivenLayout = {},
): Layout {
  const { devices, precision } = training;
  const powers = (most: number) => Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, i) => 2 ** i);
  const tensors = given.tensor ? [given.tensor] : powers(Math.max(1, Math.min(hardware.perNode, devices)));
  const stages = given.pipeline ? [given.pipeline] : powers(Math.max(1, Math.min(counts.layers, devices, 64)));
  const experts = counts.moe
    ? given.expert
      ? [given.expert]
      : powers(Math.max(1, Math.min(counts.moe.experts, devices, 64))).reverse()
    : [1];
  let best: Layout | null = null;
  for (const expert of experts) {
    for (const tensor of tensors) {
      for (const pipeline of stages) {
        const group = tensor * pipeline;
        if (group > devices || (expert > 1 && expert > devices / pipeline)) continue;
        const layout = place(counts, training, { tensor, pipeline, expert });
        if (layout.bytesPerDevice > hardware.memory * USABLE) continue;
        if (!best || cost(layout, counts.moe !== null) < cost(best, counts.moe !== null)) best = layout;
      }
    }
  }
  if (best) return best;
  const { weights, gradients, optimiser } = trainingMemory(counts, precision);
  const needed = Math.ceil((weights + gradients + optimiser) / (hardware.memory * USABLE));
  throw new InputError(
    `--gpus ${devices}: ${(counts.total / 1e9).toFixed(1)}B parameters do not fit into ${devices} × ${hardware.name} of ${hardware.memory / 1e9} GB for training; from about ${needed} on they do`,
  );
}

function place(
  counts: Counts,
  { devices, precision, context }: LaidOutTraining,
  { tensor, pipeline, expert }: { tensor: number; pipeline: number; expert: number },
): Layout {
  const { weights, gradients, optimiser, activationsPerToken } = trainingMemory(counts, precision);
  const all = counts.total + counts.mtp;
  // Experts that no token of a device needs live elsewhere.
  const idle = counts.moe ? (counts.total - counts.active) / (1 - counts.moe.perToken / counts.moe.experts) / all : 0;
  const held = (1 - idle) / (tensor * pipeline) + idle / (Math.max(expert, tensor) * pipeline);
  const data = Math.max(1, Math.floor(devices / (tensor * pipeline)));
  const master = all * 4;
  const sharded = (optimiser + master) / (tensor * pipeline) / data;
  // One micro-batch of one sequence; the first stage holds as many as there are stages. Recomputation of what is cheap leaves about a third.
  const activations = (activationsPerToken * Math.min(context, 8192)) / tensor / 3;
  return {
    tensor,
    pipeline,
    expert,
    data,
    bytesPerDevice: (weights - master + gradients) * held + sharded + activations,
    bubble: (pipeline - 1) / (pipeline - 1 + MICRO_BATCHES_PER_STAGE * pipeline),
  };
}

/** What a layout costs, roughly: tensor parallelism talks in every layer (and cuts small experts smaller still), stages wait, experts send tokens about. */
function cost({ tensor, pipeline, expert, bubble }: Layout, experts: boolean): number {
  return (experts ? 0.1 : 0.03) * Math.log2(tensor) + bubble + 0.01 * Math.log2(expert) + 0.001 * pipeline;
}
