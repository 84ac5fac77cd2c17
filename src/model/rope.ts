/** Rotary position embedding: the angles, plain or stretched by YaRN (Peng et al. 2023, as transformers computes it; report, section 4.3). */
import type { F32, RopeTable } from "../tensor/index.ts";
import { allocate } from "../tensor/index.ts";
import type { ModelConfig, YarnConfig } from "./model-config.ts";

/** How many radians each of the P/2 pairs turns per position. */
export function inverseFrequencies(config: ModelConfig): Float64Array {
  const P = config.qkRopeHeadDim;
  const plain = Float64Array.from({ length: P / 2 }, (_, i) => config.ropeTheta ** ((-2 * i) / P));
  const { yarn } = config;
  if (!yarn) return plain;
  // Pairs that turn often within the original context keep their speed; slow ones are slowed by the factor; between is a ramp.
  const [fast, slow] = [yarn.betaFast, yarn.betaSlow].map((turns) => pairThatTurns(turns, config, yarn));
  const low = Math.max(0, yarn.truncate ? Math.floor(fast) : fast);
  let high = Math.min(P - 1, yarn.truncate ? Math.ceil(slow) : slow);
  if (low === high) high += 0.001;
  return plain.map((speed, i) => {
    const slowed = Math.min(1, Math.max(0, (i - low) / (high - low)));
    return (speed / yarn.factor) * slowed + speed * (1 - slowed);
  });
}

/** The (fractional) index of the pair that makes `turns` turns over the original context. */
function pairThatTurns(turns: number, config: ModelConfig, yarn: YarnConfig): number {
  const length = yarn.originalMaxPositionEmbeddings;
  return (config.qkRopeHeadDim * Math.log(length / (turns * 2 * Math.PI))) / (2 * Math.log(config.ropeTheta));
}

function mscale(factor: number, weight: number): number {
  return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
}

/** By how much cos and sin are scaled: 1 where mscale equals mscale_all_dim, as published. */
function rotationScale(yarn: YarnConfig | null): number {
  if (!yarn) return 1;
  if (yarn.attentionFactor !== null) return yarn.attentionFactor;
  if (yarn.mscale && yarn.mscaleAllDim)
    return mscale(yarn.factor, yarn.mscale) / mscale(yarn.factor, yarn.mscaleAllDim);
  return mscale(yarn.factor, 1);
}

/** The factor on attention scores: (N+P)^-½, times mscale² when YaRN is on (as transformers: at every length). */
export function softmaxScale(config: ModelConfig): number {
  const plain = (config.qkNopeHeadDim + config.qkRopeHeadDim) ** -0.5;
  const { yarn } = config;
  return yarn?.mscaleAllDim ? plain * mscale(yarn.factor, yarn.mscaleAllDim) ** 2 : plain;
}

/** cos and sin of the first `positions` positions, [positions, P/2] each. */
export function ropeTable(config: ModelConfig, positions: number): RopeTable {
  const speeds = inverseFrequencies(config);
  const scale = rotationScale(config.yarn);
  const half = speeds.length;
  const cos: F32 = new Float32Array(allocate(positions * half * 4));
  const sin: F32 = new Float32Array(allocate(positions * half * 4));
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * speeds[i];
      cos[position * half + i] = Math.cos(angle) * scale;
      sin[position * half + i] = Math.sin(angle) * scale;
    }
  }
  return { cos, sin };
}
