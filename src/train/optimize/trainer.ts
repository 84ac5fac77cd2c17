/** One training step: micro-batches forward and backward, then clipping, the optimiser and the balancing biases. */
import type { Batch, TrainingWeights, Transformer } from "../../model/index.ts";
import { Arena, type F32, type Kernels, type Precision, type Storage, Tape } from "../../tensor/index.ts";
import { ExpertLoads } from "./balance.ts";
import { LoraOptimizer } from "./lora.ts";
import { Optimizer, type OptimizerSettings, type WeightUpdater } from "./optimizer.ts";

export interface StepOptions {
  lr: number;
  mtpWeight: number;
  balanceAlpha: number;
  biasUpdateSpeed: number;
  /** Compute layers again in the backward pass instead of keeping what they made. */
  recompute?: boolean;
}

/** What a step's passes gave, with their gradients added up. */
export interface Losses {
  /** Mean cross entropy of the next token, in nats; of a preference stage, the mean of its own loss. */
  loss: number;
  /** Cross entropy of each MTP depth. */
  mtpLoss: number[];
  balanceLoss: number;
  /** Tokens (of a preference stage, pairs) that the loss is the mean of. */
  targets: number;
}

export interface StepResult extends Losses {
  /** Norm of the gradient before clipping. */
  gradNorm: number;
  /** True where loss or gradient was not finite, or there was nothing to learn: the weights were left as they were. */
  skipped: boolean;
}

export class Trainer {
  /** Of the stage at hand: a longer context has other angles over the same weights. */
  model: Transformer;
  readonly training: TrainingWeights;
  readonly loads: ExpertLoads;
  readonly optimizer: WeightUpdater;
  private readonly kernels: Kernels;
  private readonly arena = new Arena();
  private readonly precision: Precision;
  private readonly clip: number;

  /** seed: of what low-rank additions begin with. */
  constructor(
    model: Transformer,
    training: TrainingWeights,
    kernels: Kernels,
    settings: OptimizerSettings & { seed?: number },
  ) {
    this.model = model;
    this.training = training;
    this.kernels = kernels;
    this.precision = settings.precision;
    this.clip = settings.adamw.clip;
    this.loads = new ExpertLoads(training.weights);
    this.optimizer = settings.lora
      ? new LoraOptimizer(training, kernels, settings, settings.seed ?? 0)
      : new Optimizer(training, kernels, settings);
  }

  /** A step over micro-batches, whose gradients add up to that of their mean over all targets. */
  step(batches: readonly Batch[], options: StepOptions): StepResult {
    return this.update(options, () => this.languageLosses(batches, options));
  }

  /** Clears the gradients, has `accumulate` add to them, and moves the weights. */
  update({ lr, biasUpdateSpeed }: Pick<StepOptions, "lr" | "biasUpdateSpeed">, accumulate: () => Losses): StepResult {
    const { training, loads } = this;
    this.kernels.zero({ x: training.grad, n: training.grad.length });
    loads.reset();
    const losses = accumulate();
    const gradNorm = this.optimizer.gradNorm();
    const skipped = losses.targets === 0 || !Number.isFinite(losses.loss) || !Number.isFinite(gradNorm);
    if (!skipped) {
      this.optimizer.step(lr, Math.min(1, this.clip / (gradNorm + 1e-6)));
      loads.moveBiases(biasUpdateSpeed);
    }
    return { ...losses, gradNorm, skipped };
  }

  /** Buffers that a checkpoint keeps. */
  get state(): Record<string, F32> {
    return { ...this.optimizer.state, biases: this.training.biases };
  }

  /** Those of them that the finished model is made from. */
  get weights(): Record<string, F32> {
    const { m, v, ...weights } = this.state;
    return weights;
  }

  /** Takes up what `weights` gave; the optimiser's moments stay. */
  restoreWeights(saved: Record<string, Storage>): void {
    for (const [name, buffer] of Object.entries(this.weights)) buffer.set(saved[name] as F32);
    this.optimizer.restored();
  }

  /** Takes up a state that `state` gave. */
  restore(saved: Record<string, Storage>, updates: number): void {
    for (const [name, buffer] of Object.entries(this.state)) buffer.set(saved[name] as F32);
    this.optimizer.updates = updates;
    this.optimizer.restored();
  }

  /** A tape over memory that the last one's tensors stood in. */
  tape({ recording, recompute = false }: { recording: boolean; recompute?: boolean }): Tape {
    this.arena.reset();
    return new Tape({ kernels: this.kernels, arena: this.arena, precision: this.precision, recording, recompute });
  }

  private languageLosses(batches: readonly Batch[], options: StepOptions): Losses {
    const depths = this.training.weights.mtp.length + 1;
    const counts = Array.from({ length: depths }, (_, depth) =>
      batches.reduce((sum, batch) => sum + targetsOf(batch, depth), 0),
    );
    const tokens = batches.reduce((sum, batch) => sum + batch.positions.length, 0);
    const sums = new Float64Array(depths);
    let balanceLoss = 0;
    for (const batch of batches) {
      const tape = this.tape({ recording: true, recompute: options.recompute });
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
      this.loads.add(losses.routers);
    }
    const loss = counts[0] > 0 ? sums[0] / counts[0] : 0;
    const mtpLoss =
      options.mtpWeight > 0 ? counts.slice(1).map((count, i) => (count > 0 ? sums[i + 1] / count : 0)) : [];
    return { loss, mtpLoss, balanceLoss, targets: counts[0] };
  }
}

function targetsOf(batch: Batch, depth: number): number {
  let count = 0;
  for (const target of batch.targets[depth] ?? []) if (target >= 0) count++;
  return count;
}
