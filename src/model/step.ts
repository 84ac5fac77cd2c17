/** A layer for a few tokens over the cache (decoding, the check of drafted tokens): each half is one kernel. */
import type { F32, I32, Precision, Tape, Tensor, Weight } from "../tensor/index.ts";
import type { Positions } from "./attention.ts";
import type { LayerCache, SequenceSpan } from "./cache.ts";
import type { ModelConfig } from "./config.ts";
import type { RouterTrace } from "./experts.ts";
import type { LayerWeights, ModelWeights } from "./parameters.ts";
import { softmaxScale } from "./rope.ts";

/** From this many tokens on, products that pack their operands are faster than those that stream the weights. */
const MOST_TOKENS = 32;

/** Of each token of a pass: where its sequence begins in the cache, and how many rows it sees, its own included. */
export interface CacheView {
  rowStart: I32;
  rowCount: I32;
}

export function cacheView(spans: readonly SequenceSpan[], tokens: number): CacheView {
  const rowStart: I32 = new Int32Array(tokens);
  const rowCount: I32 = new Int32Array(tokens);
  let row = 0;
  for (const span of spans) {
    for (let i = 0; i < span.count; i++, row++) {
      rowStart[row] = span.rowStart;
      rowCount[row] = span.past + i + 1;
    }
  }
  return { rowStart, rowCount };
}

/** The precision that the steps work in with these weights: as their matrices are held; null where some are in f32 and others are not. */
export function stepPrecision({ slots }: ModelWeights): Precision | null {
  const matrices = slots.filter(({ slot }) => slot.trained && !slot.keepF32);
  const inF32 = matrices.filter(({ weight }) => !weight.quantised && weight.data instanceof Float32Array).length;
  return inF32 === matrices.length ? "f32" : inF32 === 0 ? "bf16" : null;
}

export function fitsStep(tape: Tape, precision: Precision | null, tokens: number): boolean {
  return !tape.recording && tokens <= MOST_TOKENS && precision === tape.precision;
}

const f32 = ({ data }: Weight) => data as F32;

/** x + attention(norm(x)); the tokens' rows of the cache are written. */
export function attentionHalf(
  tape: Tape,
  config: ModelConfig,
  { attention: w, inputNorm }: LayerWeights,
  x: Tensor,
  { positions, table }: Positions,
  cache: LayerCache,
  view: CacheView,
): Tensor {
  const [T, D] = x.shape;
  const out = tape.tensor(T, D);
  tape.kernels.attentionStep({
    out: out.data,
    x: x.data,
    norm: f32(inputNorm),
    eps: config.rmsNormEps,
    T,
    D,
    qA: w.qA,
    qANorm: w.qANorm && f32(w.qANorm),
    rank: config.qLoraRank ?? 0,
    q: w.q,
    kvA: w.kvA,
    kvANorm: f32(w.kvANorm),
    kvB: w.kvB.data,
    o: w.o,
    ...table,
    positions,
    interleaved: config.ropeInterleave,
    cache: cache.data,
    cacheScales: cache.scales,
    ...view,
    H: config.numAttentionHeads,
    N: config.qkNopeHeadDim,
    P: config.qkRopeHeadDim,
    V: config.vHeadDim,
    R: config.kvLoraRank,
    scale: softmaxScale(config),
  });
  return out;
}

/** x + feed-forward(norm(x)). */
export function feedForwardHalf(
  tape: Tape,
  config: ModelConfig,
  { postAttentionNorm, dense, experts: w }: LayerWeights,
  x: Tensor,
  routers: RouterTrace[],
): Tensor {
  const [T, D] = x.shape;
  const out = tape.tensor(T, D);
  const { nRoutedExperts: E, numExpertsPerTok: K } = config;
  const one = dense ?? w!.shared;
  const chosen = w && {
    indices: new Int32Array(T * K),
    weights: new Float32Array(T * K),
    offsets: new Int32Array(E + 1),
  };
  tape.kernels.feedForwardStep({
    out: out.data,
    x: x.data,
    norm: f32(postAttentionNorm),
    eps: config.rmsNormEps,
    T,
    D,
    shared: one && { gateUp: one.gateUp, down: one.down, F: one.down.shape[1] },
    experts: w && {
      router: f32(w.router),
      bias: w.bias,
      gateUp: w.gateUp,
      down: w.down,
      E,
      F: config.moeIntermediateSize,
      K,
      groups: config.nGroup,
      topkGroups: config.topkGroup,
      normalise: config.normTopkProb,
      scale: config.routedScalingFactor,
      ...chosen!,
    },
  });
  if (chosen) routers.push({ ...chosen, balanceLoss: 0 });
  return out;
}
