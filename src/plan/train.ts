/** Time, money and energy of a training run. */
import { InputError } from "../base/index.ts";
import { type Counts, trainingFlops } from "./count.ts";
import { type Efficiency, efficiency } from "./efficiency.ts";
import type { Hardware } from "./hardware.ts";
import { chooseLayout, type GivenLayout, type Layout } from "./layout.ts";

export interface Range {
  low: number;
  mid: number;
  high: number;
}

export interface TrainRequest {
  /** Exact counts of a configuration, or only numbers of parameters. */
  counts?: Counts;
  params?: number;
  active?: number;
  /** Tokens to train on; or operations in all, where only those are known. */
  tokens?: number;
  flops?: number;
  hardware: Hardware;
  /** Devices (for CPUs: cores); left out, as many as would take 50 days at 40 % of the peak. */
  gpus?: number;
  precision?: "bf16" | "fp8";
  /** US$ per device and hour. */
  price?: number;
  context?: number;
  mtp?: boolean;
  recompute?: boolean;
  layout?: GivenLayout;
  /** US$ per kWh, to show the energy's part of the bill. */
  kwhPrice?: number;
}

export interface TrainPlan {
  gpuHours: Range;
  usd: Range;
  days: Range;
  /** Share of the bf16 peak that goes into `flops`. */
  mfu: Range;
  flops: number;
  /** What takes most of the time that the products themselves do not. */
  bound: string;
  assumptions: string[];
  gpus: number;
  gpu: string;
  shares: Efficiency["shares"];
  layout: Layout | null;
  kwh: Range;
  /** Bytes on a device, of what it has. */
  memory: { needed: number; available: number } | null;
}

/** A run of this many days is what clusters are sized for where nobody says. */
const USUAL_DAYS = 50;
/** Power of the whole machine room per device's board power: host, network, cooling. */
const OVERHEAD_POWER = 1.5;
/** Operations in all over 6 · active parameters · tokens in the runs that set the mixtures' factors (V3: attention, MTP, head). */
const CALIBRATED_RATIO = { experts: 1.127, dense: 1.05 };

/** Predicts a run. @throws InputError for numbers that make no sense, or a model that does not fit */
export function planTraining(request: TrainRequest): TrainPlan {
  const { counts, hardware, precision = "bf16", context = 4096 } = request;
  check(request);
  const active = counts?.active ?? request.active ?? request.params ?? 0;
  const total = counts?.total ?? request.params ?? active;
  const experts = counts ? counts.moe !== null : active < total;
  const perToken = counts
    ? trainingFlops(counts, { context, mtp: request.mtp, recompute: request.recompute })
    : 6 * active;
  const tokens = request.tokens ?? request.flops! / perToken;
  const flops = request.flops ?? perToken * tokens;
  // The calibrated efficiency is one of 6 · active · tokens. Work beyond what those runs had comes on top of it, at the same speed.
  const ratio = counts ? flops / (6 * active * tokens) / CALIBRATED_RATIO[experts ? "experts" : "dense"] : 1;
  const timed = request.flops !== undefined && !counts ? flops : 6 * active * tokens * ratio;
  const gpus = request.gpus ?? usualDevices(timed, hardware);
  const { mfu, spread, shares } = efficiency({
    hardware,
    devices: gpus,
    active: request.flops && !active ? 1e9 : active,
    experts,
    precision,
  });
  const laidOut = { devices: gpus, precision, context };
  const layout = counts && hardware.kind === "gpu" ? chooseLayout(counts, hardware, laidOut, request.layout) : null;
  // A given layout pays for the bubble that it has beyond the one that would have been chosen.
  const waits =
    layout && request.layout ? (1 - layout.bubble) / (1 - chooseLayout(counts!, hardware, laidOut).bubble) : 1;
  const midHours = timed / (hardware.bf16 * mfu * Math.min(1, waits)) / 3600;
  const range = (factor: number): Range => ({
    low: midHours * spread[0] * factor,
    mid: midHours * factor,
    high: midHours * spread[1] * factor,
  });
  const price = request.price ?? hardware.price;
  const used = (hours: number) => flops / (hours * 3600 * hardware.bf16);
  const kwh = (hardware.power * OVERHEAD_POWER) / 1000;
  return {
    gpuHours: range(1),
    usd: range(price),
    days: range(1 / gpus / 24),
    mfu: { low: used(midHours * spread[1]), mid: used(midHours), high: used(midHours * spread[0]) },
    flops,
    bound: shares.reduce((most, share) =>
      share.name !== "matrix products" && (most.name === "matrix products" || share.share > most.share) ? share : most,
    ).name,
    assumptions: assumptionsOf(request, { gpus, price, experts, precision, layout, tokens, context }),
    gpus,
    gpu: hardware.name,
    shares,
    layout,
    kwh: range(kwh),
    memory: layout && { needed: layout.bytesPerDevice, available: hardware.memory },
  };
}

function check({ counts, params, active, tokens, flops, gpus, price, context }: TrainRequest): void {
  const positive = (flag: string, value: number | undefined, most: number, example: string) => {
    if (value !== undefined && !(value > 0 && value <= most))
      throw new InputError(
        `${flag} ${value}: must be above 0 and at most ${most.toExponential()}, as in ${flag} ${example}`,
      );
  };
  positive("--params", params, 1e16, "8.03e9");
  positive("--active", active, 1e16, "17e9");
  positive("--tokens", tokens, 1e18, "15e12");
  positive("--flops", flops, 1e32, "4.3e19");
  positive("--gpus", gpus, 1e8, "2048");
  positive("--context", context, 2 ** 30, "4096");
  if (gpus !== undefined && !Number.isInteger(gpus))
    throw new InputError(`--gpus ${gpus}: must be a whole number; the nearest is ${Math.max(1, Math.round(gpus))}`);
  if (price !== undefined && !(price >= 0))
    throw new InputError(`--price ${price}: must be 0 or more, in US$ per device and hour`);
  if (active !== undefined && params !== undefined && active > params)
    throw new InputError(`--active ${active}: cannot be more than --params ${params}; for a dense model leave it out`);
  if (!counts && params === undefined && flops === undefined)
    throw new InputError("a model is missing: give a recipe, --params N, or --config config.json");
  if (tokens === undefined && flops === undefined)
    throw new InputError("--tokens is missing: give the tokens to train on, as in --tokens 15e12");
}

/** Devices that finish in the usual time at a plain 40 %, in whole machines. */
function usualDevices(flops: number, hardware: Hardware): number {
  const devices = flops / (hardware.bf16 * 0.4 * USUAL_DAYS * 86400);
  return Math.max(
    1,
    devices <= hardware.perNode ? Math.ceil(devices) : Math.ceil(devices / hardware.perNode) * hardware.perNode,
  );
}

function assumptionsOf(
  { counts, hardware, gpus: given, price: givenPrice, flops, mtp }: TrainRequest,
  {
    gpus,
    price,
    experts,
    precision,
    layout,
    tokens,
    context,
  }: {
    gpus: number;
    price: number;
    experts: boolean;
    precision: string;
    layout: Layout | null;
    tokens: number;
    context: number;
  },
): string[] {
  const unit = hardware.kind === "cpu" ? "core" : "GPU";
  const list = [
    counts
      ? `operations counted from the configuration: ${context} tokens of context, causal attention once${counts.mtp > 0 && mtp !== false ? ", MTP included" : ""}, nothing recomputed unless asked for`
      : `operations ${flops === undefined ? "taken as 6 × active parameters × tokens; attention is a few per cent more and is inside the efficiency" : "as given"}`,
    `${(hardware.bf16 / 1e12).toPrecision(3)} TF peak in bf16 per ${unit} (${hardware.source}); shares of the peak are of this one, for FP8 too`,
    `$${price} per ${unit}-hour${givenPrice === undefined ? " (the table's; --price for yours)" : ""}`,
    `${experts ? "mixture of experts" : "dense"}, ${precision}, efficiency as calibrated on the runs in docs/plan.md`,
  ];
  if (given === undefined)
    list.push(
      `${gpus} ${unit}${gpus > 1 ? "s" : ""}, which would take ${USUAL_DAYS} days at 40 % of the peak (--gpus for yours)`,
    );
  if (precision === "fp8" && hardware.fp8 === null) list.push(`${hardware.name} has no FP8 unit: computed in bf16`);
  if (layout)
    list.push(
      `laid out as ${layout.tensor}-way tensor, ${layout.pipeline}-way pipeline, ${layout.expert}-way expert and ${layout.data}-way data parallel; pipeline bubble ${(100 * layout.bubble).toFixed(0)} %`,
    );
  if (tokens / (counts?.active ?? Number.POSITIVE_INFINITY) > 1e6)
    list.push("more than a million tokens per parameter: far beyond any published run");
  list.push("research, failed runs, staff and data are not in it");
  return list;
}
