/** A model's `config.json`, read and written: fields that all families share here, the others by the family (`families/`). */
import { InputError } from "../base/index.ts";
import { Fields, type Json } from "./config-fields.ts";
import { FAMILIES, type Family, familyOf } from "./families/index.ts";
import { CONFIG_LIMITS, type ModelConfig, type YarnConfig } from "./model-config.ts";

/**
 * Reads a parsed `config.json`. Both spellings of the rope settings are known: `rope_theta` + `rope_scaling`, and `rope_parameters`.
 * @param where the file's name, for errors
 * @throws InputError naming the field
 */
export function parseConfig(json: unknown, where = "config.json"): ModelConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new InputError(`${where}: expected a JSON object`);
  const family = familyNamed((json as Json).model_type, where);
  const fields = new Fields({ ...family.defaults, ...(json as Json) }, where);
  for (const [name, value] of Object.entries(family.only)) fields.mustBe(name, value, family.title);
  const { width, layers, heads, experts } = CONFIG_LIMITS;
  const config: ModelConfig = {
    modelType: family.modelType,
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
    nSharedExperts: fields.whole("n_shared_experts", 0, experts),
    numExpertsPerTok: fields.whole("num_experts_per_tok", 1, experts),
    nGroup: fields.whole("n_group", 1, experts, 1),
    topkGroup: fields.whole("topk_group", 1, experts, 1),
    normTopkProb: fields.flag("norm_topk_prob", true),
    routedScalingFactor: fields.number("routed_scaling_factor", 1),
    ...ropeSettings(fields),
    ropeInterleave: fields.flag("rope_interleave", true),
    maxPositionEmbeddings: fields.whole("max_position_embeddings", 1, CONFIG_LIMITS.positions),
    rmsNormEps: fields.between("rms_norm_eps", 0, 1, 1e-6),
    tieWordEmbeddings: fields.flag("tie_word_embeddings", false),
    numNextnPredictLayers: fields.whole("num_nextn_predict_layers", 0, 16, 0),
    initializerRange: fields.number("initializer_range", 0.006),
    bosTokenId: fields.json.bos_token_id == null ? null : fields.whole("bos_token_id", 0, CONFIG_LIMITS.vocabSize),
    eosTokenIds: fields.wholes("eos_token_id"),
    ...family.read?.(fields),
  };
  checkTogether(config, family, where);
  return config;
}

function familyNamed(modelType: unknown, where: string): Family {
  const family = FAMILIES.find((one) => one.modelType === modelType);
  if (family) return family;
  const kimi =
    modelType === "kimi_k2" ? " (Kimi K2 is built alike, but brings no tokenizer.json, which Shoal needs)" : "";
  const known = FAMILIES.map((one) => JSON.stringify(one.modelType)).join(" and ");
  throw new InputError(
    `${where}: model_type ${JSON.stringify(modelType)} is not supported; Shoal runs models of type ${known}${kimi}`,
  );
}

/** What must hold between fields. */
function checkTogether(config: ModelConfig, { router }: Family, where: string): void {
  const fail = (message: string): never => {
    throw new InputError(`${where}: ${message}`);
  };
  const { nRoutedExperts: E, numExpertsPerTok: K, nGroup, topkGroup } = config;
  if (config.qkRopeHeadDim % 2)
    fail(`qk_rope_head_dim ${config.qkRopeHeadDim} must be even: numbers are rotated in pairs`);
  if (E === nGroup && router.groupScore === "topTwo")
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
  inner.mustBe("partial_rotary_factor", 1, "this attention");
  const ropeTheta = inner.between("rope_theta", MIN_THETA, Infinity, top);
  const type = inner.json.rope_type ?? inner.json.type ?? "default";
  if (type === "default") return { ropeTheta, yarn: null };
  if (type !== "yarn")
    throw new InputError(
      `${inner.where}.rope_type ${JSON.stringify(type)} is not supported; known are "default" and "yarn"`,
    );
  const optional = (name: string) => (inner.json[name] == null ? null : inner.number(name));
  const positions = fields.whole("max_position_embeddings", 1, CONFIG_LIMITS.positions);
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
const ROPE_FIELDS: ReadonlySet<string> = new Set([
  "rope_type", "type", "rope_theta", "factor", "original_max_position_embeddings", "beta_fast", "beta_slow", "mscale", "mscale_all_dim",
  "attention_factor", "truncate", "partial_rotary_factor",
]); // biome-ignore format: names, not code

/** The `config.json` that Hugging Face transformers loads (both spellings of the rope settings agree there; this is the published one). */
export function configToJson(config: ModelConfig): Record<string, unknown> {
  const { yarn } = config;
  const eos = config.eosTokenIds;
  const family = familyOf(config);
  return {
    architectures: [family.architecture],
    model_type: family.modelType,
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
    n_routed_experts: config.nRoutedExperts,
    n_shared_experts: config.nSharedExperts,
    num_attention_heads: config.numAttentionHeads,
    num_experts_per_tok: config.numExpertsPerTok,
    num_hidden_layers: config.numHiddenLayers,
    num_key_value_heads: config.numAttentionHeads,
    num_nextn_predict_layers: config.numNextnPredictLayers,
    q_lora_rank: config.qLoraRank,
    qk_nope_head_dim: config.qkNopeHeadDim,
    qk_rope_head_dim: config.qkRopeHeadDim,
    rms_norm_eps: config.rmsNormEps,
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
    tie_word_embeddings: config.tieWordEmbeddings,
    v_head_dim: config.vHeadDim,
    vocab_size: config.vocabSize,
    ...family.write(config),
  };
}
