/**
 * Writes the average of two models of one shape and tokenizer, in bf16:
 *   node recipes/average.ts DIR DIR OUT
 * Two states of one training that went apart for a while are often better together than either (Wortsman et al. 2022, "Model soups"): Minnow 1
 * is tuned on from the average of its last two stages. What that gave is in docs/log.md.
 */

import { InputError } from "../src/base/index.ts";
import { configOf, loadTrainingWeights, openFolder } from "../src/checkpoint/index.ts";
import { createKernels } from "../src/tensor/index.ts";
import { exportModel } from "../src/train/run/export.ts";

const [one, other, out] = process.argv.slice(2);
if (!out) {
  console.error("usage: node recipes/average.ts DIR DIR OUT");
  process.exit(2);
}
const kernels = createKernels();
function load(dir: string) {
  try {
    const folder = openFolder(dir);
    const config = configOf(folder);
    return { config, training: loadTrainingWeights(folder, config, kernels) };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}
const { config, training } = load(one);
const { training: second } = load(other);
if (
  JSON.stringify(training.slots.map(({ shape }) => shape)) !== JSON.stringify(second.slots.map(({ shape }) => shape))
) {
  console.error(`${other}: its matrices have other shapes than those of ${one}`);
  process.exit(1);
}
for (const part of ["flat", "biases"] as const)
  training[part].forEach((value, i) => {
    training[part][i] = (value + second[part][i]) / 2;
  });
exportModel(out, { config, weights: training.weights, tokenizerDir: one, dtype: "bf16", kernels });
console.log(`the average is in ${out}`);
