/**
 * What a model learns: every weight, its shape, how it starts, and under which names checkpoints store it.
 *
 * The structure is walked in one place, `buildWeights`; counting, allocating, loading and saving are different things to do at each slot.
 * Weights that are multiplied together stand together: gate and up projections are one matrix [2F, D], and so for all experts
 * [E, 2F, D], so that one product serves both. The stored tensors are contiguous parts of their slot.
 */
import { type F32, size, type Weight } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";

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
  /** [qLoraRank, D] and its norm; null where q is not of low rank */
  qA: Weight | null;
  qANorm: Weight | null;
  /** q_b_proj [H(N+P), qLoraRank], or q_proj [H(N+P), D] */
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
  /** [E, D] */
  router: Weight;
  /** [E] e_score_correction_bias (empty in DeepSeek-V2's router, which has none) */
  bias: F32;
  /** [E, 2F, D] */
  gateUp: Weight;
  /** [E, D, F] */
  down: Weight;
  shared: FeedForwardWeights | null;
}
export interface LayerWeights {
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

/** Walks the model's structure and asks `weightFor` for the weight of each slot. */
export function buildWeights(config: ModelConfig, weightFor: (slot: Slot) => Weight): ModelWeights {
  const slots: ModelWeights["slots"] = [];
  const make = (slot: Slot): Weight => {
    const weight = weightFor(slot);
    slots.push({ slot, weight });
    return weight;
  };
  const { vocabSize: V, hiddenSize: D, numHiddenLayers: L, numNextnPredictLayers } = config;
  const mtpNames = (suffix: string) =>
    Array.from({ length: numNextnPredictLayers }, (_, i) => `model.layers.${L + i}.${suffix}`);
  const matrix = (name: string, rows: number, columns: number, more: Partial<Slot> = {}, copies: string[] = []) =>
    make({
      shape: [rows, columns],
      stored: [{ name, shape: [rows, columns], offset: 0, copies }],
      init: "normal",
      trained: true,
      keepF32: false,
      ...more,
    });
  const norm = (name: string, width: number) =>
    make({ shape: [width], stored: [{ name, shape: [width], offset: 0 }], init: "ones", trained: true, keepF32: true });

  const embed = matrix("model.embed_tokens.weight", V, D, {}, mtpNames("embed_tokens.weight"));
  const layers = Array.from({ length: L }, (_, i) =>
    buildLayer(config, `model.layers.${i}`, i < config.firstKDenseReplace, make),
  );
  const finalNorm = norm("model.norm.weight", D);
  const head = config.tieWordEmbeddings
    ? embed
    : matrix("lm_head.weight", V, D, {}, mtpNames("shared_head.head.weight"));
  const mtp = Array.from({ length: numNextnPredictLayers }, (_, i): MtpWeights => {
    const at = `model.layers.${L + i}`;
    return {
      eNorm: norm(`${at}.enorm.weight`, D),
      hNorm: norm(`${at}.hnorm.weight`, D),
      ehProj: matrix(`${at}.eh_proj.weight`, D, 2 * D),
      layer: buildLayer(config, at, L + i < config.firstKDenseReplace, make),
      norm: norm(`${at}.shared_head.norm.weight`, D),
    };
  });
  return { embed, layers, norm: finalNorm, head, mtp, slots };
}

function buildLayer(config: ModelConfig, at: string, dense: boolean, make: (slot: Slot) => Weight): LayerWeights {
  const {
    hiddenSize: D,
    numAttentionHeads: H,
    kvLoraRank: R,
    qLoraRank,
    qkNopeHeadDim: N,
    qkRopeHeadDim: P,
    vHeadDim: V,
  } = config;
  const matrix = (name: string, rows: number, columns: number, more: Partial<Slot> = {}) =>
    make({
      shape: [rows, columns],
      stored: [{ name: `${at}.${name}.weight`, shape: [rows, columns], offset: 0 }],
      init: "normal",
      trained: true,
      keepF32: false,
      ...more,
    });
  const norm = (name: string, width: number) =>
    make({
      shape: [width],
      stored: [{ name: `${at}.${name}.weight`, shape: [width], offset: 0 }],
      init: "ones",
      trained: true,
      keepF32: true,
    });
  /** gate_proj and up_proj of the modules named, one [2F, D] after the other. */
  const gateUp = (modules: string[], shape: number[], F: number) =>
    make({
      shape,
      stored: modules.flatMap((module, e) => [
        { name: `${at}.${module}.gate_proj.weight`, shape: [F, D], offset: e * 2 * F * D },
        { name: `${at}.${module}.up_proj.weight`, shape: [F, D], offset: (e * 2 + 1) * F * D },
      ]),
      init: "normal",
      trained: true,
      keepF32: false,
    });
  const feedForward = (module: string, F: number): FeedForwardWeights => ({
    gateUp: gateUp([module], [2 * F, D], F),
    down: matrix(`${module}.down_proj`, D, F),
  });
  const experts = (): ExpertsWeights => {
    const { nRoutedExperts: E, nSharedExperts, moeIntermediateSize: F } = config;
    const modules = Array.from({ length: E }, (_, e) => `mlp.experts.${e}`);
    const bias: Slot = {
      shape: [E],
      stored: [{ name: `${at}.mlp.gate.e_score_correction_bias`, shape: [E], offset: 0 }],
      init: "zeros",
      trained: false,
      keepF32: true,
    };
    return {
      router: matrix("mlp.gate", E, D, { keepF32: true }),
      bias: config.scoringFunc === "sigmoid" ? (make(bias).data as F32) : new Float32Array(0),
      gateUp: gateUp(modules, [E, 2 * F, D], F),
      down: make({
        shape: [E, D, F],
        stored: modules.map((module, e) => ({
          name: `${at}.${module}.down_proj.weight`,
          shape: [D, F],
          offset: e * D * F,
        })),
        init: "normal",
        trained: true,
        keepF32: false,
      }),
      shared: nSharedExperts > 0 ? feedForward("mlp.shared_experts", nSharedExperts * F) : null,
    };
  };
  const lowRankQ = qLoraRank !== null;
  return {
    inputNorm: norm("input_layernorm", D),
    attention: {
      qA: lowRankQ ? matrix("self_attn.q_a_proj", qLoraRank, D) : null,
      qANorm: lowRankQ ? norm("self_attn.q_a_layernorm", qLoraRank) : null,
      q: lowRankQ ? matrix("self_attn.q_b_proj", H * (N + P), qLoraRank) : matrix("self_attn.q_proj", H * (N + P), D),
      kvA: matrix("self_attn.kv_a_proj_with_mqa", R + P, D),
      kvANorm: norm("self_attn.kv_a_layernorm", R),
      kvB: matrix("self_attn.kv_b_proj", H * (N + V), R),
      o: matrix("self_attn.o_proj", D, H * V),
    },
    postAttentionNorm: norm("post_attention_layernorm", D),
    dense: dense ? feedForward("mlp", config.intermediateSize) : null,
    experts: dense ? null : experts(),
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
