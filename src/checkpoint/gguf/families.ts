/** What a GGUF file's metadata says, as the `config.json` of a Hugging Face folder says it. */
import type { GgufTensor } from "./container.ts";
import { GgufFields } from "./fields.ts";
import type { GgufFile } from "./gguf-file.ts";

export type Json = Record<string, unknown>;

const KNOWN = ["deepseek2", "qwen2", "qwen3"];
/** Old files of deepseek2 do not say how experts are scored; models of so many layers do it by sigmoid, the others by softmax. */
const SIGMOID_LAYERS = [47, 48];
const [SOFTMAX, SIGMOID] = [1, 2];

/** @throws InputError naming the file and the key */
export function configOfGguf(file: GgufFile): Json {
  const fields = new GgufFields(file.metadata, file.path);
  const { architecture } = fields;
  if (!KNOWN.includes(architecture))
    fields.fail(`general.architecture ${JSON.stringify(architecture)} is not supported; known are ${KNOWN.join(", ")}`);
  const embedding = tensorOf(file, fields, "token_embd.weight");
  const [vocabulary] = embedding.shape;
  if (fields.whole("vocab_size", vocabulary) !== vocabulary)
    fields.fail(
      `${architecture}.vocab_size is ${fields.whole("vocab_size")}, but tensor "token_embd.weight" has ${vocabulary} rows`,
    );
  const ends = ["eos", "eot", "eom"].map((name) => `tokenizer.ggml.${name}_token_id`);
  const eos = [...new Set(ends.filter((key) => fields.has(key)).map((key) => fields.whole(key)))];
  const common = {
    vocab_size: vocabulary,
    hidden_size: fields.whole("embedding_length"),
    intermediate_size: fields.whole("feed_forward_length"),
    num_attention_heads: fields.whole("attention.head_count"),
    hidden_act: "silu",
    rms_norm_eps: fields.real("attention.layer_norm_rms_epsilon"),
    max_position_embeddings: fields.whole("context_length"),
    tie_word_embeddings: !file.tensors.has("output.weight"),
    bos_token_id: fields.has("tokenizer.ggml.bos_token_id") ? fields.whole("tokenizer.ggml.bos_token_id") : null,
    eos_token_id: eos.length === 1 ? eos[0] : eos,
    rope_theta: fields.real("rope.freq_base", 10000),
    rope_scaling: ropeScaling(fields),
  };
  return { ...common, ...(architecture === "deepseek2" ? deepseek2(file, fields) : qwen(fields)) };
}

function tensorOf(file: GgufFile, fields: GgufFields, name: string): GgufTensor {
  return file.tensors.get(name) ?? fields.fail(`tensor "${name}" is missing`);
}

/** YaRN, as transformers names it; what would change it and is not known is refused. */
function ropeScaling(fields: GgufFields): Json | null {
  const type = fields.text("rope.scaling.type", "none");
  if (type === "none") return null;
  const factor = fields.real("rope.scaling.factor");
  if (type !== "yarn") return { type, factor };
  for (const name of ["attn_factor", "yarn_ext_factor", "yarn_attn_factor"]) {
    const value = fields.real(`rope.scaling.${name}`, 1);
    if (value !== 1) fields.fail(`${fields.architecture}.rope.scaling.${name} ${value} is not supported`);
  }
  const yarn = {
    type,
    factor,
    original_max_position_embeddings: fields.whole("rope.scaling.original_context_length"),
    beta_fast: fields.real("rope.scaling.yarn_beta_fast", 32),
    beta_slow: fields.real("rope.scaling.yarn_beta_slow", 1),
  };
  if (fields.architecture !== "deepseek2") return yarn;
  // The file has a tenth of mscale_all_dim; mscale is the same, so that only attention's scale moves. Without it nothing is scaled.
  const multiplier = fields.real("rope.scaling.yarn_log_multiplier", 0);
  const mscale = Number((multiplier * 10).toPrecision(7));
  return multiplier === 0 ? { ...yarn, attention_factor: 1 } : { ...yarn, mscale, mscale_all_dim: mscale };
}

function deepseek2(file: GgufFile, fields: GgufFields): Json {
  const blocks = fields.whole("block_count");
  const nextn = fields.whole("nextn_predict_layers", 0);
  // Most converters leave the layers of multi-token prediction out; where they are in, they count as blocks.
  const hasMtp = nextn > 0 && file.tensors.has(`blk.${blocks - nextn}.nextn.eh_proj.weight`);
  const layers = hasMtp || !file.tensors.has(`blk.${blocks - 1}.attn_norm.weight`) ? blocks - nextn : blocks;
  const dense = fields.whole("leading_dense_block_count", 0);
  const rope = fields.whole("rope.dimension_count");
  // The latent form shares one key and value among heads; older files give the sizes of a head itself.
  const latent = fields.has("attention.key_length_mla");
  const gating = fields.whole("expert_gating_func", SIGMOID_LAYERS.includes(layers) ? SIGMOID : SOFTMAX);
  if (dense < layers && gating !== SOFTMAX && gating !== SIGMOID)
    fields.fail(`deepseek2.expert_gating_func ${gating} is not supported; known are 1 (softmax) and 2 (sigmoid)`);
  return {
    num_hidden_layers: layers,
    first_k_dense_replace: Math.min(dense, layers),
    num_nextn_predict_layers: hasMtp ? nextn : 0,
    num_key_value_heads: fields.whole("attention.head_count"),
    q_lora_rank: fields.has("attention.q_lora_rank") ? fields.whole("attention.q_lora_rank") : null,
    kv_lora_rank: fields.whole("attention.kv_lora_rank"),
    qk_rope_head_dim: rope,
    qk_nope_head_dim: fields.whole(latent ? "attention.key_length_mla" : "attention.key_length") - rope,
    v_head_dim: fields.whole(latent ? "attention.value_length_mla" : "attention.value_length"),
    rope_interleave: true,
    attention_bias: false,
    moe_layer_freq: 1,
    ...(dense >= layers ? noExperts(fields) : experts(fields, gating)),
  };
}

function experts(fields: GgufFields, gating: number): Json {
  const groups = fields.whole("expert_group_count", 1);
  const normed = fields.flag("expert_weights_norm", false);
  if (gating === SOFTMAX && normed)
    fields.fail("deepseek2.expert_weights_norm true is not supported where experts are scored by softmax");
  const method = groups > 1 ? "group_limited_greedy" : "greedy";
  return {
    model_type: gating === SIGMOID ? "deepseek_v3" : "deepseek_v2",
    scoring_func: gating === SIGMOID ? "sigmoid" : "softmax",
    topk_method: gating === SIGMOID ? "noaux_tc" : method,
    moe_intermediate_size: fields.whole("expert_feed_forward_length"),
    n_routed_experts: fields.whole("expert_count"),
    n_shared_experts: fields.whole("expert_shared_count", 0),
    num_experts_per_tok: fields.whole("expert_used_count"),
    // As llama.cpp, without groups where the file names none.
    n_group: groups,
    topk_group: groups > 1 ? fields.whole("expert_group_used_count") : 1,
    norm_topk_prob: normed,
    routed_scaling_factor: fields.real("expert_weights_scale", 1) || 1,
  };
}

/** All layers are dense: the numbers of experts say nothing, but config.json must have some. */
function noExperts(fields: GgufFields): Json {
  return {
    model_type: "deepseek_v3",
    moe_intermediate_size: fields.whole("feed_forward_length"),
    n_routed_experts: 2,
    n_shared_experts: 0,
    num_experts_per_tok: 1,
    n_group: 1,
    topk_group: 1,
  };
}

function qwen(fields: GgufFields): Json {
  const heads = fields.whole("attention.head_count");
  return {
    model_type: fields.architecture,
    num_hidden_layers: fields.whole("block_count"),
    num_key_value_heads: fields.whole("attention.head_count_kv", heads),
    head_dim: fields.whole("attention.key_length", fields.whole("embedding_length") / heads),
    attention_bias: fields.architecture === "qwen2",
  };
}
