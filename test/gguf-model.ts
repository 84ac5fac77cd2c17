/** Writes a folder of DeepSeek-V3's kind as a GGUF file of architecture deepseek2, as converters do, in the forms that files have. */

import { type Field, ggufBytes, type TensorToWrite } from "../src/checkpoint/gguf/testing/write-gguf.ts";
import { type CheckpointFolder, configOf } from "../src/checkpoint/index.ts";
import type { ModelConfig } from "../src/model/index.ts";
import { f32ToBf16, type Kernels, size } from "../src/tensor/index.ts";

export interface ModelForm {
  /** attn_kv_b in place of attn_k_b and attn_v_b, as before April 2025. */
  oldForm?: boolean;
  /** All three of them. */
  bothForms?: boolean;
  /** Gate and up projections of the experts in one tensor. */
  fusedExperts?: boolean;
  /** Of matrices (default F32). */
  type?: "F32" | "BF16";
  /** Further fields, or null for one that is left out. */
  fields?: Record<string, Field | null>;
  /** A tensor that no model has. */
  extra?: { name: string; type: string };
  /** A tensor whose entry names another type, in blocks of zeros. */
  retyped?: { name: string; type: string };
}

export function writeModelAsGguf(folder: CheckpointFolder, kernels: Kernels, form: ModelForm): Buffer {
  const config = configOf(folder);
  const tensors = tensorsOf(folder, config, kernels, form);
  if (form.extra)
    tensors.push({ name: form.extra.name, shape: [256], type: form.extra.type, bytes: new Uint8Array(1024) });
  const metadata: Record<string, Field> = {};
  for (const [key, field] of Object.entries({ ...fieldsOf(config, form), ...form.fields }))
    if (field !== null) metadata[key] = field;
  return ggufBytes({ metadata, tensors: tensors.map((tensor) => retyped(tensor, form)) });
}

function retyped(tensor: TensorToWrite, { retyped }: ModelForm): TensorToWrite {
  return retyped?.name === tensor.name
    ? { ...tensor, type: retyped.type, shape: [256], bytes: new Uint8Array(1024) }
    : tensor;
}

function fieldsOf(config: ModelConfig, { oldForm }: ModelForm): Record<string, Field> {
  const { kvLoraRank: R, qkRopeHeadDim: P, qkNopeHeadDim: N, vHeadDim: V, numAttentionHeads: H, yarn } = config;
  const u32 = (fields: Record<string, number>) =>
    Object.fromEntries(
      Object.entries(fields).map(([key, value]): [string, Field] => [`deepseek2.${key}`, ["u32", value]]),
    );
  return {
    "general.architecture": ["text", "deepseek2"],
    ...u32({
      vocab_size: config.vocabSize,
      context_length: config.maxPositionEmbeddings,
      embedding_length: config.hiddenSize,
      block_count: config.numHiddenLayers + config.numNextnPredictLayers,
      feed_forward_length: config.intermediateSize,
      leading_dense_block_count: config.firstKDenseReplace,
      expert_count: config.nRoutedExperts,
      expert_used_count: config.numExpertsPerTok,
      expert_shared_count: config.nSharedExperts,
      expert_feed_forward_length: config.moeIntermediateSize,
      expert_gating_func: 2,
      "attention.head_count": H,
      "attention.kv_lora_rank": R,
      "rope.dimension_count": P,
      ...(config.qLoraRank !== null && { "attention.q_lora_rank": config.qLoraRank }),
      ...(config.nGroup > 1 && { expert_group_count: config.nGroup, expert_group_used_count: config.topkGroup }),
      ...(config.numNextnPredictLayers > 0 && { nextn_predict_layers: config.numNextnPredictLayers }),
      ...(oldForm
        ? { "attention.head_count_kv": H, "attention.key_length": N + P, "attention.value_length": V }
        : {
            "attention.head_count_kv": 1,
            "attention.key_length": R + P,
            "attention.value_length": R,
            "attention.key_length_mla": N + P,
            "attention.value_length_mla": V,
          }),
    }),
    "deepseek2.attention.layer_norm_rms_epsilon": ["f32", config.rmsNormEps],
    "deepseek2.rope.freq_base": ["f32", config.ropeTheta],
    "deepseek2.expert_weights_scale": ["f32", config.routedScalingFactor],
    "deepseek2.expert_weights_norm": ["bool", config.normTopkProb],
    ...(yarn && {
      "deepseek2.rope.scaling.type": ["text", "yarn"],
      "deepseek2.rope.scaling.factor": ["f32", yarn.factor],
      "deepseek2.rope.scaling.original_context_length": ["u32", yarn.originalMaxPositionEmbeddings],
      "deepseek2.rope.scaling.yarn_log_multiplier": ["f32", 0.1 * yarn.mscaleAllDim!],
    }),
    ...(config.bosTokenId !== null && { "tokenizer.ggml.bos_token_id": ["u32", config.bosTokenId] }),
    ...(config.eosTokenIds.length > 0 && { "tokenizer.ggml.eos_token_id": ["u32", config.eosTokenIds[0]] }),
  };
}

const DIRECT: [from: string, to: string][] = [
  ["input_layernorm.weight", "attn_norm.weight"],
  ["post_attention_layernorm.weight", "ffn_norm.weight"],
  ["self_attn.q_proj.weight", "attn_q.weight"],
  ["self_attn.q_a_proj.weight", "attn_q_a.weight"],
  ["self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"],
  ["self_attn.q_b_proj.weight", "attn_q_b.weight"],
  ["self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight"],
  ["self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"],
  ["self_attn.o_proj.weight", "attn_output.weight"],
  ["mlp.gate_proj.weight", "ffn_gate.weight"],
  ["mlp.up_proj.weight", "ffn_up.weight"],
  ["mlp.down_proj.weight", "ffn_down.weight"],
  ["mlp.gate.weight", "ffn_gate_inp.weight"],
  ["mlp.gate.e_score_correction_bias", "exp_probs_b.bias"],
  ["mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight"],
  ["mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"],
  ["mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight"],
  ["eh_proj.weight", "nextn.eh_proj.weight"],
  ["enorm.weight", "nextn.enorm.weight"],
  ["hnorm.weight", "nextn.hnorm.weight"],
  ["shared_head.norm.weight", "nextn.shared_head_norm.weight"],
];

function tensorsOf(folder: CheckpointFolder, config: ModelConfig, kernels: Kernels, form: ModelForm): TensorToWrite[] {
  const tensors: TensorToWrite[] = [];
  const read = (name: string) => {
    const { shape } = folder.tensors.get(name)!;
    const x = new Float32Array(size(shape));
    folder.read(name, shape, x, kernels);
    return { shape, x };
  };
  const add = (name: string, shape: readonly number[], x: Float32Array) => {
    const bf16 = form.type === "BF16" && shape.length > 1 && !name.endsWith("ffn_gate_inp.weight");
    const data = bf16 ? Uint16Array.from(x, f32ToBf16) : x;
    tensors.push({ name, shape, type: bf16 ? "BF16" : "F32", bytes: new Uint8Array(data.buffer, 0, data.byteLength) });
  };
  const copy = (from: string, to: string) => {
    if (!folder.has(from)) return;
    const { shape, x } = read(from);
    add(to, shape, x);
  };
  copy("model.embed_tokens.weight", "token_embd.weight");
  copy("model.norm.weight", "output_norm.weight");
  if (!config.tieWordEmbeddings) copy("lm_head.weight", "output.weight");
  const { numAttentionHeads: H, qkNopeHeadDim: N, vHeadDim: V, kvLoraRank: R, nRoutedExperts: E } = config;
  for (let layer = 0; layer < config.numHiddenLayers + config.numNextnPredictLayers; layer++) {
    const from = `model.layers.${layer}`;
    const to = `blk.${layer}`;
    for (const [hf, gguf] of DIRECT) copy(`${from}.${hf}`, `${to}.${gguf}`);
    const { x: kvB } = read(`${from}.self_attn.kv_b_proj.weight`);
    if (form.oldForm || form.bothForms) add(`${to}.attn_kv_b.weight`, [H * (N + V), R], kvB);
    if (!form.oldForm) {
      const row = (head: number, i: number) => (head * (N + V) + i) * R;
      const keys = Float32Array.from({ length: H * R * N }, (_, at) => {
        const [head, rank, i] = [Math.floor(at / (R * N)), Math.floor(at / N) % R, at % N];
        return kvB[row(head, i) + rank];
      });
      const values = Float32Array.from({ length: H * V * R }, (_, at) => {
        const [head, i, rank] = [Math.floor(at / (V * R)), Math.floor(at / R) % V, at % R];
        return kvB[row(head, N + i) + rank];
      });
      add(`${to}.attn_k_b.weight`, [H, R, N], keys);
      add(`${to}.attn_v_b.weight`, [H, V, R], values);
    }
    if (!folder.has(`${from}.mlp.experts.0.up_proj.weight`)) continue;
    const stacked = (projections: string[]) => {
      const parts = Array.from({ length: E }, (_, e) =>
        projections.map((projection) => read(`${from}.mlp.experts.${e}.${projection}_proj.weight`)),
      ).flat();
      const [rows, columns] = parts[0].shape;
      const all = new Float32Array(parts.length * rows * columns);
      for (const [i, { x }] of parts.entries()) all.set(x, i * rows * columns);
      return { shape: [E, projections.length * rows, columns], x: all };
    };
    const groups = form.fusedExperts ? [["gate", "up"], ["down"]] : [["gate"], ["up"], ["down"]];
    for (const projections of groups) {
      const { shape, x } = stacked(projections);
      add(`${to}.ffn_${projections.join("_")}_exps.weight`, shape, x);
    }
  }
  return tensors;
}
