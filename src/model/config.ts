/** The model's configuration: `config.json` of a Hugging Face folder, checked and named in camelCase. */
import { InputError } from "../base/index.ts";

/** Context extension by YaRN (Peng et al. 2023; report, section 4.3). */
export interface YarnConfig {
  factor: number;
  originalMaxPositionEmbeddings: number;
  betaFast: number;
  betaSlow: number;
  mscale: number | null;
  mscaleAllDim: number | null;
  attentionFactor: number | null;
  /** Whether the ends of the ramp are rounded to whole pairs. */
  truncate: boolean;
}

export interface ModelConfig {
  vocabSize: number;
  hiddenSize: number;
  /** Width of the dense feed-forward in the first `firstKDenseReplace` layers. */
  intermediateSize: number;
  moeIntermediateSize: number;
  numHiddenLayers: number;
  firstKDenseReplace: number;
  numAttentionHeads: number;
  /** Null: a plain q_proj in place of the low-rank one. */
  qLoraRank: number | null;
  kvLoraRank: number;
  qkNopeHeadDim: number;
  qkRopeHeadDim: number;
  vHeadDim: number;
  nRoutedExperts: number;
  nSharedExperts: number;
  numExpertsPerTok: number;
  nGroup: number;
  topkGroup: number;
  normTopkProb: boolean;
  /** "softmax" is DeepSeek-V2's router, without e_score_correction_bias: such shapes can be counted and planned for, not run. */
  scoringFunc: "sigmoid" | "softmax";
  routedScalingFactor: number;
  ropeTheta: number;
  yarn: YarnConfig | null;
  ropeInterleave: boolean;
  maxPositionEmbeddings: number;
  rmsNormEps: number;
  tieWordEmbeddings: boolean;
  numNextnPredictLayers: number;
  initializerRange: number;
  bosTokenId: number | null;
  /** Any of these ends a reply. */
  eosTokenIds: number[];
}

/** Far above any published model; a file that asks for more is broken or hostile. */
export const CONFIG_LIMITS = {
  vocabSize: 2 ** 22,
  width: 2 ** 18,
  layers: 4096,
  heads: 4096,
  experts: 65536,
  positions: 2 ** 24,
};

/** The ε of the norms of latents (q_a and kv_a): whatever rms_norm_eps says, transformers leaves it at this. */
export const LATENT_NORM_EPS = 1e-6;

type Json = Record<string, unknown>;

/** What transformers takes for fields that a config.json leaves out. */
const DEFAULTS = {
  deepseek_v3: {
    first_k_dense_replace: 3,
    q_lora_rank: 1536,
    n_group: 8,
    topk_group: 4,
    num_experts_per_tok: 8,
    routed_scaling_factor: 2.5,
  },
  deepseek_v2: { first_k_dense_replace: 0, q_lora_rank: 1536, n_group: 1, topk_group: 1, routed_scaling_factor: 1 },
};

/**
 * Reads a parsed `config.json`. Both spellings of the rope settings are known: `rope_theta` + `rope_scaling`, and `rope_parameters`.
 * @param where the file's name, for errors
 * @throws InputError naming the field
 */
export function parseConfig(json: unknown, where = "config.json"): ModelConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new InputError(`${where}: expected a JSON object`);
  const modelType = (json as Json).model_type;
  if (modelType !== "deepseek_v3" && modelType !== "deepseek_v2") {
    const kimi =
      modelType === "kimi_k2" ? " (Kimi K2 is built alike, but brings no tokenizer.json, which Shoal needs)" : "";
    throw new InputError(
      `${where}: model_type ${JSON.stringify(modelType)} is not supported; Shoal runs models of type "deepseek_v3"${kimi}`,
    );
  }
  const fields = new Fields({ ...DEFAULTS[modelType], ...(json as Json) }, where);
  const scoringFunc = fields.oneOf(
    "scoring_func",
    ["sigmoid", "softmax"],
    modelType === "deepseek_v2" ? "softmax" : "sigmoid",
  );
  fields.mustBe("hidden_act", "silu");
  fields.mustBe("attention_bias", false);
  if (scoringFunc === "sigmoid") fields.mustBe("topk_method", "noaux_tc");
  fields.mustBe("moe_layer_freq", 1);
  const { width, layers, heads, experts } = CONFIG_LIMITS;
  const config: ModelConfig = {
    vocabSize: fields.whole("vocab_size", 1, CONFIG_LIMITS.vocabSize),
    hiddenSize: fields.whole("hidden_size", 1, width),
    intermediateSize: fields.whole("intermediate_size", 1, width),
    moeIntermediateSize: fields.whole("moe_intermediate_size", 1, width),
    numHiddenLayers: fields.whole("num_hidden_layers", 1, layers),
    firstKDenseReplace: fields.whole("first_k_dense_replace", 0, layers, 0),
    numAttentionHeads: fields.whole("num_attention_heads", 1, heads),
    qLoraRank: fields.json.q_lora_rank == null ? null : fields.whole("q_lora_rank", 1, width),
    kvLoraRank: fields.whole("kv_lora_rank", 1, width),
    qkNopeHeadDim: fields.whole("qk_nope_head_dim", 1, width),
    qkRopeHeadDim: fields.whole("qk_rope_head_dim", 2, width),
    vHeadDim: fields.whole("v_head_dim", 1, width),
    nRoutedExperts: fields.whole("n_routed_experts", 1, experts),
    nSharedExperts: fields.whole("n_shared_experts", 0, experts, 1),
    numExpertsPerTok: fields.whole("num_experts_per_tok", 1, experts),
    nGroup: fields.whole("n_group", 1, experts, 1),
    topkGroup: fields.whole("topk_group", 1, experts, 1),
    normTopkProb: fields.flag("norm_topk_prob", true),
    scoringFunc,
    routedScalingFactor: fields.number("routed_scaling_factor", 1),
    ...ropeSettings(fields),
    ropeInterleave: fields.flag("rope_interleave", true),
    maxPositionEmbeddings: fields.whole("max_position_embeddings", 1, CONFIG_LIMITS.positions, MAX_POSITIONS),
    rmsNormEps: fields.between("rms_norm_eps", 0, 1, 1e-6),
    tieWordEmbeddings: fields.flag("tie_word_embeddings", false),
    numNextnPredictLayers: fields.whole("num_nextn_predict_layers", 0, 16, 0),
    initializerRange: fields.number("initializer_range", 0.006),
    bosTokenId: fields.json.bos_token_id == null ? null : fields.whole("bos_token_id", 0, CONFIG_LIMITS.vocabSize),
    eosTokenIds: fields.wholes("eos_token_id"),
  };
  checkTogether(config, where);
  return config;
}

/** What must hold between fields. */
function checkTogether(config: ModelConfig, where: string): void {
  const fail = (message: string): never => {
    throw new InputError(`${where}: ${message}`);
  };
  const { nRoutedExperts: E, numExpertsPerTok: K, nGroup, topkGroup } = config;
  if (config.qkRopeHeadDim % 2)
    fail(`qk_rope_head_dim ${config.qkRopeHeadDim} must be even: numbers are rotated in pairs`);
  if (E === nGroup && config.scoringFunc === "sigmoid")
    fail(
      `n_group ${nGroup} leaves one expert to a group, but groups are chosen by the sum of their best two: at most ${Math.max(1, Math.floor(E / 2))} groups of ${E} experts`,
    );
  if (E % nGroup) fail(`n_routed_experts ${E} must be a multiple of n_group ${nGroup}`);
  if (topkGroup > nGroup) fail(`topk_group ${topkGroup} must not be above n_group ${nGroup}`);
  if (K > (E / nGroup) * topkGroup)
    fail(`num_experts_per_tok ${K} is more than the ${(E / nGroup) * topkGroup} experts that topk_group leaves`);
}

/** As transformers reads them: `rope_scaling` counts where both spellings are there, and each field has its default. */
function ropeSettings(fields: Fields): { ropeTheta: number; yarn: YarnConfig | null } {
  const isEmpty = (value: unknown) => typeof value === "object" && Object.keys(value ?? {}).length === 0;
  const key = isEmpty(fields.json.rope_scaling ?? null) ? "rope_parameters" : "rope_scaling";
  const scaling = fields.json[key];
  const top = fields.between("rope_theta", MIN_THETA, Infinity, 10000);
  if (scaling == null) return { ropeTheta: top, yarn: null };
  if (typeof scaling !== "object" || Array.isArray(scaling))
    throw new InputError(`${fields.where}: ${key} must be an object or null`);
  const inner = new Fields(scaling as Json, `${fields.where}: ${key}`);
  const unknown = Object.keys(scaling).find((name) => !ROPE_FIELDS.has(name));
  if (unknown !== undefined)
    throw new InputError(
      `${inner.where}.${unknown} is not a field that Shoal knows; known are ${[...ROPE_FIELDS].join(", ")}`,
    );
  inner.mustBe("partial_rotary_factor", 1);
  const ropeTheta = inner.between("rope_theta", MIN_THETA, Infinity, top);
  const type = inner.json.rope_type ?? inner.json.type ?? "default";
  if (type === "default") return { ropeTheta, yarn: null };
  if (type !== "yarn")
    throw new InputError(
      `${inner.where}.rope_type ${JSON.stringify(type)} is not supported; known are "default" and "yarn"`,
    );
  const optional = (name: string) => (inner.json[name] == null ? null : inner.number(name));
  const positions = fields.whole("max_position_embeddings", 1, CONFIG_LIMITS.positions, MAX_POSITIONS);
  // Where the whole model says it, that counts.
  const original = [fields, inner].find(({ json }) => json.original_max_position_embeddings != null) ?? inner;
  const originalMaxPositionEmbeddings = original.whole(
    "original_max_position_embeddings",
    1,
    CONFIG_LIMITS.positions,
    positions,
  );
  const yarn: YarnConfig = {
    factor: inner.json.factor === null ? positions / originalMaxPositionEmbeddings : inner.number("factor"),
    originalMaxPositionEmbeddings,
    betaFast: inner.number("beta_fast", 32) || 32,
    betaSlow: inner.number("beta_slow", 1) || 1,
    mscale: optional("mscale"),
    mscaleAllDim: optional("mscale_all_dim"),
    attentionFactor: optional("attention_factor"),
    truncate: inner.flag("truncate", true),
  };
  if (yarn.factor < 1) throw new InputError(`${inner.where}.factor ${yarn.factor} must be at least 1`);
  for (const name of ["beta_fast", "beta_slow"] as const) inner.between(name, 0, Infinity, 1);
  return { ropeTheta, yarn };
}

/** At a base of 1 or less no pair of numbers turns slower than another. */
const MIN_THETA = 1 + Number.EPSILON;
const MAX_POSITIONS = 4096;
const ROPE_FIELDS: ReadonlySet<string> = new Set([
  "rope_type", "type", "rope_theta", "factor", "original_max_position_embeddings", "beta_fast", "beta_slow", "mscale", "mscale_all_dim",
  "attention_factor", "truncate", "partial_rotary_factor",
]); // biome-ignore format: names, not code

/** Typed access to a JSON object's fields, with errors that name them. */
class Fields {
  readonly json: Json;
  readonly where: string;

  constructor(json: Json, where: string) {
    this.json = json;
    this.where = where;
  }

  /** A whole number between least and most; `fallback` where the field is absent (required without one). */
  whole(name: string, least: number, most: number, fallback?: number): number {
    const value = this.json[name] ?? fallback;
    if (value === undefined) throw new InputError(`${this.where}: field ${name} is missing`);
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      throw new InputError(
        `${this.where}: ${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`,
      );
    }
    return value;
  }

  number(name: string, fallback?: number): number {
    const value = this.json[name] ?? fallback;
    if (value === undefined) throw new InputError(`${this.where}: field ${name} is missing`);
    if (typeof value !== "number" || !Number.isFinite(value))
      throw new InputError(`${this.where}: ${name} must be a number, not ${JSON.stringify(value)}`);
    return value;
  }

  between(name: string, least: number, most: number, fallback: number): number {
    const value = this.number(name, fallback);
    if (value < least || value > most)
      throw new InputError(
        `${this.where}: ${name} ${value} must be ${most === Infinity ? `above ${Math.trunc(least)}` : `from ${least} to ${most}`}`,
      );
    return value;
  }

  flag(name: string, fallback: boolean): boolean {
    const value = this.json[name] ?? fallback;
    if (typeof value !== "boolean")
      throw new InputError(`${this.where}: ${name} must be true or false, not ${JSON.stringify(value)}`);
    return value;
  }

  /** A whole number or a list of them; absent: none. */
  wholes(name: string): number[] {
    const value = this.json[name];
    if (value == null) return [];
    const list = Array.isArray(value) ? value : [value];
    if (!list.every((id) => Number.isInteger(id) && id >= 0))
      throw new InputError(`${this.where}: ${name} must be a token id or a list of them`);
    return list as number[];
  }

  oneOf<Known extends string>(name: string, known: readonly Known[], fallback: Known): Known {
    const value = this.json[name] ?? fallback;
    if (!known.includes(value as Known)) {
      throw new InputError(
        `${this.where}: ${name} ${JSON.stringify(value)} is not supported; known are ${known.map((k) => `"${k}"`).join(" and ")}`,
      );
    }
    return value as Known;
  }

  mustBe(name: string, only: string | number | boolean): void {
    const value = this.json[name];
    if (value != null && value !== only) {
      throw new InputError(
        `${this.where}: ${name} ${JSON.stringify(value)} is not supported; DeepSeek-V3 has ${JSON.stringify(only)}`,
      );
    }
  }
}

/** The `config.json` that Hugging Face transformers loads (both spellings of the rope settings agree there; this is the published one). */
export function configToJson(config: ModelConfig): Json {
  const { yarn } = config;
  const eos = config.eosTokenIds;
  return {
    architectures: ["DeepseekV3ForCausalLM"],
    model_type: "deepseek_v3",
    attention_bias: false,
    attention_dropout: 0.0,
    bos_token_id: config.bosTokenId,
    eos_token_id: eos.length === 0 ? null : eos.length === 1 ? eos[0] : eos,
    first_k_dense_replace: config.firstKDenseReplace,
    hidden_act: "silu",
    hidden_size: config.hiddenSize,
    initializer_range: config.initializerRange,
    intermediate_size: config.intermediateSize,
    kv_lora_rank: config.kvLoraRank,
    max_position_embeddings: config.maxPositionEmbeddings,
    moe_intermediate_size: config.moeIntermediateSize,
    moe_layer_freq: 1,
    n_group: config.nGroup,
    n_routed_experts: config.nRoutedExperts,
    n_shared_experts: config.nSharedExperts,
    norm_topk_prob: config.normTopkProb,
    num_attention_heads: config.numAttentionHeads,
    num_experts_per_tok: config.numExpertsPerTok,
    num_hidden_layers: config.numHiddenLayers,
    num_key_value_heads: config.numAttentionHeads,
    num_nextn_predict_layers: config.numNextnPredictLayers,
    q_lora_rank: config.qLoraRank,
    qk_nope_head_dim: config.qkNopeHeadDim,
    qk_rope_head_dim: config.qkRopeHeadDim,
    rms_norm_eps: config.rmsNormEps,
    rope_interleave: config.ropeInterleave,
    rope_theta: config.ropeTheta,
    rope_scaling: yarn && {
      type: "yarn",
      rope_type: "yarn",
      factor: yarn.factor,
      original_max_position_embeddings: yarn.originalMaxPositionEmbeddings,
      beta_fast: yarn.betaFast,
      beta_slow: yarn.betaSlow,
      ...(yarn.mscale !== null && { mscale: yarn.mscale }),
      ...(yarn.mscaleAllDim !== null && { mscale_all_dim: yarn.mscaleAllDim }),
      ...(yarn.attentionFactor !== null && { attention_factor: yarn.attentionFactor }),
      ...(!yarn.truncate && { truncate: false }),
    },
    routed_scaling_factor: config.routedScalingFactor,
    scoring_func: config.scoringFunc,
    tie_word_embeddings: config.tieWordEmbeddings,
    topk_group: config.topkGroup,
    ...(config.scoringFunc === "sigmoid" && { topk_method: "noaux_tc" }),
    v_head_dim: config.vHeadDim,
    vocab_size: config.vocabSize,
  };
}
