/** Published runs: those that the planner was calibrated on (docs/plan.md), as requests and what was reported. */
import { parseConfig } from "../model/index.ts";
import { countDeepseek } from "./count.ts";
import { findHardware } from "./hardware.ts";
import { planTraining, type TrainPlan, type TrainRequest } from "./train.ts";

/** DeepSeek-V3's configuration (report, section 4.2). */
export const DEEPSEEK_V3 = parseConfig(
  {
    model_type: "deepseek_v3",
    vocab_size: 129280,
    hidden_size: 7168,
    intermediate_size: 18432,
    moe_intermediate_size: 2048,
    num_hidden_layers: 61,
    first_k_dense_replace: 3,
    num_attention_heads: 128,
    q_lora_rank: 1536,
    kv_lora_rank: 512,
    qk_nope_head_dim: 128,
    qk_rope_head_dim: 64,
    v_head_dim: 128,
    n_routed_experts: 256,
    n_shared_experts: 1,
    num_experts_per_tok: 8,
    n_group: 8,
    topk_group: 4,
    norm_topk_prob: true,
    routed_scaling_factor: 2.5,
    max_position_embeddings: 163840,
    num_nextn_predict_layers: 1,
  },
  "DeepSeek-V3",
);

export interface PublishedRun {
  name: string;
  /** GPU-hours as published. */
  gpuHours: number;
  request: TrainRequest;
  source: string;
}

export const publishedRuns = (): PublishedRun[] => [
  {
    name: "DeepSeek-V3, pre-training",
    gpuHours: 2_664_000,
    request: {
      counts: countDeepseek(DEEPSEEK_V3),
      tokens: 14.8e12,
      hardware: findHardware("H800"),
      gpus: 2048,
      precision: "fp8",
    },
    source: "technical report, table 1",
  },
  {
    name: "DeepSeek-V2, per 1T tokens",
    gpuHours: 172_800,
    request: { params: 236e9, active: 21e9, tokens: 1e12, hardware: findHardware("H800"), gpus: 2048 },
    source: "DeepSeek-V2 report",
  },
  {
    name: "Llama 2 70B",
    gpuHours: 1_720_320,
    request: { params: 70e9, tokens: 2e12, hardware: findHardware("A100"), gpus: 2048 },
    source: "model card",
  },
  {
    name: "Llama 3.1 405B",
    gpuHours: 30_840_000,
    request: { params: 405e9, tokens: 15.6e12, hardware: findHardware("H100"), gpus: 16384 },
    source: "model card, report",
  },
  {
    name: "TinyLlama 1.1B, 300B tokens",
    gpuHours: 3_456,
    request: { params: 1.1e9, tokens: 300e9, hardware: findHardware("A100-40"), gpus: 16 },
    source: "repository",
  },
  {
    name: "GPT-2 124M in llm.c",
    gpuHours: 6.1,
    request: { params: 124e6, tokens: 10.26e9, hardware: findHardware("H100"), gpus: 8 },
    source: "repository",
  },
  {
    name: "nanochat d24",
    gpuHours: 24.3,
    request: { flops: 4.33e19, hardware: findHardware("H100"), gpus: 8 },
    source: "repository leaderboard",
  },
];

/** Each published run beside its prediction. */
export function againstPublished(): { run: PublishedRun; plan: TrainPlan; ratio: number; inside: boolean }[] {
  return publishedRuns().map((run) => {
    const plan = planTraining(run.request);
    const { low, mid, high } = plan.gpuHours;
    return { run, plan, ratio: mid / run.gpuHours, inside: low <= run.gpuHours && run.gpuHours <= high };
  });
}
