/** The model that a recipe describes: config.json's fields with the vocabulary's numbers in them, and YaRN where a stage lengthens the context. */

import { InputError } from "../../base/index.ts";
import { configToJson, type ModelConfig, parseConfig } from "../../model/index.ts";
import { suggestion } from "./errors.ts";
import { stageTokens } from "./schedule.ts";
import type { Recipe, Stage } from "./schema.ts";

/** What a tokenizer (or a model to start from) says of the vocabulary. */
export interface Vocabulary {
  vocabSize: number;
  bosId: number | null;
  eosId: number | number[] | null;
}

/** A stage as it runs. */
export interface ResolvedStage extends Stage {
  /** Its place in the recipe. */
  index: number;
  /** The model in this stage: where it lengthens the context, over the same weights. */
  config: ModelConfig;
  /** Tokens that it really trains on: whole steps. */
  allTokens: number;
}

/** What a recipe's model has where it does not say: the plain choice, where config.json's default is that of the 671B. */
const DEFAULTS = {
  model_type: "deepseek_v3",
  first_k_dense_replace: 0,
  q_lora_rank: null,
  n_group: 1,
  topk_group: 1,
  routed_scaling_factor: 1,
};

/** All stages with their models, which have the tokenizer's numbers in them. @throws InputError for a wrong field, and where a stage's sequences do not fit */
export function resolveStages(
  { model = {}, stages }: Pick<Recipe, "model" | "stages">,
  vocabulary: Vocabulary,
  where = "recipe",
): ResolvedStage[] {
  const known = new Set(MODEL_FIELDS);
  for (const field of Object.keys(model)) {
    if (!known.has(field))
      throw new InputError(`${where}: model.${field} is not a field of config.json${suggestion(field, MODEL_FIELDS)}`);
  }
  const fields = {
    ...DEFAULTS,
    ...model,
    vocab_size: vocabulary.vocabSize,
    bos_token_id: vocabulary.bosId,
    eos_token_id: vocabulary.eosId,
  };
  const plain = parseConfig(fields, `${where}: model`);
  let config = plain;
  return stages.map((stage, index) => {
    const { name, contextFactor, sequenceLength } = stage;
    // It holds for the stages to come as well.
    if (contextFactor) config = parseConfig({ ...fields, ...extended(plain, contextFactor) }, `${where}: model`);
    checkNumbers(config, `${where}: model`);
    if (sequenceLength > config.maxPositionEmbeddings) {
      throw new InputError(
        `${where}: stages.${name}: sequenceLength ${sequenceLength} is above the model's ${config.maxPositionEmbeddings} positions; raise model.max_position_embeddings, or give the stage a contextFactor`,
      );
    }
    return { ...stage, index, config, allTokens: stageTokens(stage) };
  });
}

/** Numbers that no training survives. @throws InputError */
function checkNumbers(config: ModelConfig, where: string): void {
  const positive = {
    rms_norm_eps: config.rmsNormEps,
    routed_scaling_factor: config.routedScalingFactor,
    "rope_scaling.factor": config.yarn?.factor,
  };
  for (const [field, value] of Object.entries(positive))
    if (value !== undefined && !(value > 0 && value < 1e12))
      throw new InputError(`${where}.${field} ${value} must be above 0: the first step would not be finite`);
  if (!(config.initializerRange > 0 && config.initializerRange <= 10))
    throw new InputError(
      `${where}.initializer_range ${config.initializerRange} must be above 0 and at most 10: a model must begin with small numbers`,
    );
}

/**
 * config.json's fields of a context `factor` times as long, with YaRN's numbers as DeepSeek has them. Where YaRN has lengthened it before, the
 * factors multiply: angles are always those of the context that the model was first trained on.
 */
function extended({ maxPositionEmbeddings, ropeTheta, yarn }: ModelConfig, factor: number): Record<string, unknown> {
  return {
    max_position_embeddings: Math.floor(maxPositionEmbeddings * factor),
    rope_theta: ropeTheta,
    rope_parameters: null,
    rope_scaling: {
      type: "yarn",
      factor: factor * (yarn?.factor ?? 1),
      original_max_position_embeddings: yarn?.originalMaxPositionEmbeddings ?? maxPositionEmbeddings,
      beta_fast: 32,
      beta_slow: 1,
      mscale: 1,
      mscale_all_dim: 1,
    },
  };
}

/** The fields of a folder's config.json that a recipe's `model` would have. */
export function modelFieldsOf(config: ModelConfig): Record<string, unknown> {
  const json = configToJson(config);
  return Object.fromEntries(Object.entries(json).filter(([field]) => MODEL_FIELDS.includes(field)));
}

const MODEL_FIELDS = [
  "model_type", "topk_method", "hidden_size", "intermediate_size", "moe_intermediate_size", "num_hidden_layers", "first_k_dense_replace", "num_attention_heads",
  "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "n_routed_experts", "n_shared_experts",
  "num_experts_per_tok", "n_group", "topk_group", "norm_topk_prob", "routed_scaling_factor", "rope_theta", "rope_scaling",
  "rope_parameters", "rope_interleave", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "num_nextn_predict_layers",
  "initializer_range",
]; // biome-ignore format: a list of names
