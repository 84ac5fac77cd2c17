/** What a checkpoint keeps beside the numbers: where a run stands, and what it learns from. */
import { z } from "zod";
import { InputError } from "../../base/index.ts";

const count = z.int().min(0);
const seconds = z.number().min(0);

const cursorSchema = z.object({ epoch: count, document: count, offset: count, taken: count });

const courseSchema = z.object({
  /** Loss of the stage's first step, which is that of the weights it begins with, and the steps that moved them. */
  first: z.number(),
  steps: count,
  /** Running mean of the loss and of the gradient's norm; the lowest of the loss with its step, and the highest. */
  loss: z.number(),
  gradNorm: z.number(),
  lowest: z.number(),
  lowestStep: count,
  highest: z.number(),
  /** Steps that left the weights as they were: not finite, or nothing to learn. */
  skipped: count,
  idle: count,
});

const bestSchema = z.object({
  stage: count,
  step: count,
  /** What is measured ("bits per byte", …), and its value: the lower, the better. */
  measure: z.string(),
  value: z.number(),
});

const runStateSchema = z.object({
  stage: count,
  stageTokens: count,
  step: count,
  tokens: count,
  updates: count,
  seconds,
  coreSeconds: seconds,
  ledgerBytes: count,
  cursors: z.array(cursorSchema),
  /** As JSON. */
  recipe: z.string(),
  /** Fingerprints of what the run reads. */
  inputs: z.object({ tokenizer: z.string(), config: z.string(), validation: z.string() }).partial().default({}),
  /** Of the sources of the stage at hand. */
  sources: z.array(z.string()).default([]),
  /** How the stage has gone so far. */
  course: courseSchema.optional(),
  /** The held-out best of the last stage that measured one. */
  best: bestSchema.optional(),
  /** The last figure of what is judged, for a run that is taken up when all is done. */
  lastJudged: z.number().nullable().optional(),
  /** With onSpike: losses of the last steps, and how often the run went back. */
  recentLosses: z.array(z.number()).optional(),
  rollbacks: count.optional(),
  /** CRC-32 of the weights that low-rank additions are added to. */
  base: z.number().optional(),
});

export type RunState = z.output<typeof runStateSchema>;
export type StageCourse = z.output<typeof courseSchema>;
export type Best = z.output<typeof bestSchema>;

/** The state of a run that has not begun. */
export const freshState = (recipe: string): RunState => ({
  stage: 0,
  stageTokens: 0,
  step: 0,
  tokens: 0,
  updates: 0,
  seconds: 0,
  coreSeconds: 0,
  ledgerBytes: 0,
  cursors: [],
  recipe,
  inputs: {},
  sources: [],
});

/** Reads a checkpoint's state. @throws InputError naming the field */
export function parseState(json: unknown, where: string): RunState {
  const parsed = runStateSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw new InputError(`${where}: state.${path.join(".")}: ${message}; it is not a checkpoint of this version`);
}
