/**
 * Multi-head latent attention (report, section 2.1.1), in its two forms.
 *
 * Keys and values of all heads come from one latent vector c_kv of R numbers per token, beside one rotated key k_rope of P numbers that
 * all heads share. The naive form expands c_kv to every head's keys and values: few products for many tokens (training, prefill).
 * The absorbed form moves kv_b_proj to the other side, q_nope·W_UK into the query and W_UV behind the sum, and attends to the cached
 * latents themselves: R + P numbers read per token and layer (decoding). Both give the same numbers.
 */
import { type F32, type I32, type Operand, ops, type RopeTable, type Tape, type Tensor } from "../tensor/index.ts";
import type { LayerCache, SequenceSpan } from "./cache.ts";
import type { AttentionWeights } from "./parameters.ts";

export interface Positions {
  /** Position of each token in its sequence, [T]. */
  positions: I32;
  table: RopeTable;
}

/** Queries [T, H(N+P)] and latents [T, R+P] of each token, rotated; c_kv [T,R] is the latent after its norm. */
function project(tape: Tape, w: AttentionWeights, x_TD: Operand, at: Positions) {
  const { H, N, P, R, latentEps: eps, interleaved } = w.shape;
  const q = w.qA
    ? ops.linear(tape, ops.rmsNormFor(tape, w.q, ops.linear(tape, x_TD, w.qA), w.qANorm!, eps), w.q)
    : ops.linear(tape, x_TD, w.q);
  const latent = ops.linear(tape, x_TD, w.kvA);
  ops.rope(tape, q, at.table, at.positions, { H, P, offset: N, headStride: N + P, interleaved });
  ops.rope(tape, latent, at.table, at.positions, { H: 1, P, offset: R, headStride: P, interleaved });
  const cKv = ops.rmsNorm(tape, latent, w.kvANorm, eps);
  return { q, latent, cKv };
}

/** Attention of every segment to itself, naive form. segments: [S,4] (see the kernel contract). */
export function attention(tape: Tape, w: AttentionWeights, x_TD: Operand, at: Positions, segments: I32): Tensor {
  const { H, N, P, V, R, scale } = w.shape;
  const { q, latent, cKv } = project(tape, w, x_TD, at);
  const kv = ops.linear(tape, cKv, w.kvB);
  const out = ops.attention(tape, q, kv, latent, { H, N, P, V, scale, segments, ropeOffset: R });
  return ops.linear(tape, out, w.o);
}

/** From this many new tokens of a sequence on, expanding its cache to keys and values costs less than absorbing each query. */
export const NAIVE_FROM = 32;

/** A layer's cache, and the new tokens that come to it: consecutive runs of rows, each one sequence's. */
export interface CachedSpans {
  cache: LayerCache;
  spans: readonly SequenceSpan[];
}

/** Attention of new tokens to their sequences' cached past and to each other. Their latents are written to the cache first. */
export function cachedAttention(
  tape: Tape,
  w: AttentionWeights,
  x_TD: Operand,
  at: Positions,
  { cache, spans }: CachedSpans,
): Tensor {
  const { H, V } = w.shape;
  const { q, latent, cKv } = project(tape, w, x_TD, at);
  const T = x_TD.shape[0];
  cache.write(tape, spans, cKv.data, latent.data);
  const out = tape.tensor(T, H * V);
  let from = 0;
  for (let i = 0; i < spans.length; ) {
    const rows = { q: q.data, out: out.data, from };
    // Sequences with few new tokens go through the absorbed form together.
    const few = spans.slice(i).findIndex(({ count }) => count >= NAIVE_FROM);
    const run = spans.slice(i, few === -1 ? spans.length : i + Math.max(1, few));
    if (few === 0) naiveOverCache(tape, w, rows, cache, run[0]);
    else absorbed(tape, w, rows, cache, run);
    from += run.reduce((sum, { count }) => sum + count, 0);
    i += run.length;
  }
  return ops.linear(tape, out, w.o);
}

interface QueryRows {
  q: F32;
  out: F32;
  from: number;
}

/** One sequence's rows by the naive form: its whole cache is expanded to keys and values. */
function naiveOverCache(tape: Tape, w: AttentionWeights, rows: QueryRows, cache: LayerCache, span: SequenceSpan): void {
  const { arena, kernels } = tape;
  const { H, N, P, V, R, scale } = w.shape;
  const mark = arena.mark();
  const length = span.past + span.count;
  const entries = cache.read(tape, span.rowStart, length);
  const kv = arena.take("f32", length * H * (N + V));
  kernels.matmul({
    out: kv,
    a: entries,
    b: w.kvB.data,
    M: length,
    N: H * (N + V),
    K: R,
    bT: true,
    lda: R + P,
    precision: tape.precision,
  });
  const segments: I32 = Int32Array.of(0, span.count, 0, length);
  const lse = arena.take("f32", span.count * H);
  const q = rows.q.subarray(rows.from * H * (N + P));
  const out = rows.out.subarray(rows.from * H * V);
  kernels.attention({
    out,
    lse,
    q,
    kv,
    kRope: entries.subarray(R),
    segments,
    S: 1,
    H,
    N,
    P,
    V,
    ldk: R + P,
    scale,
    precision: tape.precision,
  });
  arena.release(mark);
}

/** The rows of sequences by the absorbed form, straight over the cached latents. */
function absorbed(
  tape: Tape,
  w: AttentionWeights,
  rows: QueryRows,
  cache: LayerCache,
  spans: readonly SequenceSpan[],
): void {
  const { arena, kernels, precision } = tape;
  const { H, N, P, V, R, scale } = w.shape;
  const M = spans.reduce((sum, { count }) => sum + count, 0);
  const mark = arena.mark();
  const q = rows.q.subarray(rows.from * H * (N + P));
  const qLatent = arena.take("f32", M * H * R);
  // Head by head, q_nope[M,N] · W_UK[N,R]: the rows of kv_b_proj that make the head's keys.
  kernels.matmul({
    out: qLatent,
    a: q,
    b: w.kvB.data,
    M,
    N: R,
    K: N,
    lda: H * (N + P),
    ldo: H * R,
    batch: { count: H, a: N + P, b: (N + V) * R, out: R },
    precision,
  });
  const rowStart: I32 = new Int32Array(M);
  const rowCount: I32 = new Int32Array(M);
  let row = 0;
  for (const span of spans) {
    for (let i = 0; i < span.count; i++, row++) {
      rowStart[row] = span.rowStart;
      rowCount[row] = span.past + i + 1;
    }
  }
  const outLatent = arena.take("f32", M * H * R);
  const queries = { qLatent, qRope: q.subarray(N), ldq: H * (N + P), qHeadStride: N + P };
  kernels.latentAttention({
    out: outLatent,
    ...queries,
    cache: cache.data,
    cacheScales: cache.scales,
    rowStart,
    rowCount,
    Nq: M,
    H,
    R,
    P,
    scale,
  });
  // Head by head, out[M,R] · W_UV[V,R]ᵀ: the rows of kv_b_proj that make the head's values.
  kernels.matmul({
    out: rows.out.subarray(rows.from * H * V),
    a: outLatent,
    b: w.kvB.data.subarray(N * R),
    M,
    N: V,
    K: R,
    bT: true,
    lda: H * R,
    ldo: H * V,
    batch: { count: H, a: R, b: (N + V) * R, out: V },
    precision,
  });
  arena.release(mark);
}
