/**
 * Direct preference optimisation (Rafailov et al. 2023). Of a pair of replies the chosen one shall gain on the rejected one, measured from a
 * reference, the weights that the stage began with:
 *   loss = −log σ(β ((log p(chosen) − log p_ref(chosen)) − (log p(rejected) − log p_ref(rejected))))
 * Both replies of a pair stand in one batch, each a segment of its own with its prompt before it.
 */

import { InputError, Random } from "../../base/index.ts";
import type { Cursor, PreferencePair } from "../../data/index.ts";
import { type Batch, batchOf, type RouterTrace } from "../../model/index.ts";
import { type F32, ops, Tape, type Tensor } from "../../tensor/index.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { Rewards } from "../run/ledger.ts";
import type { StepOptions, StepResult, Trainer } from "./trainer.ts";

export type PreferenceSettings = Omit<NonNullable<Recipe["stages"][number]["preference"]>, "path">;

/** Pairs side by side: of pair i the chosen reply is segment 2i, the rejected one 2i + 1. */
export interface PairBatch {
  /** Their places in the list of pairs. */
  pairs: number[];
  batch: Batch;
  /** Rows [from, to) that predict a reply's tokens, by segment. */
  replies: { from: number; to: number }[];
}

export class Preferences {
  private readonly pairs: readonly PreferencePair[];
  private readonly settings: PreferenceSettings;
  private readonly seed: number;
  private cursor: Cursor = { epoch: 0, document: 0, offset: 0, taken: 0 };
  private order: Int32Array;
  /** log p of the chosen and the rejected reply of each pair under the weights that the stage began with: [pairs, 2]. */
  readonly reference: F32;

  constructor(pairs: readonly PreferencePair[], settings: PreferenceSettings, seed: number) {
    this.pairs = pairs;
    this.settings = settings;
    this.seed = seed;
    this.reference = new Float32Array(pairs.length * 2);
    this.order = this.orderOf(0);
  }

  /** Fills in the reference from the trainer's weights, as many pairs at a time as fit into `rows`. */
  measureReference(trainer: Trainer, rows: number): void {
    this.eachPart(trainer, rows, (at, values) => this.reference.set(values, at));
  }

  /** The loss, and the share of rightly ordered pairs, over all of them as the weights are now. */
  evaluate(trainer: Trainer, rows: number): { loss: number; accuracy: number } {
    const now = new Float64Array(this.reference.length);
    this.eachPart(trainer, rows, (at, values) => now.set(values, at));
    let [loss, accuracy] = [0, 0];
    for (const pair of this.pairs.keys()) {
      const [chosen, rejected] = [0, 1].map((side) => now[2 * pair + side] - this.reference[2 * pair + side]);
      const margin = this.settings.beta * (chosen - rejected);
      loss += softplus(-margin) / this.pairs.length;
      accuracy += (margin > 0 ? 1 : margin === 0 ? 0.5 : 0) / this.pairs.length;
    }
    return { loss, accuracy };
  }

  /** log p of all pairs in order, a pass at a time. */
  private eachPart(trainer: Trainer, rows: number, take: (at: number, values: Float64Array) => void): void {
    const all = Int32Array.from(this.pairs.keys());
    for (let at = 0; at < all.length; ) {
      const part = this.pack(all, at, rows);
      const tape = trainer.tape({ recording: false });
      take(at * 2, logProbs(trainer, tape, trainer.model.forward(tape, part.batch), part));
      at += part.pairs.length;
    }
  }

  /** @throws InputError if the pairs are not those that the run began with */
  restore(cursors: readonly Cursor[], reference: F32 | null): void {
    if (reference?.length !== this.reference.length)
      throw new InputError("the preference pairs are not those that this run began with; put the file back");
    this.reference.set(reference);
    this.cursor = { ...cursors[0] };
    this.order = this.orderOf(this.cursor.epoch);
  }

  save(): Cursor[] {
    return [{ ...this.cursor }];
  }

  /** The next pairs: as many as fit into `rows`. */
  next(rows: number): PairBatch {
    const part = this.pack(this.order, this.cursor.document, rows);
    const { epoch, document, taken } = this.cursor;
    const last = document + part.pairs.length === this.pairs.length;
    this.cursor = {
      epoch: epoch + (last ? 1 : 0),
      document: last ? 0 : document + part.pairs.length,
      offset: 0,
      taken: taken + part.batch.positions.length,
    };
    if (last) this.order = this.orderOf(this.cursor.epoch);
    return part;
  }

  /** A training step over the pairs of these batches. */
  step(trainer: Trainer, parts: readonly PairBatch[], options: StepOptions): StepResult & { rewards: Rewards } {
    const rewards: Rewards = { accuracy: 0, margin: 0, chosen: 0, rejected: 0 };
    const result = trainer.update(options, () => {
      const count = parts.reduce((sum, { pairs }) => sum + pairs.length, 0);
      const tokens = parts.reduce((sum, { batch }) => sum + batch.positions.length, 0);
      const sums = { loss: 0, mtpLoss: [], balanceLoss: 0, targets: count };
      for (const part of parts) {
        const share = part.batch.positions.length / tokens;
        const { loss, balanceLoss } = this.accumulate(trainer, part, { ...options, count, share }, rewards);
        sums.loss += loss / count;
        sums.balanceLoss += balanceLoss * share;
      }
      return sums;
    });
    return { ...result, rewards };
  }

  /** One batch forward and backward; returns the sum of its pairs' losses. count, share: pairs of the step, and this batch's share of its rows. */
  private accumulate(
    trainer: Trainer,
    part: PairBatch,
    { balanceAlpha: alpha, recompute, count, share }: StepOptions & { count: number; share: number },
    rewards: Rewards,
  ): { loss: number; balanceLoss: number } {
    const { beta, nllWeight } = this.settings;
    const { batch, pairs, replies } = part;
    const tape = trainer.tape({ recording: true, recompute });
    const routers: RouterTrace[] = [];
    const balance = alpha > 0 ? { alpha, gradScale: share, segments: batch.segments } : undefined;
    const hidden = trainer.model.forward(tape, batch, { traces: routers, balance });
    const { kernels, arena, precision } = tape;
    const now = logProbs(trainer, new Tape({ kernels, arena, precision }), hidden, part);
    tape.gradOf(hidden);
    let loss = 0;
    pairs.forEach((pair, i) => {
      const chosen = beta * (now[2 * i] - this.reference[2 * pair]);
      const rejected = beta * (now[2 * i + 1] - this.reference[2 * pair + 1]);
      const margin = chosen - rejected;
      const length = replies[2 * i].to - replies[2 * i].from;
      loss += softplus(-margin) - (nllWeight * now[2 * i]) / length;
      // d loss / d log p(chosen) = −β σ(−margin), and a reply's cross entropy is −log p.
      const pull = beta / (1 + Math.exp(margin));
      for (const [side, scale] of [pull + nllWeight / length, -pull].entries()) {
        const { from, to } = replies[2 * i + side];
        const targets = batch.targets[0].subarray(from, to);
        ops.crossEntropySum(tape, rowsOf(hidden, from, to), trainer.model.weights.head, targets, scale / count);
      }
      rewards.accuracy += (margin > 0 ? 1 : margin === 0 ? 0.5 : 0) / count;
      rewards.margin += margin / count;
      rewards.chosen += chosen / count;
      rewards.rejected += rejected / count;
    });
    tape.backward();
    trainer.loads.add(routers);
    return { loss, balanceLoss: routers.reduce((sum, router) => sum + router.balanceLoss, 0) };
  }

  /** The pairs of an order from `at` on that fit into `rows` together: at least one. */
  private pack(order: Int32Array, at: number, rows: number): PairBatch {
    const pairs: number[] = [];
    const sequences: PreferencePair["chosen"][] = [];
    let used = 0;
    for (let i = at; i < order.length; i++) {
      const { chosen, rejected } = this.pairs[order[i]];
      used += chosen.ids.length + rejected.ids.length;
      if (used > rows && pairs.length > 0) break;
      pairs.push(order[i]);
      sequences.push(chosen, rejected);
    }
    let row = 0;
    const replies = sequences.map(({ ids, replyStart }) => {
      row += ids.length;
      return { from: row - ids.length + replyStart - 1, to: row - 1 };
    });
    return { pairs, batch: batchOf(sequences.map(({ ids }) => ids)), replies };
  }

  /** The pairs in the order of an epoch (Fisher–Yates). */
  private orderOf(epoch: number): Int32Array {
    const random = new Random(this.seed, 2 ** 20 + epoch);
    const order = Int32Array.from(this.pairs.keys());
    for (let i = order.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}

/** log p of each reply of a batch, chosen and rejected in turn. */
function logProbs({ model }: Trainer, tape: Tape, hidden: Tensor, { batch, replies }: PairBatch): Float64Array {
  return Float64Array.from(replies, ({ from, to }) => -model.crossEntropySum(tape, hidden, batch.targets[0], from, to));
}

/** Rows [from, to) of a tensor, its gradient's with them. */
function rowsOf({ data, grad, shape: [, D] }: Tensor, from: number, to: number): Tensor {
  return { data: data.subarray(from * D, to * D), grad: grad!.subarray(from * D, to * D), shape: [to - from, D] };
}

/** log(1 + eˣ) without overflow. */
function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
