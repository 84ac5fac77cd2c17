/**
 * A checkpoint as llama.cpp reads it, to measure beside it: GGUF 3, architecture "deepseek2" with keys and values in the latent form.
 * Without MTP layers and without YaRN; the tokenizer is a table of names, since prompts are given as ids.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { type CheckpointFolder, configOf } from "../../src/checkpoint/index.ts";
import type { ModelConfig } from "../../src/model/index.ts";
import { f32ToBf16, type Kernels, size } from "../../src/tensor/index.ts";
import { bytesToChars } from "../../src/text/tokenizer/byte-level.ts";

export type GgufType = "bf16" | "q8_0" | "q4_0";

/** ggml's numbers for its types, and how many bytes hold 32 numbers. */
const GGML = { f32: [0, 128], bf16: [30, 64], q8_0: [8, 34], q4_0: [2, 18] } as const;
const ALIGNMENT = 32;

interface Part {
  name: string;
  /** Outermost first, as in Hugging Face files. */
  shape: number[];
  /** Norms, router and bias; all others are matrices. */
  keepF32: boolean;
  read: () => Float32Array;
}

function typeFor({ keepF32, shape }: Part, matrices: GgufType): keyof typeof GGML {
  if (keepF32) return "f32";
  return shape[shape.length - 1] % 32 === 0 ? matrices : "bf16";
}

/** Writes `path`: matrices as `type`, router, bias and norms in f32. */
export function writeGguf(path: string, folder: CheckpointFolder, type: GgufType, kernels: Kernels): void {
  const config = configOf(folder);
  // Blocks lie within rows: a matrix with other rows stays in bf16.
  const parts = partsOf(folder, config, kernels).map((part) => ({ ...part, type: typeFor(part, type) }));
  const head = new Writer();
  head.bytes(Buffer.from("GGUF"));
  head.u32(3);
  head.u64(parts.length);
  const fields = fieldsOf(config);
  head.u64(fields.length);
  for (const [key, kind, value] of fields) head.field(key, kind, value);
  let offset = 0;
  for (const { name, shape, type } of parts) {
    head.string(name);
    head.u32(shape.length);
    for (const n of shape.toReversed()) head.u64(n);
    head.u32(GGML[type][0]);
    head.u64(offset);
    offset = aligned(offset + (size(shape) / 32) * GGML[type][1]);
  }
  head.pad(ALIGNMENT);
  const file = openSync(path, "w");
  try {
    writeSync(file, head.all());
    for (const { type, read } of parts) {
      const bytes = encode(read(), type);
      writeSync(file, bytes);
      writeSync(file, Buffer.alloc(aligned(bytes.length) - bytes.length));
    }
  } finally {
    closeSync(file);
  }
}

function partsOf(folder: CheckpointFolder, config: ModelConfig, kernels: Kernels): Part[] {
  const parts: Part[] = [];
  const { hiddenSize: D, numAttentionHeads: H, qkNopeHeadDim: nope, vHeadDim, kvLoraRank: R, qLoraRank } = config;
  if (qLoraRank === null) throw new Error("llama.cpp's deepseek2 of this size needs q_lora_rank");
  const read = (name: string, shape: number[]) => {
    const into = new Float32Array(size(shape));
    folder.read(name, shape, into, kernels);
    return into;
  };
  const addMade = (name: string, shape: number[], read: Part["read"], keepF32 = false) =>
    parts.push({ name, shape, keepF32, read });
  const add = (name: string, from: string, shape: number[], keepF32 = false) =>
    addMade(name, shape, () => read(from, shape), keepF32);
  add("token_embd.weight", "model.embed_tokens.weight", [config.vocabSize, D]);
  add("output_norm.weight", "model.norm.weight", [D], true);
  add("output.weight", config.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight", [
    config.vocabSize,
    D,
  ]);
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const hf = `model.layers.${layer}`;
    const blk = `blk.${layer}`;
    const qk = nope + config.qkRopeHeadDim;
    add(`${blk}.attn_norm.weight`, `${hf}.input_layernorm.weight`, [D], true);
    add(`${blk}.ffn_norm.weight`, `${hf}.post_attention_layernorm.weight`, [D], true);
    const attention = `${hf}.self_attn`;
    add(`${blk}.attn_q_a.weight`, `${attention}.q_a_proj.weight`, [qLoraRank, D]);
    add(`${blk}.attn_q_a_norm.weight`, `${attention}.q_a_layernorm.weight`, [qLoraRank], true);
    add(`${blk}.attn_q_b.weight`, `${attention}.q_b_proj.weight`, [H * qk, qLoraRank]);
    add(`${blk}.attn_kv_a_mqa.weight`, `${attention}.kv_a_proj_with_mqa.weight`, [R + config.qkRopeHeadDim, D]);
    add(`${blk}.attn_kv_a_norm.weight`, `${attention}.kv_a_layernorm.weight`, [R], true);
    add(`${blk}.attn_output.weight`, `${attention}.o_proj.weight`, [D, H * vHeadDim]);
    // kv_b_proj holds, for each head, `nope` rows that make keys and `vHeadDim` rows that make values.
    const kvB = () => read(`${attention}.kv_b_proj.weight`, [H * (nope + vHeadDim), R]);
    addMade(`${blk}.attn_k_b.weight`, [H, R, nope], () => {
      const both = kvB();
      return Float32Array.from({ length: H * R * nope }, (_, at) => {
        const head = Math.floor(at / (R * nope));
        return both[(head * (nope + vHeadDim) + (at % nope)) * R + (Math.floor(at / nope) % R)];
      });
    });
    addMade(`${blk}.attn_v_b.weight`, [H, vHeadDim, R], () => {
      const both = kvB();
      return Float32Array.from({ length: H * vHeadDim * R }, (_, at) => {
        const head = Math.floor(at / (vHeadDim * R));
        return both[(head * (nope + vHeadDim) + nope) * R + (at % (vHeadDim * R))];
      });
    });
    const mlp = `${hf}.mlp`;
    if (layer < config.firstKDenseReplace) {
      const I = config.intermediateSize;
      add(`${blk}.ffn_gate.weight`, `${mlp}.gate_proj.weight`, [I, D]);
      add(`${blk}.ffn_up.weight`, `${mlp}.up_proj.weight`, [I, D]);
      add(`${blk}.ffn_down.weight`, `${mlp}.down_proj.weight`, [D, I]);
      continue;
    }
    const { nRoutedExperts: E, moeIntermediateSize: I } = config;
    const shared = I * config.nSharedExperts;
    add(`${blk}.ffn_gate_inp.weight`, `${mlp}.gate.weight`, [E, D], true);
    add(`${blk}.exp_probs_b.bias`, `${mlp}.gate.e_score_correction_bias`, [E], true);
    add(`${blk}.ffn_gate_shexp.weight`, `${mlp}.shared_experts.gate_proj.weight`, [shared, D]);
    add(`${blk}.ffn_up_shexp.weight`, `${mlp}.shared_experts.up_proj.weight`, [shared, D]);
    add(`${blk}.ffn_down_shexp.weight`, `${mlp}.shared_experts.down_proj.weight`, [D, shared]);
    for (const [projection, rows, columns] of [
      ["gate", I, D],
      ["up", I, D],
      ["down", D, I],
    ] as const) {
      addMade(`${blk}.ffn_${projection}_exps.weight`, [E, rows, columns], () => {
        const all = new Float32Array(E * rows * columns);
        for (let e = 0; e < E; e++)
          all.set(read(`${mlp}.experts.${e}.${projection}_proj.weight`, [rows, columns]), e * rows * columns);
        return all;
      });
    }
  }
  return parts;
}

function fieldsOf(config: ModelConfig): [key: string, kind: Kind, value: unknown][] {
  const { kvLoraRank: R, qkRopeHeadDim: rope } = config;
  const u32: [string, number][] = [
    ["block_count", config.numHiddenLayers],
    ["context_length", config.maxPositionEmbeddings],
    ["embedding_length", config.hiddenSize],
    ["feed_forward_length", config.intermediateSize],
    ["attention.head_count", config.numAttentionHeads],
    // In the latent form all heads share one key and value.
    ["attention.head_count_kv", 1],
    ["attention.key_length", R + rope],
    ["attention.value_length", R],
    ["attention.key_length_mla", config.qkNopeHeadDim + rope],
    ["attention.value_length_mla", config.vHeadDim],
    ["attention.q_lora_rank", config.qLoraRank ?? 0],
    ["attention.kv_lora_rank", R],
    ["rope.dimension_count", rope],
    ["leading_dense_block_count", config.firstKDenseReplace],
    ["expert_feed_forward_length", config.moeIntermediateSize],
    ["expert_count", config.nRoutedExperts],
    ["expert_used_count", config.numExpertsPerTok],
    ["expert_shared_count", config.nSharedExperts],
    ["expert_gating_func", 2], // sigmoid
    ["vocab_size", config.vocabSize],
  ];
  if (config.nGroup > 1) u32.push(["expert_group_count", config.nGroup], ["expert_group_used_count", config.topkGroup]);
  const tokens = Array.from({ length: config.vocabSize }, (_, id) =>
    id < 256 ? bytesToChars(Uint8Array.of(id)) : `token${id}`,
  );
  return [
    ["general.architecture", "string", "deepseek2"],
    ["general.name", "string", "a checkpoint to measure"],
    ["general.alignment", "u32", ALIGNMENT],
    ...u32.map(([key, value]): [string, Kind, unknown] => [`deepseek2.${key}`, "u32", value]),
    ["deepseek2.attention.layer_norm_rms_epsilon", "f32", config.rmsNormEps],
    ["deepseek2.rope.freq_base", "f32", config.ropeTheta],
    ["deepseek2.expert_weights_scale", "f32", config.routedScalingFactor],
    ["deepseek2.expert_weights_norm", "bool", config.normTopkProb],
    ["tokenizer.ggml.model", "string", "gpt2"],
    ["tokenizer.ggml.pre", "string", "default"],
    ["tokenizer.ggml.tokens", "strings", tokens],
    ["tokenizer.ggml.token_type", "i32s", tokens.map(() => 1)],
    ["tokenizer.ggml.merges", "strings", [`${tokens[0]} ${tokens[1]}`]],
    ["tokenizer.ggml.bos_token_id", "u32", config.vocabSize - 1],
    ["tokenizer.ggml.eos_token_id", "u32", config.vocabSize - 1],
  ];
}

/** Numbers as ggml holds them. q8_0 and q4_0: blocks of 32 with an f16 scale; q4_0 keeps element i and i + 16 in one byte, 8 for zero. */
function encode(x: Float32Array, type: keyof typeof GGML): Uint8Array {
  if (type === "f32") return new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  if (type === "bf16") return new Uint8Array(Uint16Array.from(x, f32ToBf16).buffer);
  const width = GGML[type][1];
  const out = new Uint8Array((x.length / 32) * width);
  const view = new DataView(out.buffer);
  for (let block = 0; block * 32 < x.length; block++) {
    const from = block * 32;
    let peak = 0;
    for (let i = from; i < from + 32; i++) if (Math.abs(x[i]) > Math.abs(peak)) peak = x[i];
    const scale = type === "q8_0" ? Math.abs(peak) / 127 : peak / -8;
    view.setUint16(block * width, f32ToF16(scale), true);
    const inverse = scale === 0 ? 0 : 1 / scale;
    const at = block * width + 2;
    if (type === "q8_0") for (let i = 0; i < 32; i++) view.setInt8(at + i, Math.round(x[from + i] * inverse));
    else {
      const code = (i: number) => Math.min(15, Math.max(0, Math.floor(x[from + i] * inverse + 8.5)));
      for (let i = 0; i < 16; i++) out[at + i] = code(i) | (code(i + 16) << 4);
    }
  }
  return out;
}

/** Nearest f16, for scales: zero, or normal numbers far from the largest. */
function f32ToF16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  const exponent = ((bits >>> 23) & 255) - 127 + 15;
  const sign = (bits >>> 16) & 0x8000;
  if (exponent <= 0) return sign;
  return sign | ((((exponent << 23) | (bits & 0x7fffff)) + 0x1000) >>> 13);
}

type Kind = "u32" | "f32" | "bool" | "string" | "strings" | "i32s";
const KINDS: Record<Exclude<Kind, "strings" | "i32s">, number> = { u32: 4, f32: 6, bool: 7, string: 8 };

class Writer {
  readonly #parts: Buffer[] = [];
  #length = 0;

  bytes(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }
  u32(value: number): void {
    this.bytes(Buffer.from(Uint32Array.of(value).buffer));
  }
  u64(value: number): void {
    this.bytes(Buffer.from(BigUint64Array.of(BigInt(value)).buffer));
  }
  string(text: string): void {
    const bytes = Buffer.from(text);
    this.u64(bytes.length);
    this.bytes(bytes);
  }
  field(key: string, kind: Kind, value: unknown): void {
    this.string(key);
    if (kind === "strings" || kind === "i32s") {
      const values = value as (string | number)[];
      this.u32(9);
      this.u32(kind === "strings" ? 8 : 5);
      this.u64(values.length);
      for (const one of values) typeof one === "string" ? this.string(one) : this.u32(one);
      return;
    }
    this.u32(KINDS[kind]);
    if (kind === "u32") this.u32(value as number);
    else if (kind === "f32") this.bytes(Buffer.from(Float32Array.of(value as number).buffer));
    else if (kind === "bool") this.bytes(Buffer.from([value ? 1 : 0]));
    else this.string(value as string);
  }
  pad(alignment: number): void {
    this.bytes(Buffer.alloc(Math.ceil(this.#length / alignment) * alignment - this.#length));
  }
  all(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

const aligned = (offset: number) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
