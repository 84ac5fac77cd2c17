/** A recipe: everything that makes a training run, in one JSON file. Unknown or wrong fields are refused, with the nearest valid name. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { TASK_KINDS } from "../data/index.ts";
import { configToJson, type ModelConfig, parseConfig } from "../model/index.ts";
import { InputError } from "../tensor/index.ts";

const positive = z.number().positive();
const whole = z.int().positive();
const share = z.number().min(0).max(1);

const scheduleSchema = z.strictObject({
  /** Share of the stage's tokens over which the rate rises from 0. */
  warmup: share.default(0.01),
  /** Share after which it falls (report, section 4.2: constant to 10T of 14.8T tokens). */
  decayFrom: share.default(0.68),
  /** Share at which it has reached `final` and stays. */
  decayTo: share.default(0.97),
  /** The last rate, as a share of the peak. */
  final: share.default(0.1),
});

const stageSchema = z.strictObject({
  name: z.string().regex(/^[\w-]+$/),
  /** Tokens of training (rows of batches) in this stage. */
  tokens: whole,
  sequenceLength: z.int().min(2).default(512),
  /**
   * From this stage on the model reaches this many times its max_position_embeddings, by YaRN (report, section 4.3).
   */
  contextFactor: z.number().gt(1).optional(),
  /** Sequences of a step. */
  batchSequences: whole.default(32),
  /** Sequences that go through the model at a time; gradients of a step add up. */
  microBatchSequences: whole.optional(),
  mixture: z
    .array(
      z.union([
        /** A file, a folder or a pattern with *. weight: passes over it for each pass over a source of weight 1. */
        z.strictObject({ path: z.string(), weight: positive.default(1) }),
        /** Generated tasks with their solutions, `count` in all. */
        z.strictObject({
          tasks: z.array(z.enum(TASK_KINDS)).min(1),
          count: whole.default(100_000),
          seed: z.int().min(0).default(1),
          weight: positive.default(1),
        }),
      ]),
    )
    .min(1),
  packing: z.enum(["documents", "chats"]).default("documents"),
  loss: z.enum(["all", "assistant"]).default("all"),
  /** Peak learning rate. */
  lr: positive,
  schedule: scheduleSchema.prefault({}),
  /** λ of the MTP loss before and after `decayFrom` (report: 0.3, then 0.1). */
  mtpWeight: z.tuple([z.number().min(0), z.number().min(0)]).default([0.3, 0.1]),
  /** α of the sequence-wise balance loss. */
  balanceAlpha: z.number().min(0).default(1e-4),
  /** γ, by which a step moves the router's biases; 0 in the last 3 % of the stage, as in the report. */
  biasUpdateSpeed: z.number().min(0).default(0.001),
  /** Keep only the layers' inputs and compute the rest again in the backward pass: for long contexts, a third more work. */
  recompute: z.boolean().default(false),
});

const recipeSchema = z.strictObject({
  $schema: z.string().optional(),
  name: z.string(),
  description: z.string().optional(),
  seed: z.int().min(0).default(1),
  /** A Hugging Face folder to start from, with its weights, its configuration and its tokenizer. Without it, `tokenizer` and `model` are needed. */
  from: z.string().optional(),
  tokenizer: z
    .union([
      z.strictObject({ from: z.string() }),
      z.strictObject({
        vocabSize: whole,
        digits: z.union([z.literal(1), z.literal(3)]).default(1),
        trainBytes: whole.default(100_000_000),
      }),
    ])
    .optional(),
  /** Fields of config.json; vocab_size and the special tokens come from the tokenizer. */
  model: z.record(z.string(), z.unknown()).optional(),
  /** Train only small additions to the matrices inside layers, of this rank, merged into them on export (Hu et al. 2021). Needs `from`. */
  lora: z
    .strictObject({
      rank: whole.default(8),
      /** The additions are scaled by alpha / rank. */
      alpha: positive.default(16),
    })
    .optional(),
  stages: z.array(stageSchema).min(1),
  adamw: z
    .strictObject({
      beta1: share.default(0.9),
      beta2: share.default(0.95),
      eps: positive.default(1e-8),
      weightDecay: z.number().min(0).default(0.1),
      /** Largest norm of the gradient. */
      clip: positive.default(1),
    })
    .prefault({}),
  /** Where present, matrices inside layers are moved by Muon (orthogonalised momentum), the rest by AdamW, at one learning rate. */
  muon: z
    .strictObject({
      momentum: share.default(0.95),
      /** Newton-Schulz steps. */
      iterations: whole.default(5),
      /** RMS of an update at rate 1: that of AdamW's updates, as measured by Liu et al. 2025. */
      updateRms: positive.default(0.2),
    })
    .optional(),
  precision: z.enum(["bf16", "f32"]).default("bf16"),
  validation: z
    .strictObject({ path: z.string(), everySteps: whole.default(200), documents: whole.default(64) })
    .optional(),
  checkpoint: z.strictObject({ everyMinutes: positive.default(5), keep: whole.default(2) }).prefault({}),
  price: z
    .strictObject({
      usdPerCoreHour: z.number().min(0).default(0.02),
      /** Measured peak of the machine in bf16 products, TFLOP/s: the ledger then tells the utilisation. */
      peakTflops: positive.optional(),
    })
    .prefault({}),
  /** Dtype of the finished model's folder. */
  export: z.enum(["f32", "bf16", "fp8"]).default("bf16"),
});

export type Recipe = z.output<typeof recipeSchema>;
export type Stage = Recipe["stages"][number];

const LARGEST_RECIPE = 2 ** 20;

/** Reads a recipe file. @throws InputError naming the field */
export function loadRecipe(path: string): Recipe {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new InputError(`${path}: the recipe cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (text.length > LARGEST_RECIPE)
    throw new InputError(`${path}: larger than a recipe can be (${LARGEST_RECIPE} characters)`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${path}: not valid JSON: ${(error as Error).message.split("\n")[0]}`);
  }
  return parseRecipe(json, path);
}

/** Checks a recipe. @throws InputError naming the field */
export function parseRecipe(json: unknown, where = "recipe"): Recipe {
  const parsed = recipeSchema.safeParse(json);
  if (!parsed.success) throw new InputError(`${where}: ${explain(parsed.error.issues[0])}`);
  const recipe = parsed.data;
  for (const stage of recipe.stages) {
    const { decayFrom, decayTo, warmup } = stage.schedule;
    if (decayTo < decayFrom || decayFrom < warmup)
      throw new InputError(`${where}: stages.${stage.name}.schedule: warmup, decayFrom and decayTo must rise`);
    const micro = stage.microBatchSequences ?? stage.batchSequences;
    if (stage.batchSequences % micro)
      throw new InputError(
        `${where}: stages.${stage.name}: batchSequences ${stage.batchSequences} must be a multiple of microBatchSequences ${micro}`,
      );
  }
  if (recipe.from !== undefined) {
    for (const field of ["tokenizer", "model"] as const)
      if (recipe[field]) throw new InputError(`${where}: "from" brings its own ${field}; leave out one of the two`);
    return recipe;
  }
  for (const field of ["tokenizer", "model"] as const)
    if (!recipe[field]) throw new InputError(`${where}: ${field} is missing (or name a model's folder in "from")`);
  if (recipe.lora) throw new InputError(`${where}: lora adds to a model that is there; name its folder in "from"`);
  // Wrong model fields should be found before a tokenizer is trained.
  checkModel(recipe, { vocabSize: 1024, bosId: 0, eosId: 1 }, where);
  return recipe;
}

/** What a tokenizer (or a model to start from) says of the vocabulary. */
export interface Vocabulary {
  vocabSize: number;
  bosId: number | null;
  eosId: number | number[] | null;
}

/** Checks the model's fields, and that every stage's sequences fit into its context. @throws InputError */
export function checkModel(recipe: Recipe, vocabulary: Vocabulary, where = "recipe"): void {
  for (let stage = 0; stage < recipe.stages.length; stage++) modelConfigOf(recipe, vocabulary, { where, stage });
}

/** The model's configuration in a stage (default: the first), with the tokenizer's numbers in it. */
export function modelConfigOf(
  recipe: Recipe,
  vocabulary: Vocabulary,
  { where = "recipe", stage = 0 } = {},
): ModelConfig {
  const known = new Set(MODEL_FIELDS);
  const model = recipe.model ?? {};
  for (const field of Object.keys(model)) {
    if (!known.has(field))
      throw new InputError(`${where}: model.${field} is not a field of config.json${suggestion(field, MODEL_FIELDS)}`);
  }
  const fixed = {
    model_type: "deepseek_v3",
    vocab_size: vocabulary.vocabSize,
    bos_token_id: vocabulary.bosId,
    eos_token_id: vocabulary.eosId,
  };
  const plain = parseConfig({ ...model, ...fixed }, `${where}: model`);
  const factor = recipe.stages.slice(0, stage + 1).findLast(({ contextFactor }) => contextFactor)?.contextFactor;
  const config = factor ? parseConfig({ ...model, ...fixed, ...extended(plain, factor) }, `${where}: model`) : plain;
  const { name, sequenceLength } = recipe.stages[stage];
  if (sequenceLength > config.maxPositionEmbeddings) {
    throw new InputError(
      `${where}: stages.${name}: sequenceLength ${sequenceLength} is above the model's ${config.maxPositionEmbeddings} positions; raise model.max_position_embeddings, or give the stage a contextFactor`,
    );
  }
  return config;
}

/** config.json's fields of a context `factor` times as long, with YaRN's numbers as DeepSeek has them. */
function extended({ maxPositionEmbeddings: original }: ModelConfig, factor: number): Record<string, unknown> {
  return {
    max_position_embeddings: Math.floor(original * factor),
    rope_scaling: {
      type: "yarn",
      factor,
      original_max_position_embeddings: original,
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
  "hidden_size", "intermediate_size", "moe_intermediate_size", "num_hidden_layers", "first_k_dense_replace", "num_attention_heads",
  "q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "n_routed_experts", "n_shared_experts",
  "num_experts_per_tok", "n_group", "topk_group", "norm_topk_prob", "routed_scaling_factor", "rope_theta", "rope_scaling",
  "rope_parameters", "rope_interleave", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "num_nextn_predict_layers",
  "initializer_range",
]; // biome-ignore format: a list of names

type Issue = z.core.$ZodIssue;

function explain(issue: Issue): string {
  const path = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const field = issue.keys[0];
    return `unknown field ${path ? `${path}.` : ""}${field}${suggestion(field, fieldsAt(issue.path))}`;
  }
  if (issue.code === "invalid_union") {
    // Of the alternatives, the one whose complaint lies deepest is what was meant.
    const deepest = issue.errors.flat().sort((a, b) => b.path.length - a.path.length)[0];
    if (deepest) return explain({ ...deepest, path: [...issue.path, ...deepest.path] } as Issue);
  }
  return `${path || "the recipe"}: ${issue.message.replace("Invalid input: ", "")}`;
}

/** Names of the fields at a place in the schema. */
function fieldsAt(path: readonly PropertyKey[]): string[] {
  let schema: unknown = recipeSchema;
  const unwrap = (node: unknown): unknown => {
    const inner = (node as { _zod?: { def?: { innerType?: unknown } } })?._zod?.def?.innerType;
    return inner ? unwrap(inner) : node;
  };
  for (const key of path) {
    schema = unwrap(schema);
    const def = (schema as { _zod?: { def?: { shape?: Record<string, unknown>; element?: unknown } } })?._zod?.def;
    schema = typeof key === "number" ? def?.element : def?.shape?.[String(key)];
  }
  const shape = (unwrap(schema) as { _zod?: { def?: { shape?: Record<string, unknown> } } })?._zod?.def?.shape;
  return Object.keys(shape ?? {});
}

/** " (did you mean …?)" for the nearest of the names, if one is near. */
function suggestion(name: string, names: readonly string[]): string {
  let best = "";
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const other of names) {
    const d = distance(name.toLowerCase(), other.toLowerCase());
    if (d < least) {
      least = d;
      best = other;
    }
  }
  return best ? ` (did you mean ${best}?)` : names.length > 0 ? `; known are ${names.join(", ")}` : "";
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}
