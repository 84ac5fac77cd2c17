/**
 * The training loop beside the training step: tokens per second of a whole run (data, ledger, validation, checkpoints) over those of
 * `shoal bench train`, of the same shape, in one process and in turns:
 *   node bench/loop.ts --data DIR [--out runs/loop] [--steps 42] [--prepare]
 * DIR holds pretrain/stories, children and validation (.jsonl.zst). --prepare trains the tokenizer and tokenises, one step, and measures nothing.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { benchTrain, TRAIN_SHAPE } from "../src/bench/index.ts";
import { createKernels } from "../src/tensor/index.ts";
import { type LedgerRecord, parseRecipe, train } from "../src/train/index.ts";
import { modelFieldsOf } from "../src/train/recipe/model.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    out: { type: "string", default: "runs/loop" },
    steps: { type: "string", default: "42" },
    prepare: { type: "boolean", default: false },
  },
});

const STEP_TOKENS = 16 * 512;
/** Ten times as often as a recipe has it where it says nothing. */
const EVERY = 20;
const recipe = parseRecipe({
  name: "loop",
  tokenizer: { vocabSize: TRAIN_SHAPE.vocabSize, trainBytes: 20_000_000 },
  model: modelFieldsOf(TRAIN_SHAPE),
  stages: [
    {
      name: "pretrain",
      tokens: 4000 * STEP_TOKENS,
      sequenceLength: 512,
      batchSequences: 16,
      microBatchSequences: 8,
      mixture: [{ path: "pretrain/stories.jsonl.zst" }, { path: "pretrain/children.jsonl.zst" }],
      lr: 0.001,
    },
  ],
  validation: { path: "pretrain/validation.jsonl.zst", everySteps: EVERY, documents: 104 },
});
const kernels = createKernels();

/** Runs the loop for so many steps from its first, and tells when each record was written. */
async function loop(maxSteps: number): Promise<{ record: LedgerRecord; at: number }[]> {
  for (const name of ["ledger.jsonl", "checkpoints"]) rmSync(join(values.out, name), { recursive: true, force: true });
  const seen: { record: LedgerRecord; at: number }[] = [];
  const onRecord = (record: LedgerRecord) => seen.push({ record, at: performance.now() });
  await train(recipe, { out: values.out, data: values.data, kernels, maxSteps, onRecord });
  return [...seen, { record: seen[seen.length - 1].record, at: performance.now() }];
}

if (values.prepare) {
  await loop(1);
  console.log(`prepared in ${values.out}`);
} else {
  const bench = async () => (await benchTrain(TRAIN_SHAPE, kernels, { steps: 5 })).tokensPerSecond;
  const before = await bench();
  const seen = await loop(Number(values.steps));
  const after = await bench();
  const reference = (before + after) / 2;
  // From the end of the second step, when memory is made, to the end of the run, with its checkpoint.
  const second = seen.filter(({ record }) => record.kind === "step")[1];
  const last = seen[seen.length - 1];
  const seconds = (last.at - second.at) / 1000;
  const tokens = last.record.tokens - second.record.tokens;
  const validations = seen.flatMap(({ record, at }, i) => (record.kind === "validation" ? [at - seen[i - 1].at] : []));
  const validating = validations.reduce((sum, time) => sum + time, 0) / 1000;
  const show = (speed: number) => `${speed.toFixed(0)} tokens/s, ${((100 * speed) / reference).toFixed(1)} %`;
  console.log(`bench train: ${before.toFixed(0)} and ${after.toFixed(0)} tokens/s`);
  console.log(`whole loop, a validation every ${EVERY} steps: ${show(tokens / seconds)}`);
  console.log(
    `validation: ${(validating / validations.length).toFixed(1)} s; the loop without: ${show(tokens / (seconds - validating))}`,
  );
}
