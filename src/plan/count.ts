/**
 * Exact counting: parameters, floating-point operations and bytes of a model, from its configuration alone.
 * A multiply-add is two operations. Causal attention is counted once: query i sees i + 1 keys. Norms, rope, softmax and the optimiser are left out,
 * as is usual: they are below 1 % of the operations (not of the time).
 */

import { InputError } from "../base/index.ts";
import { countParameters, type ModelConfig } from "../model/index.ts";

/** A dense transformer of the Llama kind: grouped-query attention, SwiGLU. */
export interface DenseConfig {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  tieWordEmbeddings: boolean;
}

export interface Counts {
  /** Parameters; total without the MTP depths, as published totals count. */
  total: number;
  active: number;
  embedding: number;
  mtp: number;
  layers: number;
  hiddenSize: number;
  /** Operations of a forward pass for one token, matrix products only, without attention scores and values. */
  productFlops: number;
  /** The same of the MTP depths, their pass through the head included. */
  mtpFlops: number;
  /** Operations of attention for one token and one key that it sees, over all layers: naive (training, prefill) and over the latent cache (decoding). */
  attentionFlopsPerKey: { naive: number; latent: number; mtp: number };
  /** Elements of the cache per token: keys and values of all heads, and the latent. */
  cachePerToken: { naive: number; latent: number };
  moe: { experts: number; perToken: number; layers: number } | null;
}

/** Counts of a DeepSeek-V3 configuration, every product as Shoal computes it. */
export function countDeepseek(config: ModelConfig): Counts {
  const { total, active, embedding, mtp } = countParameters(config);
  const { vocabSize, hiddenSize: D, numHiddenLayers: L, numAttentionHeads: H, kvLoraRank: R } = config;
  const {
    qkNopeHeadDim: N,
    qkRopeHeadDim: P,
    vHeadDim: V,
    qLoraRank,
    nRoutedExperts: E,
    moeIntermediateSize: F,
  } = config;
  const q = qLoraRank === null ? D * H * (N + P) : D * qLoraRank + qLoraRank * H * (N + P);
  const attention = q + D * (R + P) + R * H * (N + V) + H * V * D;
  const dense = 3 * D * config.intermediateSize;
  const experts = E * D + 3 * D * F * (config.numExpertsPerTok + config.nSharedExperts);
  const denseLayers = Math.min(L, config.firstKDenseReplace);
  const head = D * vocabSize;
  const depths = config.numNextnPredictLayers;
  const perKey = 2 * H * (N + P + V);
  return {
    total,
    active,
    embedding,
    mtp,
    layers: L,
    hiddenSize: D,
    productFlops: 2 * (L * attention + denseLayers * dense + (L - denseLayers) * experts + head),
    mtpFlops: 2 * depths * (2 * D * D + attention + (L < config.firstKDenseReplace ? dense : experts) + head),
    attentionFlopsPerKey: { naive: L * perKey, latent: L * 2 * H * (2 * R + P), mtp: depths * perKey },
    cachePerToken: { naive: L * H * (N + P + V), latent: L * (R + P) },
    moe: L > denseLayers ? { experts: E, perToken: config.numExpertsPerTok, layers: L - denseLayers } : null,
  };
}

/** Counts of a dense transformer. Its keys and values are its cache, so naive and latent are the same. */
export function countDense(config: DenseConfig): Counts {
  const { vocabSize: V, hiddenSize: D, intermediateSize: F, numHiddenLayers: L, headDim: d } = config;
  const [H, G] = [config.numAttentionHeads, config.numKeyValueHeads];
  const layer = 2 * D * H * d + 2 * D * G * d + 3 * D * F;
  const embedding = config.tieWordEmbeddings ? V * D : 2 * V * D;
  const total = L * (layer + 2 * D) + D + embedding;
  const cache = 2 * L * G * d;
  return {
    total,
    active: total,
    embedding,
    mtp: 0,
    layers: L,
    hiddenSize: D,
    productFlops: 2 * (L * layer + D * V),
    mtpFlops: 0,
    attentionFlopsPerKey: { naive: L * 4 * H * d, latent: L * 4 * H * d, mtp: 0 },
    cachePerToken: { naive: cache, latent: cache },
    moe: null,
  };
}

/** Reads a dense config.json (Llama, Mistral, Qwen and others of that kind). @throws InputError naming a missing field */
export function parseDense(json: Record<string, unknown>, where: string): DenseConfig {
  const whole = (field: string, fallback?: number): number => {
    const value = json[field] ?? fallback;
    if (!Number.isSafeInteger(value) || (value as number) < 1)
      throw new InputError(`${where}: ${field} must be a whole number above 0, not ${JSON.stringify(value)}`);
    return value as number;
  };
  const hiddenSize = whole("hidden_size");
  const numAttentionHeads = whole("num_attention_heads");
  return {
    vocabSize: whole("vocab_size"),
    hiddenSize,
    intermediateSize: whole("intermediate_size"),
    numHiddenLayers: whole("num_hidden_layers"),
    numAttentionHeads,
    numKeyValueHeads: whole("num_key_value_heads", numAttentionHeads),
    headDim: whole("head_dim", Math.ceil(hiddenSize / numAttentionHeads)),
    tieWordEmbeddings: json.tie_word_embeddings === true,
  };
}

export interface TrainingOptions {
  /** Tokens of a sequence. */
  context: number;
  /** Whether the MTP depths are trained (default true where there are any). */
  mtp?: boolean;
  /** Whether the forward pass is computed again in the backward pass. */
  recompute?: boolean;
}

/** Operations to train on one token: forward once, backward twice that. */
export function trainingFlops(counts: Counts, { context, mtp = true, recompute = false }: TrainingOptions): number {
  const keys = (context + 1) / 2;
  const forward =
    counts.productFlops +
    counts.attentionFlopsPerKey.naive * keys +
    (mtp ? counts.mtpFlops + counts.attentionFlopsPerKey.mtp * keys : 0);
  return forward * (recompute ? 4 : 3);
}

/** Operations to read one prompt token of a prompt of `context`, and to generate one token after `context` others. */
export function inferenceFlops(counts: Counts, context: number): { prefill: number; decode: number } {
  return {
    prefill: counts.productFlops + (counts.attentionFlopsPerKey.naive * (context + 1)) / 2,
    decode: counts.productFlops + counts.attentionFlopsPerKey.latent * context,
  };
}

export type StoredPrecision = "f32" | "bf16" | "fp8" | "int8" | "int4";

/** Bytes of a weight as stored, scales of its block included (one f32 for 128 × 128 in FP8, one bf16 for 32 in int8 and int4). */
export const WEIGHT_BYTES: Record<StoredPrecision, number> = {
  f32: 4,
  bf16: 2,
  fp8: 1 + 4 / 128 ** 2,
  int8: 1 + 2 / 32,
  int4: 0.5 + 2 / 32,
};

export interface TrainingMemory {
  weights: number;
  gradients: number;
  optimiser: number;
  /** Of one sequence in one micro-batch, all layers, nothing recomputed. */
  activationsPerToken: number;
}

/**
 * Bytes to train with AdamW: weights in 16 or 8 bits beside an f32 master, gradients in bf16, moments in bf16 for FP8 training
 * (report, section 3.3.3) and in f32 else. Activations: Korthikanti et al. 2022, eq. 2 without the attention matrix, 34 bytes per token, layer and
 * width.
 */
export function trainingMemory(counts: Counts, precision: "bf16" | "fp8"): TrainingMemory {
  const n = counts.total + counts.mtp;
  return {
    weights: n * (precision === "fp8" ? 1 : 2) + n * 4,
    gradients: n * 2,
    optimiser: n * (precision === "fp8" ? 4 : 8),
    activationsPerToken: 34 * counts.hiddenSize * counts.layers,
  };
}
