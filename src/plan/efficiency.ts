/**
 * How much of a machine's peak a training run uses: a product of few factors, each for one thing that holds a run back. Calibrated only on the runs of
 * docs/plan.md, and frozen; what no run there tells is an assumption and is called one.
 */
import type { Hardware } from "./hardware.ts";

/** The factors were set once from the calibration runs; see docs/plan.md for which run set which. */
export const CALIBRATION = {
  /** Share of the bf16 peak that a well-fed device reaches on a handful of devices. A100: TinyLlama. H100: nanochat. */
  kernels: { A100: 0.55, H100: 0.5 },
  /** Loss for each doubling of devices beyond 8: Llama 2 70B on A100 and Llama 3.1 405B on H100 agree on it. */
  perDoubling: 0.036,
  /** Models below this size run small matrices: GPT-2 124M in llm.c. */
  smallMatrices: { parameters: 1e9, exponent: 0.17 },
  /** A small model on many devices has too few tokens for each at a time. The size at which that ends, for a device of an H100's speed. */
  thinSpread: { parameters: 405e9, exponent: 0.233, from: 128, to: 512, speedExponent: 1.5 },
  /** Mixtures of experts: all-to-all and uneven loads. DeepSeek-V2 (bf16), DeepSeek-V3 (FP8, overlapped). Dense FP8: the same gain of products, unconfirmed. */
  experts: { bf16: 0.545, fp8: 0.925 },
  denseFp8: 1.25,
  /** Context extension at 32K and 128K against the pre-training of the same model: DeepSeek-V3. */
  longContext: 0.706,
  /** Factors of low and high hours around mid, by class. */
  spread: {
    dense: [0.8, 1.3],
    experts: [0.78, 1.45],
    thin: [0.6, 1.7],
    cpu: [0.75, 1.4],
  } as const satisfies Record<string, readonly [number, number]>,
} as const;

export interface EfficiencyRequest {
  hardware: Hardware;
  /** Devices (for CPUs: cores). */
  devices: number;
  /** Parameters active for one token. */
  active: number;
  experts: boolean;
  precision: "bf16" | "fp8";
  longContext?: boolean;
}

export interface Efficiency {
  /** Share of the bf16 peak that goes into 6 · active parameters · tokens. */
  mfu: number;
  spread: readonly [number, number];
  /** Where the device's time goes, adding up to 1. */
  shares: { name: string; share: number }[];
}

/** Predicts the efficiency of a run. */
export function efficiency(request: EfficiencyRequest): Efficiency {
  const { hardware, devices, active, experts, precision } = request;
  const factors = [
    { name: "kernels below their peak", factor: kernels(hardware) },
    { name: "small matrices", factor: smallMatrices(hardware, active) },
    { name: "links between devices", factor: links(hardware, devices) },
    { name: "too few tokens per device", factor: experts ? 1 : thinSpread(hardware, devices, active) },
    {
      name: experts ? "all-to-all and uneven experts" : "precision",
      factor: precisionFactor(hardware, experts, precision),
    },
    { name: "long contexts", factor: request.longContext ? CALIBRATION.longContext : 1 },
  ];
  const mfu = factors.reduce((product, { factor }) => product * factor, 1);
  const thin = !experts && thinSpread(hardware, devices, active) < 0.8;
  const kind = hardware.kind === "cpu" ? "cpu" : thin ? "thin" : experts ? "experts" : "dense";
  return { mfu, spread: CALIBRATION.spread[kind], shares: sharesOf(mfu, factors) };
}

/** Each factor's part of the lost time, in proportion to its logarithm; what is left is products at the peak. */
function sharesOf(mfu: number, factors: { name: string; factor: number }[]): Efficiency["shares"] {
  const losses = factors
    .filter(({ factor }) => factor < 1)
    .map(({ name, factor }) => ({ name, loss: -Math.log(factor) }));
  const total = losses.reduce((sum, { loss }) => sum + loss, 0);
  const useful = Math.min(1, mfu);
  return [
    { name: "matrix products", share: useful },
    ...losses.map(({ name, loss }) => ({ name, share: ((1 - useful) * loss) / total })),
  ].filter(({ share }) => share > 0);
}

function kernels({ name, kind, bf16 }: Hardware): number {
  if (kind === "cpu") return CPU_EFFICIENCY;
  if (kind === "apple") return 0.35;
  if (name.startsWith("A100") || name === "A800") return CALIBRATION.kernels.A100;
  if (name.startsWith("H")) return CALIBRATION.kernels.H100;
  // Assumptions: an older tensor unit with little software, a newer one that is harder to feed, a vendor with younger kernels.
  if (name === "V100") return 0.4;
  if (name.startsWith("MI")) return 0.4;
  return bf16 > 1.5e15 ? 0.45 : 0.5;
}

/** Share of a CPU's measured peak that `shoal train` reaches from 6M active parameters on, and how it falls below: measured, see docs/log.md. */
const CPU_EFFICIENCY = 0.48;
const CPU_SMALL = { parameters: 6e6, exponent: 0.18 };

function smallMatrices({ kind }: Hardware, active: number): number {
  const { parameters, exponent } = kind === "cpu" ? CPU_SMALL : CALIBRATION.smallMatrices;
  return Math.min(1, (active / parameters) ** exponent);
}

function links({ kind }: Hardware, devices: number): number {
  return kind === "cpu" ? 1 : 1 / (1 + CALIBRATION.perDoubling * Math.max(0, Math.log2(devices / 8)));
}

function thinSpread({ kind, bf16 }: Hardware, devices: number, active: number): number {
  if (kind === "cpu") return 1;
  const { parameters, exponent, from, to, speedExponent } = CALIBRATION.thinSpread;
  const enough = parameters * (bf16 / 989e12) ** speedExponent;
  const weight = Math.min(1, Math.max(0, Math.log2(devices / from) / Math.log2(to / from)));
  return 1 - weight * (1 - Math.min(1, (active / enough) ** exponent));
}

function precisionFactor({ fp8, kind }: Hardware, experts: boolean, precision: "bf16" | "fp8"): number {
  // One memory: nothing goes from one device to another.
  if (kind === "cpu") return 1;
  const useFp8 = precision === "fp8" && fp8 !== null;
  if (experts) return useFp8 ? CALIBRATION.experts.fp8 : CALIBRATION.experts.bf16;
  return useFp8 ? CALIBRATION.denseFp8 : 1;
}
