/** Under which names checkpoints store a model's weights, without ".weight". */

export interface WeightNames {
  embed: string;
  norm: string;
  head: string;
  /** Layer i stands under `${layers}.${i}`; all names below are inside a layer. */
  layers: string;
  inputNorm: string;
  postAttentionNorm: string;
  attention: Record<"q" | "qA" | "qANorm" | "qB" | "kvA" | "kvANorm" | "kvB" | "o", string>;
  /** Of the modules `dense`, `shared` and `experts`, whose expert e stands under `${experts}.${e}`. */
  feedForward: Record<"gate" | "up" | "down", string>;
  dense: string;
  shared: string;
  experts: string;
  router: string;
  /** A whole name: no ".weight" comes after it. */
  correctionBias: string;
  /** Of a depth of multi-token prediction; `embed` and `head` are copies of the main model's. */
  mtp: Record<"embed" | "head" | "eNorm" | "hNorm" | "ehProj" | "norm", string>;
}

/** DeepSeek's, which its successors kept. */
export const DEEPSEEK_NAMES: WeightNames = {
  embed: "model.embed_tokens",
  norm: "model.norm",
  head: "lm_head",
  layers: "model.layers",
  inputNorm: "input_layernorm",
  postAttentionNorm: "post_attention_layernorm",
  attention: {
    q: "self_attn.q_proj",
    qA: "self_attn.q_a_proj",
    qANorm: "self_attn.q_a_layernorm",
    qB: "self_attn.q_b_proj",
    kvA: "self_attn.kv_a_proj_with_mqa",
    kvANorm: "self_attn.kv_a_layernorm",
    kvB: "self_attn.kv_b_proj",
    o: "self_attn.o_proj",
  },
  feedForward: { gate: "gate_proj", up: "up_proj", down: "down_proj" },
  dense: "mlp",
  shared: "mlp.shared_experts",
  experts: "mlp.experts",
  router: "mlp.gate",
  correctionBias: "mlp.gate.e_score_correction_bias",
  mtp: {
    embed: "embed_tokens",
    head: "shared_head.head",
    eNorm: "enorm",
    hNorm: "hnorm",
    ehProj: "eh_proj",
    norm: "shared_head.norm",
  },
};
