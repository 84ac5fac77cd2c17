/** Latent attention, naive and absorbed: one query of one head at a time, over the keys it may see. */
import { bf16ToF32, type F32, f32ToBf16 } from "../../dtype.ts";
import type { CompleteOf } from "../contract.ts";
import { define } from "../define.ts";
import { attention as contracts } from "./contract.ts";

type Attention = CompleteOf<typeof contracts.attention>;
type AttentionBackward = CompleteOf<typeof contracts.attentionBackward>;
type WriteLatents = CompleteOf<typeof contracts.writeLatents>;
type LatentAttention = CompleteOf<typeof contracts.latentAttention>;
/** What the forward and the backward pass share. */
type AttentionShape = Omit<Attention, "out">;

/** Calls visit for each query row and head, with the first key row it sees and how many. */
function forEachQuery(
  shape: AttentionShape,
  visit: (query: number, head: number, key: number, keys: number) => void,
): void {
  for (let s = 0; s < shape.S; s++) {
    const [qStart, qLen, kStart, kLen] = shape.segments.subarray(s * 4, s * 4 + 4);
    for (let i = 0; i < qLen; i++) {
      for (let h = 0; h < shape.H; h++) visit(qStart + i, h, kStart, kLen - qLen + i + 1);
    }
  }
}

/** As the precision asks: the numbers themselves, or a copy rounded to bf16 (what a matrix unit would multiply). */
function rounded(x: F32, precision: AttentionShape["precision"]): F32 {
  return precision === "f32" ? x : x.map((value) => bf16ToF32(f32ToBf16(value)));
}

/** score[j] = scale · (q_nope · k_nope[j] + q_rope · k_rope[j]) */
function scoresOf(
  p: AttentionShape,
  q: F32,
  kv: F32,
  kRope: F32,
  query: number,
  head: number,
  key: number,
  keys: number,
): Float64Array {
  const { H, N, P, V, ldk, scale } = p;
  const qAt = (query * H + head) * (N + P);
  const scores = new Float64Array(keys);
  for (let j = 0; j < keys; j++) {
    const kAt = ((key + j) * H + head) * (N + V);
    const rAt = (key + j) * ldk;
    let sum = 0;
    for (let n = 0; n < N; n++) sum += q[qAt + n] * kv[kAt + n];
    for (let i = 0; i < P; i++) sum += q[qAt + N + i] * kRope[rAt + i];
    scores[j] = sum * scale;
  }
  return scores;
}

function attention(p: Attention): void {
  const { out, lse, H, N, V, precision } = p;
  const q = rounded(p.q, precision);
  const kv = rounded(p.kv, precision);
  const kRope = rounded(p.kRope, precision);
  forEachQuery(p, (query, head, key, keys) => {
    const scores = scoresOf(p, q, kv, kRope, query, head, key, keys);
    const largest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    let total = 0;
    for (let j = 0; j < keys; j++) total += Math.exp(scores[j] - largest);
    lse[query * H + head] = largest + Math.log(total);
    const outAt = (query * H + head) * V;
    const sum = new Float64Array(V);
    for (let j = 0; j < keys; j++) {
      const weight = Math.exp(scores[j] - largest) / total;
      const vAt = ((key + j) * H + head) * (N + V) + N;
      for (let i = 0; i < V; i++) sum[i] += weight * kv[vAt + i];
    }
    out.set(sum, outAt);
  });
}

function attentionBackward(p: AttentionBackward): void {
  const { dq, dkv, dkRope, dout, out, lse, H, N, P, V, ldk, lddk, scale, precision } = p;
  const q = rounded(p.q, precision);
  const kv = rounded(p.kv, precision);
  const kRope = rounded(p.kRope, precision);
  if (p.fresh) {
    for (let s = 0; s < p.S; s++) {
      const [qStart, qLen, kStart, kLen] = p.segments.subarray(s * 4, s * 4 + 4);
      dq.fill(0, qStart * H * (N + P), (qStart + qLen) * H * (N + P));
      dkv.fill(0, kStart * H * (N + V), (kStart + kLen) * H * (N + V));
    }
  }
  forEachQuery(p, (query, head, key, keys) => {
    const scores = scoresOf(p, q, kv, kRope, query, head, key, keys);
    const row = query * H + head;
    const qAt = row * (N + P);
    // With p the probabilities: dv[j] = p[j]·dout, dp[j] = dout·v[j], dscore[j] = p[j]·(dp[j] − dout·out).
    let delta = 0;
    for (let i = 0; i < V; i++) delta += dout[row * V + i] * out[row * V + i];
    for (let j = 0; j < keys; j++) {
      const probability = Math.exp(scores[j] - lse[row]);
      const kAt = ((key + j) * H + head) * (N + V);
      let dp = 0;
      for (let i = 0; i < V; i++) {
        dp += dout[row * V + i] * kv[kAt + N + i];
        dkv[kAt + N + i] += probability * dout[row * V + i];
      }
      const dScore = probability * (dp - delta) * scale;
      for (let n = 0; n < N; n++) {
        dq[qAt + n] += dScore * kv[kAt + n];
        dkv[kAt + n] += dScore * q[qAt + n];
      }
      for (let i = 0; i < P; i++) {
        dq[qAt + N + i] += dScore * kRope[(key + j) * ldk + i];
        dkRope[(key + j) * lddk + i] += dScore * q[qAt + N + i];
      }
    }
  });
}

/** One part of a cache row, from element `at` on; returns the scale of its codes. */
function writePart(cache: WriteLatents["cache"], at: number, part: F32): number {
  if (!(cache instanceof Int8Array)) {
    cache.set(cache instanceof Uint16Array ? Uint16Array.from(part, f32ToBf16) : part, at);
    return 1;
  }
  const largest = part.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const inverse = largest === 0 ? 0 : 127 / largest;
  for (let i = 0; i < part.length; i++) cache[at + i] = Math.round(part[i] * inverse);
  return largest / 127;
}

function writeLatents({ cache, cacheScales, cKv, kRope, places, T, R, P, ldk }: WriteLatents): void {
  for (let t = 0; t < T; t++) {
    const row = places[t];
    const scales = [
      writePart(cache, row * (R + P), cKv.subarray(t * R, (t + 1) * R)),
      writePart(cache, row * (R + P) + R, kRope.subarray(t * ldk, t * ldk + P)),
    ];
    if (cache instanceof Int8Array) cacheScales!.set(scales, row * 2);
  }
}

/** `count` cache rows [R+P] from `start` on, as f32. */
function cacheRows({ cache, cacheScales, R, P }: LatentAttention, start: number, count: number): F32 {
  const width = R + P;
  const rows = cache.subarray(start * width, (start + count) * width);
  if (rows instanceof Uint16Array) return Float32Array.from(rows, bf16ToF32);
  if (rows instanceof Float32Array) return rows;
  const scaleOf = (i: number) => cacheScales![(start + Math.floor(i / width)) * 2 + (i % width < R ? 0 : 1)];
  return Float32Array.from(rows, (code, i) => code * scaleOf(i));
}

function latentAttention(p: LatentAttention): void {
  const { out, qLatent, qRope, rowStart, rowCount, Nq, H, R, P, ldq, qHeadStride, scale } = p;
  const asHeld = p.cache instanceof Uint16Array ? (x: number) => bf16ToF32(f32ToBf16(x)) : (x: number) => x;
  for (let n = 0; n < Nq; n++) {
    const rows = cacheRows(p, rowStart[n], rowCount[n]);
    for (let h = 0; h < H; h++) {
      const latentAt = (n * H + h) * R;
      const ropeAt = n * ldq + h * qHeadStride;
      const scores = new Float64Array(rowCount[n]);
      let largest = Number.NEGATIVE_INFINITY;
      for (let j = 0; j < scores.length; j++) {
        const at = j * (R + P);
        let sum = 0;
        for (let r = 0; r < R; r++) sum += asHeld(qLatent[latentAt + r]) * rows[at + r];
        for (let i = 0; i < P; i++) sum += asHeld(qRope[ropeAt + i]) * rows[at + R + i];
        scores[j] = sum * scale;
        largest = Math.max(largest, scores[j]);
      }
      const sum = new Float64Array(R);
      let total = 0;
      for (let j = 0; j < scores.length; j++) {
        const weight = Math.exp(scores[j] - largest);
        total += weight;
        for (let r = 0; r < R; r++) sum[r] += weight * rows[j * (R + P) + r];
      }
      for (let r = 0; r < R; r++) out[latentAt + r] = sum[r] / total;
    }
  }
}

export const attentionReference = define(contracts, {
  attention,
  attentionBackward,
  writeLatents,
  latentAttention,
});
