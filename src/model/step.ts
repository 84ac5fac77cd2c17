/** Layers for a few tokens over the cache: decoding, and the check of drafted tokens. */
import type {
  AttentionStep,
  F32,
  FeedForwardStep,
  I32,
  Kernels,
  Precision,
  RopeTable,
  Tape,
  Tensor,
  Weight,
} from "../tensor/index.ts";
import type { LayerCache, SequenceSpan } from "./cache.ts";
import type { RouterTrace } from "./experts.ts";
import type { Layer } from "./layer.ts";
import type { ExpertsWeights, LayerWeights, ModelWeights } from "./parameters.ts";

/** The precision that the steps work in with these weights: as their matrices are held; null where some are in f32 and others are not. */
export function stepPrecision({ slots }: ModelWeights): Precision | null {
  const matrices = slots.filter(({ slot }) => slot.trained && !slot.keepF32);
  const inF32 = matrices.filter(({ weight }) => !weight.quantised && weight.data instanceof Float32Array).length;
  return inF32 === matrices.length ? "f32" : inF32 === 0 ? "bf16" : null;
}

export function fitsStep(tape: Tape, precision: Precision | null, tokens: number): boolean {
  return !tape.recording && tokens <= tape.kernels.maxStepTokens && precision === tape.precision;
}

const f32 = ({ data }: Weight) => data as F32;

/** Some layers with their caches, and the angles of their positions. */
export interface CachedLayers {
  layers: readonly LayerWeights[];
  caches: readonly LayerCache[];
  table: RopeTable;
}

/** The router's choices of one layer, in memory that the next pass writes anew. */
interface Choices {
  K: number;
  /** [tokens,K] */
  indices: I32;
  weights: F32;
  /** [E+1] */
  offsets: I32;
}

/**
 * Passes of a few tokens through some layers over their caches. Weights, caches and the buffers between them are the same from pass to pass,
 * and are handed to the kernels once: a pass is then one call, whatever the number of layers.
 */
export class StepPass {
  readonly kernels: Kernels;
  readonly table: RopeTable;
  /** The residual stream, [tokens,D]: the layers' input, and then their output. */
  private readonly x: F32;
  private readonly D: number;
  private readonly positions: I32;
  /** Where a token's sequence begins in the caches, and how many rows it sees, its own included. */
  private readonly rowStart: I32;
  private readonly rowCount: I32;
  private readonly choices: (Choices | null)[];
  private readonly runLayers: (T: number) => void;

  constructor(kernels: Kernels, { layers, caches, table }: CachedLayers) {
    this.kernels = kernels;
    this.table = table;
    this.D = layers[0].layer.D;
    const maxTokens = kernels.maxStepTokens;
    this.x = new Float32Array(maxTokens * this.D);
    this.positions = new Int32Array(maxTokens);
    this.rowStart = new Int32Array(maxTokens);
    this.rowCount = new Int32Array(maxTokens);
    this.choices = layers.map(({ experts }) => experts && roomForChoices(experts, maxTokens));
    this.runLayers = kernels.prepareLayers(
      layers.map((layer, i) => ({
        attention: this.attention(layer, caches[i]),
        feedForward: this.feedForward(layer, this.choices[i]),
      })),
    );
  }

  /** What the layers make of x [T,D], in memory that the next pass writes anew; the tokens' rows of the caches are written. */
  run({ data, shape }: Tensor, positions: I32, spans: readonly SequenceSpan[], routers?: RouterTrace[]): Tensor {
    const [T] = shape;
    this.x.set(data);
    this.positions.set(positions);
    let row = 0;
    for (const { rowStart, past, count } of spans) {
      for (let i = 0; i < count; i++, row++) {
        this.rowStart[row] = rowStart;
        this.rowCount[row] = past + i + 1;
      }
    }
    this.runLayers(T);
    if (routers) for (const chosen of this.choices) if (chosen) routers.push(this.trace(chosen, T));
    return { data: this.x.subarray(0, T * this.D), shape, grad: null };
  }

  private trace({ K, indices, weights, offsets }: Choices, T: number): RouterTrace {
    const n = T * K;
    return {
      indices: indices.slice(0, n),
      weights: weights.slice(0, n),
      offsets: offsets.slice(),
      balanceLoss: 0,
    };
  }

  /** x + attention(norm(x)) */
  private attention(
    { layer, attention: w, inputNorm }: LayerWeights,
    { data: cache, scales: cacheScales }: LayerCache,
  ): AttentionStep {
    const { H, N, P, V, R, rank, latentEps, interleaved, scale } = layer.attention;
    return {
      ...this.half(layer, inputNorm),
      qA: w.qA,
      qANorm: w.qANorm && f32(w.qANorm),
      rank: rank ?? 0,
      latentEps,
      q: w.q,
      kvA: w.kvA,
      kvANorm: f32(w.kvANorm),
      kvB: w.kvB.data,
      o: w.o,
      ...this.table,
      positions: this.positions,
      interleaved,
      cache,
      cacheScales,
      rowStart: this.rowStart,
      rowCount: this.rowCount,
      H,
      N,
      P,
      V,
      R,
      scale,
    };
  }

  /** x + feed-forward(norm(x)) */
  private feedForward(
    { layer, postAttentionNorm, dense, experts }: LayerWeights,
    chosen: Choices | null,
  ): FeedForwardStep {
    const one = dense ?? experts!.shared;
    return {
      ...this.half(layer, postAttentionNorm),
      shared: one && { gateUp: one.gateUp, down: one.down, F: one.down.shape[1] },
      experts: experts && { ...routedExperts(experts), ...chosen! },
    };
  }

  private half({ eps, D }: Layer, norm: Weight) {
    return { out: this.x, x: this.x, norm: f32(norm), eps, T: this.kernels.maxStepTokens, D };
  }
}

function routedExperts({ shape: { F, router: numbers }, ...w }: ExpertsWeights) {
  const { E, K, groups, topkGroups, scoring, groupScore, normalize, scale } = numbers;
  const matrices = { router: f32(w.router), bias: w.bias, gateUp: w.gateUp, down: w.down };
  return { ...matrices, E, F, K, groups, topkGroups, scoring, groupScore, normalize, scale };
}

function roomForChoices({ shape: { router } }: ExpertsWeights, maxTokens: number): Choices {
  const { E, K } = router;
  return {
    K,
    indices: new Int32Array(maxTokens * K),
    weights: new Float32Array(maxTokens * K),
    offsets: new Int32Array(E + 1),
  };
}
