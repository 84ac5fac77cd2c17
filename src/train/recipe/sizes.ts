/** A dial for people who do not want to choose a model's numbers one by one: shapes that have been trained here, by name. */

export const SIZES = ["tiny", "small", "medium", "large"] as const;
export type Size = (typeof SIZES)[number];

interface Shape {
  hidden: number;
  layers: number;
  heads: number;
  /** Width of the dense feed-forward, and of one expert. */
  dense: number;
  expert: number;
  experts: number;
  perToken: number;
  queryRank: number;
  keyValueRank: number;
  head: [plain: number, rotated: number];
  vocabSize: number;
}

const SHAPES: Record<Size, Shape> = {
  // That of recipes/tiny.json.
  tiny: {
    hidden: 128, layers: 4, heads: 4, dense: 352, expert: 96, experts: 8, perToken: 2,
    queryRank: 64, keyValueRank: 32, head: [24, 8], vocabSize: 1024,
  },
  // Minnow's.
  small: {
    hidden: 192, layers: 6, heads: 3, dense: 512, expert: 64, experts: 32, perToken: 4,
    queryRank: 128, keyValueRank: 64, head: [48, 16], vocabSize: 4096,
  },
  // That of recipes/fast.json.
  medium: {
    hidden: 256, layers: 8, heads: 4, dense: 704, expert: 96, experts: 32, perToken: 4,
    queryRank: 128, keyValueRank: 64, head: [48, 16], vocabSize: 8192,
  },
  large: {
    hidden: 512, layers: 12, heads: 8, dense: 1408, expert: 192, experts: 32, perToken: 4,
    queryRank: 256, keyValueRank: 128, head: [48, 16], vocabSize: 16384,
  },
}; // biome-ignore format: a shape a paragraph

/** Fields of config.json of a size, for sequences of at least so many tokens. */
export function modelOfSize(size: Size, positions: number): Record<string, unknown> {
  const shape = SHAPES[size];
  const [plain, rotated] = shape.head;
  return {
    hidden_size: shape.hidden,
    num_hidden_layers: shape.layers,
    first_k_dense_replace: 1,
    intermediate_size: shape.dense,
    moe_intermediate_size: shape.expert,
    n_routed_experts: shape.experts,
    n_shared_experts: 1,
    num_experts_per_tok: shape.perToken,
    n_group: 1,
    topk_group: 1,
    norm_topk_prob: true,
    routed_scaling_factor: 1,
    num_attention_heads: shape.heads,
    q_lora_rank: shape.queryRank,
    kv_lora_rank: shape.keyValueRank,
    qk_nope_head_dim: plain,
    qk_rope_head_dim: rotated,
    v_head_dim: plain,
    rope_theta: 10000,
    max_position_embeddings: Math.max(1024, positions),
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    num_nextn_predict_layers: 1,
    initializer_range: 0.02,
  };
}

/** Tokens of the vocabulary that suits a size. */
export const vocabularyOfSize = (size: Size): number => SHAPES[size].vocabSize;
