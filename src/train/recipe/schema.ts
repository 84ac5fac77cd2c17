/** What may stand in a recipe: the fields, their bounds and what they are where they are left out. */
import { z } from "zod";
import { EXERCISE_KINDS, TASK_KINDS } from "../../data/index.ts";
import { SAMPLING_BOUNDS } from "../../infer/index.ts";
import { SIZES } from "./sizes.ts";

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
  /** How it falls. */
  shape: z.enum(["cosine", "linear"]).default("cosine"),
});

/** Where the document is in a line or row (default: `text`, `messages` or `conversations`): one field, or those of a question and its reply. */
const fields = {
  field: z.string().optional(),
  promptField: z.string().optional(),
  replyField: z.string().optional(),
};

const everySteps = whole.default(200);
const documents = whole.default(64);
/** Which state of the last stage the finished model is made of: the one that did best on what was held out, or the last. */
const keep = z.enum(["best", "last"]).default("best");

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
  /** Steps begin with `from` sequences and grow evenly to batchSequences at this share of the stage (report, section 4.2). */
  batchRamp: z.strictObject({ from: whole, until: share }).optional(),
  /** What is learnt from, unless the stage has a `preference`. */
  mixture: z
    .array(
      z.union([
        /** A file, a folder or a pattern with * and **. weight: passes over it for each pass over a source of weight 1. */
        z.strictObject({
          path: z.string(),
          /** Of a folder, further files that are read as text: "*.rst". */
          include: z.array(z.string()).optional(),
          weight: positive.default(1),
          ...fields,
        }),
        /** A data set of the Hugging Face hub, downloaded once. */
        z.strictObject({
          dataset: z.string(),
          config: z.string().optional(),
          split: z.string().default("train"),
          revision: z.string().optional(),
          /** A larger split is refused before anything is downloaded. */
          mostDownloadBytes: whole.optional(),
          weight: positive.default(1),
          ...fields,
        }),
        /** Generated tasks with their solutions, `count` in all. */
        z.strictObject({
          tasks: z.array(z.enum(TASK_KINDS)).min(1),
          count: whole.default(100_000),
          seed: z.int().min(0).default(1),
          /** Only problems that no test task of `shoal data tasks --apart` has. */
          apart: z.boolean().optional(),
          weight: positive.default(1),
        }),
        /** Generated exercises in many wordings, `count` in all; problems, names and phrases of their tests never come. */
        z.strictObject({
          exercises: z.array(z.enum(EXERCISE_KINDS)).min(1),
          count: whole.default(100_000),
          seed: z.int().min(0).default(1),
          weight: positive.default(1),
        }),
      ]),
    )
    .default([]),
  /** Learn from pairs of replies of which one is preferred (DPO, Rafailov et al. 2023), against the weights that the stage begins with. */
  preference: z
    .strictObject({
      /** JSONL of {prompt, chosen, rejected}. */
      path: z.string(),
      /** β: how dear it is to move away from those weights. */
      beta: positive.default(0.1),
      /** Weight of the chosen replies' own cross entropy beside it, which keeps them from becoming less likely (Pang et al. 2024). */
      nllWeight: z.number().min(0).default(0),
    })
    .optional(),
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

export const recipeSchema = z.strictObject({
  $schema: z.string().optional(),
  /** Of the run's folder and of the model. */
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
  /** A shape by name; fields of `model` and a `tokenizer` go before what it brings. */
  size: z.enum(SIZES).optional(),
  /** Fields of config.json; vocab_size and the special tokens come from the tokenizer. */
  model: z.record(z.string(), z.unknown()).optional(),
  /** Train only small additions to the matrices inside layers, of this rank, merged into them on export (Hu et al. 2021). Needs `from`. */
  lora: z
    .strictObject({
      rank: whole.default(8),
      /** The additions are scaled by alpha / rank. */
      alpha: positive.default(16),
      /** Of the trained additions, the share that the finished model gets: a little less than all forgets much less (after Wortsman et al. 2022). */
      merge: share.default(1),
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
  /** The learning rate of embedding and head, as multiples of the others'. */
  lrScale: z.strictObject({ embedding: positive.default(1), head: positive.default(1) }).optional(),
  /** How a new model's weights begin, as multiples of initializer_range: `residual` those that write into the residual stream (o_proj, down_proj). */
  init: z.strictObject({ residual: z.number().min(0).default(1), head: z.number().min(0).default(1) }).optional(),
  precision: z.enum(["bf16", "f32"]).default("bf16"),
  /** Documents that cannot be read: left out and counted, or the end of the run. */
  onBadData: z.enum(["skip", "refuse"]).default("skip"),
  /**
   * Go back to the last checkpoint when the loss is not finite, or above the median of the last `window` steps by more than this many
   * (robust) standard deviations, and go on behind the data at hand; give up after `most` times. Without it a step whose loss or
   * gradient is not finite changes nothing, and three in a row end the run.
   */
  onSpike: z
    .strictObject({
      window: z.int().min(8).default(64),
      deviations: positive.default(10),
      most: whole.default(5),
    })
    .optional(),
  validation: z
    .union([
      z.strictObject({ path: z.string(), everySteps, documents, keep }),
      /** This share of the documents of every source, chosen by the hash of their text, is not trained on. */
      z.strictObject({ share: z.number().gt(0).max(0.5), everySteps, documents, keep }),
    ])
    .optional(),
  /** Texts that the ledger keeps of the model as it learns. */
  samples: z
    .strictObject({
      everySteps: whole.default(200),
      /** A text to go on with, or as {chat} something that a user says. */
      prompts: z.array(z.union([z.string().min(1), z.strictObject({ chat: z.string().min(1) })])).min(1),
      maxTokens: whole.default(64),
      /** 0: always the likeliest token. Default: the model's generation_config.json. */
      temperature: z.number().min(SAMPLING_BOUNDS.temperature[0]).max(SAMPLING_BOUNDS.temperature[1]).optional(),
    })
    .optional(),
  checkpoint: z
    .strictObject({ everyMinutes: positive.default(5), everySteps: whole.optional(), keep: whole.default(2) })
    .prefault({}),
  price: z
    .strictObject({
      usdPerCoreHour: z.number().min(0).default(0.02),
      /** Measured peak of the machine in bf16 products, TFLOP/s: the ledger then tells the utilisation. */
      peakTflops: positive.optional(),
      /** Power of a busy core with its share of memory, host and cooling, W: the report then tells the energy from it. */
      wattsPerCore: positive.optional(),
    })
    .prefault({}),
  /** Dtype of the finished model's folder. */
  export: z.enum(["f32", "bf16", "fp8"]).default("bf16"),
});

export type Recipe = z.output<typeof recipeSchema>;
export type Stage = Recipe["stages"][number];
