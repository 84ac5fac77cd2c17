/** Speed of the training step: the whole of it, from a batch to moved weights. */

import { Random } from "../base/index.ts";
import { batchOf, createTrainingWeights, type ModelConfig, Transformer } from "../model/index.ts";
import type { Kernels } from "../tensor/index.ts";
import { type Timing, timingOf } from "./measure.ts";

export interface TrainBench {
  step: Timing;
  tokensPerSecond: number;
  flops: number;
  /** Page faults of a step after the first two (minor and major), by the operating system. */
  pageFaultsPerStep: number;
  residentBytes: number;
}

export interface TrainBenchOptions {
  sequences?: number;
  length?: number;
  microBatch?: number;
  steps?: number;
  onStep?: (tokensPerSecond: number) => void;
}

/** Steps of 16 sequences of 512 random tokens, as the peer script has them. */
export async function benchTrain(
  config: ModelConfig,
  kernels: Kernels,
  options: TrainBenchOptions = {},
): Promise<TrainBench> {
  // Loaded where they are needed: their packages would count among the memory that starting up and decoding are measured to take.
  const [{ Trainer }, { countDeepseek, trainingFlops }] = await Promise.all([
    import("../train/index.ts"),
    import("../plan/index.ts"),
  ]);
  const { sequences = 16, length = 512, steps = 5 } = options;
  // Where feed-forwards are one kernel they keep nothing for the gradient, and all sequences fit: twice as many rows for what a pass costs anyway.
  const fused = kernels.fusesFeedForward({ D: config.hiddenSize, F: config.moeIntermediateSize, precision: "bf16" });
  const { microBatch = fused ? sequences : sequences / 2 } = options;
  const training = createTrainingWeights(config, 1);
  const adamw = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1, clip: 1 };
  const trainer = new Trainer(new Transformer(config, training.weights), training, kernels, {
    precision: "bf16",
    adamw,
  });
  const random = new Random(1);
  const ids = () => Int32Array.from({ length }, () => 2 + random.below(config.vocabSize - 2));
  const depths = config.numNextnPredictLayers;
  const batches = Array.from({ length: sequences / microBatch }, () =>
    batchOf(Array.from({ length: microBatch }, ids), depths),
  );
  const seconds: number[] = [];
  let faults = 0;
  const faultsNow = () => process.resourceUsage().minorPageFault + process.resourceUsage().majorPageFault;
  for (let step = 0; step <= steps; step++) {
    if (step === 2) faults = faultsNow();
    const started = performance.now();
    trainer.step(batches, { lr: 1e-3, mtpWeight: 0.3, balanceAlpha: 1e-4, biasUpdateSpeed: 0.001 });
    // The first step makes the memory that the others use again.
    if (step > 0) {
      seconds.push((performance.now() - started) / 1000);
      options.onStep?.((sequences * length) / seconds[seconds.length - 1]);
    }
  }
  const step = timingOf(seconds);
  const tokensPerSecond = (sequences * length) / step.median;
  return {
    step,
    tokensPerSecond,
    flops: trainingFlops(countDeepseek(config), { context: length }) * tokensPerSecond,
    pageFaultsPerStep: Math.max(0, (faultsNow() - faults) / (steps - 1)),
    residentBytes: process.memoryUsage.rss(),
  };
}
