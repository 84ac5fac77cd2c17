/**
 * What a model learns: every weight, its shape, how it starts, and under which names checkpoints store it.
 *
 * The structure is walked in one place, `buildWeights`; counting, allocating, loading and saving are different things to do at each slot.
 * Weights that are multiplied together stand together: gate and up projections are one matrix [2F, D], and so for all experts
 * [E, 2F, D], so that one product serves both. The stored tensors are contiguous parts of their slot.
 */
import { type F32, size, type Weight } from "../tensor/index.ts";
import { familyOf, type WeightNames } from "./families/index.ts";
import { type Experts, type LatentAttention, type Layer, layerOf } from "./layer.ts";
import type { ModelConfig } from "./model-config.ts";

/** A tensor of the checkpoint: its name and shape, where it begins in its slot (in elements), and names under which it is stored again. */
export interface StoredTensor {
  name: string;
  shape: number[];
  offset: number;
  copies?: string[];
}

export interface Slot {
  shape: number[];
  stored: StoredTensor[];
  init: "normal" | "ones" | "zeros";
  /** False for e_score_correction_bias, which the balancing rule moves, not the gradient. */
  trained: boolean;
  /** True for what stays in f32 whatever the model's dtype: norms, router, bias. */
  keepF32: boolean;
}

export interface AttentionWeights {
  shape: LatentAttention;
  /** [rank, D] and its norm; null where q is not of low rank */
  qA: Weight | null;
  qANorm: Weight | null;
  /** q_b_proj [H(N+P), rank], or q_proj [H(N+P), D] */
  q: Weight;
  /** [R+P, D] */
  kvA: Weight;
  kvANorm: Weight;
  /** [H(N+V), R] */
  kvB: Weight;
  /** [D, HV] */
  o: Weight;
}
export interface FeedForwardWeights {
  /** [2F, D]: gate_proj over up_proj */
  gateUp: Weight;
  /** [D, F] */
  down: Weight;
}
export interface ExpertsWeights {
  shape: Experts;
  /** [E, D] */
  router: Weight;
  /** [E] e_score_correction_bias; null in routers without one */
  bias: F32 | null;
  /** [E, 2F, D] */
  gateUp: Weight;
  /** [E, D, F] */
  down: Weight;
  shared: FeedForwardWeights | null;
}
export interface LayerWeights {
  layer: Layer;
  inputNorm: Weight;
  attention: AttentionWeights;
  postAttentionNorm: Weight;
  dense: FeedForwardWeights | null;
  experts: ExpertsWeights | null;
}
/** One depth of multi-token prediction (report, section 2.2); embedding and head are the main model's. */
export interface MtpWeights {
  eNorm: Weight;
  hNorm: Weight;
  /** [D, 2D], meets [embedding ; hidden] */
  ehProj: Weight;
  layer: LayerWeights;
  norm: Weight;
}
export interface ModelWeights {
  /** [V, D] */
  embed: Weight;
  layers: LayerWeights[];
  norm: Weight;
  /** [V, D]; the embedding itself when tied */
  head: Weight;
  mtp: MtpWeights[];
  /** Every slot with its weight, in the fixed order of the walk. */
  slots: { slot: Slot; weight: Weight }[];
}

type Make = (slot: Slot) => Weight;

/** Makes the slots of a module that is stored under `at`. */
class Module {
  private readonly make: Make;
  private readonly at: string;

  constructor(make: Make, at = "") {
    this.make = make;
    this.at = at;
  }

  matrix(name: string, rows: number, columns: number, more: Partial<Slot> & { copies?: string[] } = {}): Weight {
    const { copies, ...others } = more;
    const stored = [{ name: `${this.at}${name}.weight`, shape: [rows, columns], offset: 0, copies }];
    return this.make({ shape: [rows, columns], stored, init: "normal", trained: true, keepF32: false, ...others });
  }

  /** Matrices [rows, columns] of these names, one after the other in a slot. */
  matrices(names: readonly string[], shape: number[], [rows, columns]: readonly [number, number]): Weight {
    const stored = names.map((name, i) => ({
      name: `${this.at}${name}.weight`,
      shape: [rows, columns],
      offset: i * rows * columns,
    }));
    return this.make({ shape, stored, init: "normal", trained: true, keepF32: false });
  }

  norm(name: string, width: number): Weight {
    const stored = [{ name: `${this.at}${name}.weight`, shape: [width], offset: 0 }];
    return this.make({ shape: [width], stored, init: "ones", trained: true, keepF32: true });
  }

  bias(name: string, width: number): Weight {
    const stored = [{ name: `${this.at}${name}`, shape: [width], offset: 0 }];
    return this.make({ shape: [width], stored, init: "zeros", trained: false, keepF32: true });
  }
}

/** Walks the model's structure and asks `weightFor` for the weight of each slot. */
export function buildWeights(config: ModelConfig, weightFor: Make): ModelWeights {
  const slots: ModelWeights["slots"] = [];
  const make = (slot: Slot): Weight => {
    const weight = weightFor(slot);
    slots.push({ slot, weight });
    return weight;
  };
  const { names } = familyOf(config);
  const { vocabSize: V, hiddenSize: D, numHiddenLayers: L, numNextnPredictLayers } = config;
  const model = new Module(make);
  const placeOf = (index: number) => `${names.layers}.${index}.`;
  const copiesOf = (name: string) =>
    Array.from({ length: numNextnPredictLayers }, (_, i) => `${placeOf(L + i)}${name}.weight`);
  const layerAt = (index: number) => buildLayer(layerOf(config, index), names, new Module(make, placeOf(index)));

  const embed = model.matrix(names.embed, V, D, { copies: copiesOf(names.mtp.embed) });
  const layers = Array.from({ length: L }, (_, i) => layerAt(i));
  const norm = model.norm(names.norm, D);
  const head = config.tieWordEmbeddings ? embed : model.matrix(names.head, V, D, { copies: copiesOf(names.mtp.head) });
  const mtp = Array.from({ length: numNextnPredictLayers }, (_, i): MtpWeights => {
    const depth = new Module(make, placeOf(L + i));
    return {
      eNorm: depth.norm(names.mtp.eNorm, D),
      hNorm: depth.norm(names.mtp.hNorm, D),
      ehProj: depth.matrix(names.mtp.ehProj, D, 2 * D),
      layer: layerAt(L + i),
      norm: depth.norm(names.mtp.norm, D),
    };
  });
  return { embed, layers, norm, head, mtp, slots };
}

function buildLayer(layer: Layer, names: WeightNames, module: Module): LayerWeights {
  const { D, feedForward } = layer;
  const mixture = "router" in feedForward ? feedForward : null;
  return {
    layer,
    inputNorm: module.norm(names.inputNorm, D),
    attention: buildAttention(layer, names.attention, module),
    postAttentionNorm: module.norm(names.postAttentionNorm, D),
    dense: mixture ? null : buildFeedForward(D, feedForward.F, `${names.dense}.`, names, module),
    experts: mixture && buildExperts(D, mixture, names, module),
  };
}

function buildAttention({ D, attention: shape }: Layer, names: WeightNames["attention"], module: Module) {
  const { H, N, P, V, R, rank } = shape;
  return {
    shape,
    qA: rank === null ? null : module.matrix(names.qA, rank, D),
    qANorm: rank === null ? null : module.norm(names.qANorm, rank),
    q: rank === null ? module.matrix(names.q, H * (N + P), D) : module.matrix(names.qB, H * (N + P), rank),
    kvA: module.matrix(names.kvA, R + P, D),
    kvANorm: module.norm(names.kvANorm, R),
    kvB: module.matrix(names.kvB, H * (N + V), R),
    o: module.matrix(names.o, D, H * V),
  };
}

function buildFeedForward(D: number, F: number, at: string, names: WeightNames, module: Module): FeedForwardWeights {
  const { gate, up, down } = names.feedForward;
  return {
    gateUp: module.matrices([at + gate, at + up], [2 * F, D], [F, D]),
    down: module.matrices([at + down], [D, F], [D, F]),
  };
}

function buildExperts(D: number, shape: Experts, names: WeightNames, module: Module): ExpertsWeights {
  const { F, sharedF, router } = shape;
  const { E } = router;
  const { gate, up, down } = names.feedForward;
  const experts = Array.from({ length: E }, (_, e) => `${names.experts}.${e}.`);
  return {
    shape,
    router: module.matrix(names.router, E, D, { keepF32: true }),
    bias: router.correctionBias ? (module.bias(names.correctionBias, E).data as F32) : null,
    gateUp: module.matrices(
      experts.flatMap((at) => [at + gate, at + up]),
      [E, 2 * F, D],
      [F, D],
    ),
    down: module.matrices(
      experts.map((at) => at + down),
      [E, D, F],
      [D, F],
    ),
    shared: sharedF > 0 ? buildFeedForward(D, sharedF, `${names.shared}.`, names, module) : null,
  };
}

/** Every slot of the model in a fixed order, without allocating any. */
export function modelSlots(config: ModelConfig): Slot[] {
  const nothing = new Float32Array(0);
  return buildWeights(config, ({ shape }) => ({ data: nothing, shape, grad: null })).slots.map(({ slot }) => slot);
}

export interface ParameterCounts {
  /** Everything but the MTP depths, as published totals count. */
  total: number;
  /** Used for one token: all but the experts not chosen. */
  active: number;
  /** Embedding and, where it is not tied, head. */
  embedding: number;
  /** The MTP depths, without the shared embedding and head. */
  mtp: number;
}

/** Exact counts of parameters, e_score_correction_bias included: the published total of the 671B counts it. */
export function countParameters(config: ModelConfig): ParameterCounts {
  const main = totalSize({ ...config, numNextnPredictLayers: 0 });
  const all = totalSize(config);
  const expertLayers = Math.max(0, config.numHiddenLayers - config.firstKDenseReplace);
  const idle =
    expertLayers *
    (config.nRoutedExperts - config.numExpertsPerTok) *
    3 *
    config.moeIntermediateSize *
    config.hiddenSize;
  const table = config.vocabSize * config.hiddenSize;
  return { total: main, active: main - idle, embedding: config.tieWordEmbeddings ? table : 2 * table, mtp: all - main };
}

function totalSize(config: ModelConfig): number {
  return modelSlots(config).reduce((sum, slot) => sum + size(slot.shape), 0);
}
