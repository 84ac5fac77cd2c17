/** What serving costs: tokens per second of a machine and dollars per million tokens, prompts and replies apart. */
import { InputError } from "../base/index.ts";
import { type Counts, inferenceFlops, type StoredPrecision, WEIGHT_BYTES } from "./count.ts";
import { HARDWARE, type Hardware } from "./hardware.ts";

export interface ServeRequest {
  counts: Counts;
  hardware: Hardware;
  /** Devices that serve one copy; left out, the fewest that it fits on. */
  gpus?: number;
  weights?: StoredPrecision;
  cache?: "bf16" | "int8";
  /** Sequences decoded together; left out, as many as the memory holds, at most 256. */
  batch?: number;
  /** Tokens of a prompt, and of a reply. */
  input?: number;
  output?: number;
  price?: number;
}

export interface ServePlan {
  gpu: string;
  gpus: number;
  batch: number;
  weightBytes: number;
  cacheBytesPerToken: number;
  prefillTokensPerSecond: number;
  decodeTokensPerSecond: number;
  /** What one reader sees. */
  tokensPerSecondPerSequence: number;
  usdPerMillionInput: number;
  usdPerMillionOutput: number;
  bound: { prefill: string; decode: string };
  fits: { gpu: string; gpus: number }[];
  assumptions: string[];
}

/** Shares of bandwidth and of peak that good engines reach; the second GPU and further ones add less (all-reduce, all-to-all). */
const BANDWIDTH_SHARE = 0.7;
const PEAK_SHARE = 0.5;
const USABLE = 0.9;
const scaling = (gpus: number) => 1 / (1 + 0.05 * Math.log2(gpus));

/** Predicts serving. @throws InputError for sizes that make no sense, or a model that does not fit */
export function planServing(request: ServeRequest): ServePlan {
  const { counts, hardware, weights = "bf16", cache = "bf16", input = 1024, output = 256 } = request;
  const whole: [string, number | undefined][] = [
    ["--gpus", request.gpus],
    ["--batch", request.batch],
    ["--input", input],
    ["--output", output],
  ];
  for (const [flag, value] of whole)
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= 2 ** 30))
      throw new InputError(`${flag} ${value}: must be a whole number from 1 on`);
  const weightBytes = counts.total * WEIGHT_BYTES[weights];
  const cacheBytesPerToken = counts.cachePerToken.latent * (cache === "int8" ? WEIGHT_BYTES.int8 : 2);
  const perSequence = cacheBytesPerToken * (input + output);
  const needed = (on: Hardware) => fewest(weightBytes + perSequence, on);
  const gpus = request.gpus ?? needed(hardware);
  const room = gpus * hardware.memory * USABLE - weightBytes;
  if (room < perSequence)
    throw new InputError(
      `--gpus ${gpus}: ${(weightBytes / 1e9).toFixed(1)} GB of weights and one sequence do not fit into ${gpus} × ${hardware.name}; from ${needed(hardware)} on they do`,
    );
  const most = Math.floor(room / perSequence);
  const batch = request.batch ?? Math.max(1, Math.min(256, most));
  if (batch > most)
    throw new InputError(
      `--batch ${batch}: the cache holds ${most} sequences of ${input + output} tokens; the nearest is ${most}`,
    );
  const speed = gpus * scaling(gpus);
  const peak = (weights === "fp8" && hardware.fp8 ? hardware.fp8 : hardware.bf16) * PEAK_SHARE * speed;
  const bandwidth = hardware.bandwidth * BANDWIDTH_SHARE * speed;
  const flops = {
    prefill: inferenceFlops(counts, input).prefill,
    decode: inferenceFlops(counts, input + output / 2).decode,
  };
  // A prompt is read in chunks of up to 2,048 tokens, each of which reads the weights once.
  const prefillCompute = flops.prefill / peak;
  const prefillMemory = weightBytes / Math.min(input, 2048) / bandwidth;
  const readWeights = touchedParameters(counts, batch) * WEIGHT_BYTES[weights];
  const stepMemory = (readWeights + batch * cacheBytesPerToken * (input + output / 2)) / bandwidth;
  const stepCompute = (batch * flops.decode) / peak;
  const step = Math.max(stepMemory, stepCompute);
  const prefill = 1 / Math.max(prefillCompute, prefillMemory);
  const price = (request.price ?? hardware.price) * gpus;
  return {
    gpu: hardware.name,
    gpus,
    batch,
    weightBytes,
    cacheBytesPerToken,
    prefillTokensPerSecond: prefill,
    decodeTokensPerSecond: batch / step,
    tokensPerSecondPerSequence: 1 / step,
    usdPerMillionInput: (price / 3600 / prefill) * 1e6,
    usdPerMillionOutput: ((price / 3600) * step * 1e6) / batch,
    bound: {
      prefill: prefillCompute > prefillMemory ? "operations" : "reading weights",
      decode:
        stepCompute > stepMemory
          ? "operations"
          : readWeights > batch * cacheBytesPerToken * input
            ? "reading weights"
            : "reading the cache",
    },
    fits: HARDWARE.filter(({ kind }) => kind !== "cpu").map((each) => ({ gpu: each.name, gpus: needed(each) })),
    assumptions: [
      `${100 * BANDWIDTH_SHARE} % of the bandwidth and ${100 * PEAK_SHARE} % of the peak are reached; ${gpus} devices work as ${speed.toFixed(1)}`,
      `prompts of ${input} tokens, replies of ${output}; machines always busy: at half load a token costs twice as much`,
      "no drafting, no shared prompts: each saves more",
    ],
  };
}

function fewest(bytes: number, { memory }: Hardware): number {
  const devices = Math.ceil(bytes / (memory * USABLE));
  return 2 ** Math.ceil(Math.log2(Math.max(1, devices)));
}

/** Parameters that a decoding step of so many tokens reads: of E experts, those that at least one token chooses. */
function touchedParameters(counts: Counts, batch: number): number {
  if (!counts.moe) return counts.total;
  const { experts, perToken } = counts.moe;
  const everyone = (counts.total - counts.active) / (1 - perToken / experts);
  return counts.total - everyone + everyone * (1 - (1 - perToken / experts) ** batch);
}
