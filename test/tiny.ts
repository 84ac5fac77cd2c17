/** A world small enough for tests: text of a toy grammar, a recipe that learns it in seconds, and a folder to work in. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { Random } from "../src/base/index.ts";

/** A temporary folder that goes when the test file ends. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), "shoal-test-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const NAMES = ["Ada", "Bo", "Cy", "Dee", "Eli", "Fay"];
const VERBS = ["sees", "likes", "finds", "draws"];
const THINGS = ["a red fish", "the blue boat", "an old net", "one small crab", "the deep sea"];

/** Sentences of a toy grammar, the same for the same seed. */
export function sentences(count: number, seed: number): string {
  const random = new Random(seed);
  const pick = (list: readonly string[]) => list[random.below(list.length)];
  return Array.from({ length: count }, () => `${pick(NAMES)} ${pick(VERBS)} ${pick(THINGS)}.`).join(" ");
}

/** Writes stories.jsonl, chats.jsonl and validation.jsonl into a folder. */
export function writeTinyData(dir: string): void {
  mkdirSync(dir, { recursive: true });
  const lines = (rows: unknown[]) => `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`;
  const stories = (count: number, seed: number) =>
    Array.from({ length: count }, (_, i) => ({ text: sentences(12, seed + i) }));
  const chats = Array.from({ length: 40 }, (_, i) => ({
    messages: [
      { role: "user", content: `Who is number ${i % 6}?` },
      { role: "assistant", content: NAMES[i % 6] },
    ],
  }));
  writeFileSync(join(dir, "stories.jsonl"), lines(stories(120, 1000)));
  writeFileSync(join(dir, "chats.jsonl"), lines(chats));
  writeFileSync(
    join(dir, "validation.jsonl"),
    lines(stories(6, 9000).map((story) => ({ ...story, slice: "stories" }))),
  );
}

/** A recipe of two short stages over `writeTinyData`'s files. */
export function tinyRecipe(tokens = 4096): Record<string, unknown> {
  const stage = { sequenceLength: 64, batchSequences: 4, microBatchSequences: 2, lr: 0.01 };
  return {
    name: "tiny-test",
    seed: 3,
    tokenizer: { vocabSize: 320, digits: 1, trainBytes: 100_000 },
    model: {
      hidden_size: 32,
      num_hidden_layers: 2,
      first_k_dense_replace: 1,
      intermediate_size: 48,
      moe_intermediate_size: 16,
      n_routed_experts: 4,
      n_shared_experts: 1,
      num_experts_per_tok: 2,
      n_group: 1,
      topk_group: 1,
      norm_topk_prob: true,
      routed_scaling_factor: 1,
      num_attention_heads: 2,
      q_lora_rank: 16,
      kv_lora_rank: 16,
      qk_nope_head_dim: 8,
      qk_rope_head_dim: 8,
      v_head_dim: 8,
      rope_theta: 10000,
      max_position_embeddings: 128,
      rms_norm_eps: 1e-6,
      tie_word_embeddings: false,
      num_nextn_predict_layers: 1,
      initializer_range: 0.05,
    },
    stages: [
      { name: "pretrain", tokens, ...stage, mixture: [{ path: "stories.jsonl" }] },
      {
        name: "chat",
        tokens: tokens / 4,
        ...stage,
        mixture: [{ path: "chats.jsonl" }],
        packing: "chats",
        loss: "assistant",
      },
    ],
    validation: { path: "validation.jsonl", everySteps: 8, documents: 4 },
    export: "bf16",
  };
}
