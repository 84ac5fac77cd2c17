/** Where a Hugging Face folder's tensors stand in a GGUF file: whole, as parts of larger ones, or put together from two. */
import type { GgufTensor } from "./container.ts";
import { GgufFields } from "./fields.ts";
import type { GgufFile } from "./gguf-file.ts";

/** Numbers of one tensor from `from` on, which lie together. */
export interface Part {
  kind: "part";
  tensor: GgufTensor;
  from: number;
  shape: number[];
}

/**
 * kv_b_proj [H(N+V), R] of the latent form: keys [H, R, N], each head transposed, and values [H, V, R].
 */
export interface Latent {
  kind: "latent";
  keys: GgufTensor;
  values: GgufTensor;
  shape: number[];
}

export type Source = Part | Latent;

/** Far above any published model. */
const MAX_EXPERTS = 4096;
const MAX_TENSORS = 10 ** 6;

const TOP: Record<string, string> = {
  "token_embd.weight": "model.embed_tokens.weight",
  "output_norm.weight": "model.norm.weight",
  "output.weight": "lm_head.weight",
};

const LAYER: Record<string, string> = {
  "attn_norm.weight": "input_layernorm.weight",
  "ffn_norm.weight": "post_attention_layernorm.weight",
  "attn_q.weight": "self_attn.q_proj.weight",
  "attn_q.bias": "self_attn.q_proj.bias",
  "attn_k.weight": "self_attn.k_proj.weight",
  "attn_k.bias": "self_attn.k_proj.bias",
  "attn_v.weight": "self_attn.v_proj.weight",
  "attn_v.bias": "self_attn.v_proj.bias",
  "attn_q_norm.weight": "self_attn.q_norm.weight",
  "attn_k_norm.weight": "self_attn.k_norm.weight",
  "attn_q_a.weight": "self_attn.q_a_proj.weight",
  "attn_q_a_norm.weight": "self_attn.q_a_layernorm.weight",
  "attn_q_b.weight": "self_attn.q_b_proj.weight",
  "attn_kv_a_mqa.weight": "self_attn.kv_a_proj_with_mqa.weight",
  "attn_kv_a_norm.weight": "self_attn.kv_a_layernorm.weight",
  "attn_kv_b.weight": "self_attn.kv_b_proj.weight",
  "attn_output.weight": "self_attn.o_proj.weight",
  "ffn_gate.weight": "mlp.gate_proj.weight",
  "ffn_up.weight": "mlp.up_proj.weight",
  "ffn_down.weight": "mlp.down_proj.weight",
  "ffn_gate_inp.weight": "mlp.gate.weight",
  "exp_probs_b.bias": "mlp.gate.e_score_correction_bias",
  "ffn_gate_shexp.weight": "mlp.shared_experts.gate_proj.weight",
  "ffn_up_shexp.weight": "mlp.shared_experts.up_proj.weight",
  "ffn_down_shexp.weight": "mlp.shared_experts.down_proj.weight",
  "nextn.eh_proj.weight": "eh_proj.weight",
  "nextn.embed_tokens.weight": "embed_tokens.weight",
  "nextn.enorm.weight": "enorm.weight",
  "nextn.hnorm.weight": "hnorm.weight",
  "nextn.shared_head_head.weight": "shared_head.head.weight",
  "nextn.shared_head_norm.weight": "shared_head.norm.weight",
};

/** The projections of all experts, side by side in each where there are two. */
const EXPERTS: Record<string, string[]> = {
  "ffn_gate_exps.weight": ["gate_proj"],
  "ffn_up_exps.weight": ["up_proj"],
  "ffn_down_exps.weight": ["down_proj"],
  "ffn_gate_up_exps.weight": ["gate_proj", "up_proj"],
};
const [KEYS, VALUES, BOTH] = ["attn_k_b.weight", "attn_v_b.weight", "attn_kv_b.weight"];

/** @throws InputError naming a tensor that Shoal does not know, or of a shape that cannot be */
export function sourcesOf(file: GgufFile): Map<string, Source> {
  const fields = new GgufFields(file.metadata, file.path);
  const experts = fields.whole("expert_count", 0);
  if (experts > MAX_EXPERTS)
    fields.fail(`${fields.architecture}.expert_count ${experts} is above the limit of ${MAX_EXPERTS}`);
  const sources = new Map<string, Source>();
  for (const tensor of file.tensors.values()) {
    const { name, shape } = tensor;
    const whole = (to: string) => sources.set(to, { kind: "part", tensor, from: 0, shape });
    const [, block, suffix] = /^blk\.(\d{1,6})\.(.+)$/.exec(name) ?? [];
    const at = `model.layers.${block}`;
    if (block === undefined && TOP[name] !== undefined) whole(TOP[name]);
    else if (block !== undefined && LAYER[suffix] !== undefined) whole(`${at}.${LAYER[suffix]}`);
    else if (block !== undefined && EXPERTS[suffix] !== undefined) {
      if (shape.length !== 3 || shape[0] !== experts)
        fields.fail(`tensor "${name}" has shape [${shape.join(", ")}], but there are ${experts} experts`);
      for (const [to, source] of expertParts(tensor, EXPERTS[suffix])) sources.set(`${at}.mlp.experts.${to}`, source);
    } else if (suffix === KEYS) {
      const other = `blk.${block}.${VALUES}`;
      const values = file.tensors.get(other) ?? fields.fail(`tensor "${other}" is missing beside "${name}"`);
      // Files in between have both forms.
      if (!file.tensors.has(`blk.${block}.${BOTH}`))
        sources.set(`${at}.self_attn.kv_b_proj.weight`, latentOf(tensor, values, fields));
    } else if (suffix !== VALUES) fields.fail(`tensor "${name}" is not one that Shoal knows in ${fields.architecture}`);
    if (sources.size > MAX_TENSORS) fields.fail(`there are more than ${MAX_TENSORS} tensors, counted by experts`);
  }
  return sources;
}

function* expertParts(tensor: GgufTensor, projections: string[]): Generator<[string, Part]> {
  const [count, allRows, columns] = tensor.shape;
  const rows = Math.floor(allRows / projections.length);
  for (let expert = 0; expert < count; expert++) {
    for (const [i, projection] of projections.entries()) {
      const from = (expert * allRows + i * rows) * columns;
      yield [`${expert}.${projection}.weight`, { kind: "part", tensor, from, shape: [rows, columns] }];
    }
  }
}

function latentOf(keys: GgufTensor, values: GgufTensor, fields: GgufFields): Latent {
  const [heads, rank, nope] = keys.shape;
  const [otherHeads, width, otherRank] = values.shape;
  if (keys.shape.length !== 3 || values.shape.length !== 3 || heads !== otherHeads || rank !== otherRank)
    fields.fail(
      `tensor "${keys.name}" of [${keys.shape.join(", ")}] and "${values.name}" of [${values.shape.join(", ")}] must be [heads, rank, key] and [heads, value, rank]`,
    );
  return { kind: "latent", keys, values, shape: [heads * (nope + width), rank] };
}
