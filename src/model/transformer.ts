/**
 * DeepSeek-V3, top to bottom: embedding → layers of latent attention and (dense or expert) feed-forward → norm → head, with its
 * multi-token prediction depths behind. `forward` is the naive pass over whole sequences; `forwardCached` continues sequences.
 */

import {
  type I32,
  type Operand,
  ops,
  type Precision,
  type RopeTable,
  type Tape,
  type Tensor,
  type Weight,
} from "../tensor/index.ts";
import { attention, cachedAttention, type Positions } from "./attention.ts";
import type { LatentCache, LayerCache, SequenceSpan } from "./cache.ts";
import { mixtureOfExperts, type RouterTrace, type Routing } from "./experts.ts";
import type { ModelConfig } from "./model-config.ts";
import type { LayerWeights, ModelWeights, MtpWeights } from "./parameters.ts";
import { ropeTable } from "./rope.ts";
import { type CachedLayers, fitsStep, StepPass, stepPrecision } from "./step.ts";

/** Ids that a draft may guess: this share of the vocabulary, and never fewer than this many. */
const DRAFT_SHARE = 1 / 4;
const LEAST_DRAFT_IDS = 1024;

/** Whole sequences, one after the other. */
export interface Batch {
  /** ids[d] is the token d places after each row's own, [T]: ids[0] the tokens themselves, ids[1] what follows them …,. Where there is none: 0. */
  ids: I32[];
  /** targets[d][t]: the token that depth d predicts at row t, the one d+1 places on; −1: no loss there. */
  targets: I32[];
  /** Position of each token in its sequence, [T] */
  positions: I32;
  /** [S,4]: qStart, qLen, kStart, kLen; here kStart = qStart and kLen = qLen */
  segments: I32;
}

export interface LossOptions {
  /** λ of the report's eq. 25: weight of the mean of the MTP losses; 0: do not compute them. */
  mtpWeight: number;
  /** α of the sequence-wise balance loss; 0: none. */
  balanceAlpha: number;
  /** Target counts by depth over the whole step, which losses are divided by (a micro-batch is a part of a step); default: this batch's. */
  counts?: number[];
  /** Share of the step's tokens in this micro-batch (for the balance loss); default 1. */
  share?: number;
}

/** Sums over this batch's targets; divide by `counts` for means. */
export interface Losses {
  /** Σ cross entropy by depth: [0] next token, [1…] MTP depths */
  sums: number[];
  counts: number[];
  /** α Σ f·P of each expert layer, summed */
  balance: number;
  /** The routers, in the order of layers */
  routers: RouterTrace[];
}

export class Transformer {
  readonly config: ModelConfig;
  readonly weights: ModelWeights;
  private table: RopeTable | null = null;
  private tablePositions = 0;
  private readonly stepPrecision: Precision | null;
  private readonly draftHead: Weight;
  /** Prepared passes, by the first of the caches that they go over. */
  private readonly steps = new WeakMap<LayerCache, StepPass>();

  constructor(config: ModelConfig, weights: ModelWeights) {
    this.config = config;
    this.weights = weights;
    this.stepPrecision = stepPrecision(weights);
    this.draftHead = firstRows(weights.head, Math.max(LEAST_DRAFT_IDS, config.vocabSize * DRAFT_SHARE));
  }

  /** Hidden states [T,D] after the final norm. */
  forward(tape: Tape, batch: Batch, routing: Routing = { traces: [] }): Tensor {
    const { weights, config } = this;
    let x = ops.embed(tape, weights.embed, batch.ids[0]);
    for (const layer of weights.layers) x = this.naiveLayer(tape, layer, x, batch, routing);
    return ops.rmsNorm(tape, x, weights.norm, config.rmsNormEps);
  }

  /**
   * State of MTP depth `depth` (1, 2, …) from that of the depth before: [T,D] after its norm, ready for the head (report, eq. 21–23).
   * Row t joins the hidden state of token t with the embedding of the token `depth` places on.
   */
  mtpForward(tape: Tape, depth: number, hidden: Tensor, batch: Batch, routing: Routing = { traces: [] }): Tensor {
    const w = this.weights.mtp[depth - 1];
    const x = this.mtpJoin(tape, w, hidden, batch.ids[depth]);
    return ops.rmsNorm(tape, this.naiveLayer(tape, w.layer, x, batch, routing), w.norm, this.config.rmsNormEps);
  }

  /**
   * The training loss: cross entropy of the next token, plus mtpWeight times the mean over MTP depths (report, eq. 24–25), plus the balance loss.
   * With a recording tape, call `tape.backward()` after it.
   */
  loss(tape: Tape, batch: Batch, options: LossOptions): Losses {
    const { weights } = this;
    const depths = options.mtpWeight > 0 ? weights.mtp.length : 0;
    const own = batch.targets
      .slice(0, depths + 1)
      .map((targets) => targets.reduce((count, id) => count + (id >= 0 ? 1 : 0), 0));
    const counts = options.counts ?? own;
    const scaleOf = (depth: number) =>
      counts[depth] === 0 ? 0 : (depth === 0 ? 1 : options.mtpWeight / depths) / counts[depth];
    const { balanceAlpha: alpha } = options;
    const balance = alpha > 0 ? { alpha, gradScale: options.share ?? 1, segments: batch.segments } : undefined;
    const routers: RouterTrace[] = [];
    const routing = { traces: routers, balance };
    let hidden = this.forward(tape, batch, routing);
    const sums = [ops.crossEntropySum(tape, hidden, weights.head, batch.targets[0], scaleOf(0))];
    for (let depth = 1; depth <= depths; depth++) {
      hidden = this.mtpForward(tape, depth, hidden, batch, routing);
      sums.push(ops.crossEntropySum(tape, hidden, weights.head, batch.targets[depth], scaleOf(depth)));
    }
    return { sums, counts: own, balance: routers.reduce((sum, router) => sum + router.balanceLoss, 0), routers };
  }

  /** Σ cross entropy of rows from … to−1 of hidden states against their targets, without their logits standing in memory. */
  crossEntropySum(tape: Tape, hidden: Tensor, targets: I32, from: number, to: number): number {
    const D = hidden.shape[1];
    const rows: Tensor = { data: hidden.data.subarray(from * D, to * D), shape: [to - from, D], grad: null };
    return ops.crossEntropySum(tape, rows, this.weights.head, targets.subarray(from, to), 0);
  }

  /** Logits [rows,V] of rows of hidden states. */
  logits(tape: Tape, hidden: Tensor): Tensor {
    return ops.linear(tape, hidden, this.weights.head);
  }

  /**
   * As `logits`, but only of the first ids, for guesses that are checked anyway: byte pairs have their ids in the order in which they were merged, so
   * these are the commonest, and the head is much of what a guess reads (after FR-Spec, Zhao et al. 2025).
   */
  draftLogits(tape: Tape, hidden: Tensor): Tensor {
    return ops.linear(tape, hidden, this.draftHead);
  }

  /**
   * Hidden states [T,D] after the final norm of new tokens `ids`, which continue the cached sequences `spans`.
   * routers: where the layers' choices of experts are put.
   */
  forwardCached(
    tape: Tape,
    ids: I32,
    spans: readonly SequenceSpan[],
    cache: LatentCache,
    routers?: RouterTrace[],
  ): Tensor {
    const { weights, config } = this;
    const x = ops.embed(tape, weights.embed, ids);
    const y = this.cachedLayers(tape, x, spans, { layers: weights.layers, caches: cache.layers }, routers);
    return ops.rmsNorm(tape, y, weights.norm, config.rmsNormEps);
  }

  /** As `mtpForward`, over a cache: nextIds[t] is the token that follows row t by `depth` places. */
  mtpForwardCached(
    tape: Tape,
    depth: number,
    { hidden, nextIds }: { hidden: Tensor; nextIds: I32 },
    spans: readonly SequenceSpan[],
    cache: LayerCache,
  ): Tensor {
    const w = this.weights.mtp[depth - 1];
    const x = this.mtpJoin(tape, w, hidden, nextIds);
    const y = this.cachedLayers(tape, x, spans, { layers: [w.layer], caches: [cache] });
    return ops.rmsNorm(tape, y, w.norm, this.config.rmsNormEps);
  }

  private mtpJoin(tape: Tape, w: MtpWeights, hidden: Tensor, nextIds: I32): Tensor {
    const { rmsNormEps: eps } = this.config;
    const e = ops.rmsNormFor(tape, w.ehProj, ops.embed(tape, this.weights.embed, nextIds), w.eNorm, eps);
    const h = ops.rmsNormFor(tape, w.ehProj, hidden, w.hNorm, eps);
    return ops.linear(tape, [e, h], w.ehProj);
  }

  private naiveLayer(tape: Tape, w: LayerWeights, x: Tensor, batch: Batch, routing: Routing): Tensor {
    const at = this.positionsOf(batch.positions);
    return this.layer(tape, w, x, routing, (tape, h) => attention(tape, w.attention, h, at, batch.segments));
  }

  /** x + attention(norm(x)), then x + feed-forward(norm(x)). */
  private layer(
    tape: Tape,
    w: LayerWeights,
    x: Tensor,
    { traces, balance }: Routing,
    attend: (tape: Tape, h: Operand) => Tensor,
  ): Tensor {
    const { eps } = w.layer;
    let runs = 0;
    return tape.segment(x, (tape, x) => {
      const toAttention = ops.rmsNormFor(tape, w.attention.kvA, x, w.inputNorm, eps);
      const afterAttention = ops.residual(tape, x, attend(tape, toAttention));
      const h = ops.rmsNormFor(tape, (w.experts ?? w.dense!).gateUp, afterAttention, w.postAttentionNorm, eps);
      // A segment may run twice, and forgets its memory after the first time; the router is reported once, in memory of its own.
      const own: RouterTrace[] = [];
      const y = w.experts
        ? mixtureOfExperts(tape, w.experts, h, { traces: own, balance })
        : ops.feedForward(tape, h, w.dense!);
      if (runs++ === 0) traces.push(...own.map(kept));
      return ops.residual(tape, afterAttention, y, x);
    });
  }

  /** Layers over their caches: for a few tokens by the steps of decoding, else each as `layer`. */
  private cachedLayers(
    tape: Tape,
    x: Tensor,
    spans: readonly SequenceSpan[],
    { layers, caches }: Pick<CachedLayers, "layers" | "caches">,
    routers?: RouterTrace[],
  ): Tensor {
    const at = this.positionsOf(spanPositions(spans));
    if (fitsStep(tape, this.stepPrecision, x.shape[0]))
      return this.stepsOver(tape, { layers, caches, table: at.table }).run(x, at.positions, spans, routers);
    const routing = { traces: routers ?? [] };
    return layers.reduce(
      (x, layer, i) =>
        this.layer(tape, layer, x, routing, (tape, h) =>
          cachedAttention(tape, layer.attention, h, at, { cache: caches[i], spans }),
        ),
      x,
    );
  }

  private stepsOver({ kernels }: Tape, over: CachedLayers): StepPass {
    const known = this.steps.get(over.caches[0]);
    if (known && known.kernels === kernels && known.table === over.table) return known;
    const pass = new StepPass(kernels, over);
    this.steps.set(over.caches[0], pass);
    return pass;
  }

  /** Angles for these positions; the table grows by doubling, up to max_position_embeddings. */
  private positionsOf(positions: I32): Positions {
    let last = -1;
    for (const position of positions) if (position > last) last = position;
    if (last >= this.config.maxPositionEmbeddings) {
      throw new RangeError(
        `position ${last} is past the model's ${this.config.maxPositionEmbeddings} (max_position_embeddings)`,
      );
    }
    if (!this.table || last >= this.tablePositions) {
      this.tablePositions = Math.min(
        this.config.maxPositionEmbeddings,
        Math.max(256, 2 ** Math.ceil(Math.log2(last + 1))),
      );
      this.table = ropeTable(this.config, this.tablePositions);
    }
    return { positions, table: this.table };
  }
}

/** The first `count` rows of a matrix or so, in its own memory: quantised ones end with a panel of 16. */
function firstRows(matrix: Weight, count: number): Weight {
  const [rows, width] = matrix.shape;
  const n = Math.min(rows, Math.ceil(count / 16) * 16);
  return { ...matrix, data: matrix.data.subarray(0, n * width), shape: [n, width], grad: null };
}

function kept({ offsets, indices, weights, balanceLoss }: RouterTrace): RouterTrace {
  return { offsets: offsets.slice(), indices: indices.slice(), weights: weights.slice(), balanceLoss };
}

function spanPositions(spans: readonly SequenceSpan[]): I32 {
  return Int32Array.from(spans.flatMap((span) => Array.from({ length: span.count }, (_, i) => span.past + i)));
}
