/** One training step: micro-batches forward and backward, then clipping, the optimiser and the balancing biases. */
import type { Batch, TrainingWeights, Transformer } from "../model/index.ts";
import { Arena, type Kernels, type Precision, Tape } from "../tensor/index.ts";
import { ExpertLoads } from "./balance.ts";
import { Optimizer, type OptimizerSettings } from "./optimizer.ts";

export interface StepOptions {
  lr: number;
  mtpWeight: number;
  balanceAlpha: number;
  biasUpdateSpeed: number;
  /** Compute layers again in the backward pass instead of keeping what they made. */
  recompute?: boolean;
}

export interface StepResult {
  /** Mean cross entropy of the next token, in nats. */
  loss: number;
  /** The same of each MTP depth. */
  mtpLoss: number[];
  balanceLoss: number;
  /** Norm of the gradient before clipping. */
  gradNorm: number;
  /** True where loss or gradient was not finite: the weights were left as they were. */
  skipped: boolean;
}

export class Trainer {
  /** Of the stage at hand: a longer context has other angles over the same weights. */
  model: Transformer;
  readonly training: TrainingWeights;
  readonly loads: ExpertLoads;
  readonly optimizer: Optimizer;
  private readonly kernels: Kernels;
  private readonly arena = new Arena();
  private readonly precision: Precision;
  private readonly clip: number;

  constructor(model: Transformer, training: TrainingWeights, kernels: Kernels, recipe: OptimizerSettings) {
    this.model = model;
    this.training = training;
    this.kernels = kernels;
    this.precision = recipe.precision;
    this.clip = recipe.adamw.clip;
    this.loads = new ExpertLoads(training.weights);
    this.optimizer = new Optimizer(training, kernels, recipe);
  }

  /** A step over micro-batches, whose gradients add up to that of their mean over all targets. */
  step(batches: readonly Batch[], options: StepOptions): StepResult {
    const { training, kernels, loads } = this;
    const depths = training.weights.mtp.length + 1;
    const counts = Array.from({ length: depths }, (_, depth) =>
      batches.reduce((sum, batch) => sum + targetsOf(batch, depth), 0),
    );
    const tokens = batches.reduce((sum, batch) => sum + batch.positions.length, 0);
    training.grad.fill(0);
    loads.reset();
    const sums = new Float64Array(depths);
    let balanceLoss = 0;
    for (const batch of batches) {
      this.arena.reset();
      const tape = new Tape({
        kernels,
        arena: this.arena,
        precision: this.precision,
        recording: true,
        recompute: options.recompute,
      });
      const share = batch.positions.length / tokens;
      const losses = this.model.loss(tape, batch, {
        mtpWeight: options.mtpWeight,
        balanceAlpha: options.balanceAlpha,
        counts,
        share,
      });
      tape.backward();
      losses.sums.forEach((sum, depth) => {
        sums[depth] += sum;
      });
      balanceLoss += losses.balance * share;
      loads.add(losses.routers);
    }
    const gradNorm = Math.sqrt(kernels.sumSquares({ x: training.grad, n: training.grad.length }));
    const loss = counts[0] > 0 ? sums[0] / counts[0] : 0;
    const mtpLoss =
      options.mtpWeight > 0 ? counts.slice(1).map((count, i) => (count > 0 ? sums[i + 1] / count : 0)) : [];
    const skipped = !Number.isFinite(loss) || !Number.isFinite(gradNorm);
    if (!skipped) {
      this.optimizer.step(options.lr, Math.min(1, this.clip / (gradNorm + 1e-6)));
      loads.moveBiases(options.biasUpdateSpeed);
    }
    return { loss, mtpLoss, balanceLoss, gradNorm, skipped };
  }
}

function targetsOf(batch: Batch, depth: number): number {
  let count = 0;
  for (const target of batch.targets[depth] ?? []) if (target >= 0) count++;
  return count;
}
