/** What fused kernels equal, in terms of the kernels that they are made of. */
import type { F32, I32 } from "../../dtype.ts";
import { attentionReference } from "../attention/reference.ts";
import type { CompleteOf, HeldMatrix } from "../contract.ts";
import { define } from "../define.ts";
import { gemmReference } from "../gemm/reference.ts";
import { moeReference } from "../moe/reference.ts";
import { normReference } from "../norm/reference.ts";
import { quantReference } from "../quant/reference.ts";
import { fused } from "./contract.ts";

type FeedForwardShape = Omit<CompleteOf<typeof fused.feedForward>, "out">;

/** a[J,K] through rows from … of matrix number e of several [N,K]. */
function linear({ data, quantised }: HeldMatrix, e: number, a: F32, J: number, N: number, K: number): F32 {
  const out: F32 = new Float32Array(J * N);
  if (quantised) {
    const { bits } = quantised;
    const codes = quantised.codes.subarray((e * N * K * bits) / 8);
    const scales = quantised.scales.subarray((e * N * K) / 32);
    quantReference.quantisedMatmul({ out, a, codes, scales, bits, offsets: null, J, E: 1, N, K });
  } else {
    const precision = data instanceof Uint16Array ? "bf16" : "f32";
    gemmReference.matmul({ out, a, b: data.subarray(e * N * K), M: J, N, K, bT: true, precision });
  }
  return out;
}

function normed(x: F32, w: F32, T: number, D: number, eps: number, ldx = D): F32 {
  const out: F32 = new Float32Array(T * D);
  normReference.rmsNorm({ out, rstd: new Float32Array(T), x, w, T, D, eps, ldx });
  return out;
}

/** A feed-forward of rows a[J,D], with weights number e. */
function feedForward(w: { gateUp: HeldMatrix; down: HeldMatrix; F: number }, e: number, a: F32, J: number, D: number) {
  const hidden: F32 = new Float32Array(J * w.F);
  moeReference.swiglu({ out: hidden, x: linear(w.gateUp, e, a, J, 2 * w.F, D), T: J, F: w.F });
  return linear(w.down, e, hidden, J, D, w.F);
}

const identity = (count: number) => Int32Array.from({ length: count }, (_, i) => i);

/** Each row's x, what its gate and up give, and its hidden numbers. */
function hiddenOf({ x, rows, offsets, gateUp, E, D, F }: FeedForwardShape) {
  const J = offsets[E];
  const inputs = new Float32Array(J * D);
  moeReference.gatherRows({ out: inputs, x, rows: rows ?? identity(J), J, D });
  const gatesUps = new Float32Array(J * 2 * F);
  gemmReference.groupedMatmul({
    kind: "forward", out: gatesUps, a: inputs, b: gateUp, offsets, E, N: 2 * F, K: D, precision: "bf16",
  }); // biome-ignore format: operands beside their shapes
  const hidden = new Float32Array(J * F);
  moeReference.swiglu({ out: hidden, x: gatesUps, T: J, F });
  return { inputs, gatesUps, hidden };
}

export const fusedReference = define(fused, {
  feedForward(p) {
    const { out, offsets, down, E, D, F } = p;
    const { hidden } = hiddenOf(p);
    gemmReference.groupedMatmul({
      kind: "forward",
      out,
      a: hidden,
      b: down,
      offsets,
      E,
      N: D,
      K: F,
      precision: "bf16",
    });
  },

  feedForwardBackward(p) {
    const { dx, accumulate, dGateUp, dDown, dout, mixture, rows, offsets, gateUp, down, E, D, F } = p;
    const J = offsets[E];
    const { inputs, gatesUps, hidden } = hiddenOf(p);
    const weights = new Float32Array(J).fill(1);
    mixture?.place.subarray(0, J).forEach((row, choice) => {
      weights[row] = mixture.weights[choice];
    });
    const gradients = new Float32Array(J * D);
    moeReference.gatherRows({ out: gradients, x: dout, rows: rows ?? identity(J), J, D });
    const group = { offsets, E, precision: "bf16" } as const;
    const dHidden = new Float32Array(J * F);
    gemmReference.groupedMatmul({ ...group, kind: "input", out: dHidden, a: gradients, b: down, N: D, K: F });
    mixture?.place.subarray(0, J).forEach((row, choice) => {
      for (let f = row * F; f < (row + 1) * F; f++) mixture.dWeights[choice] += hidden[f] * dHidden[f];
    });
    for (let i = 0; i < J * F; i++) {
      hidden[i] *= weights[Math.floor(i / F)];
      dHidden[i] *= weights[Math.floor(i / F)];
    }
    gemmReference.groupedMatmul({
      ...group, kind: "weight", out: dDown, a: gradients, b: hidden, N: D, K: F, accumulate: true,
    }); // biome-ignore format: operands beside their shapes
    const dGatesUps = new Float32Array(J * 2 * F);
    moeReference.swigluBackward({ dx: dGatesUps, dy: dHidden, x: gatesUps, T: J, F });
    gemmReference.groupedMatmul({
      ...group,
      kind: "input",
      out: dx,
      a: dGatesUps,
      b: gateUp,
      N: 2 * F,
      K: D,
      accumulate,
    });
    gemmReference.groupedMatmul({
      ...group, kind: "weight", out: dGateUp, a: dGatesUps, b: inputs, N: 2 * F, K: D, accumulate: true,
    }); // biome-ignore format: operands beside their shapes
  },

  feedForwardStep({ out, x, norm, eps, T, D, shared, experts }) {
    const h = normed(x, norm, T, D, eps);
    out.set(x.subarray(0, T * D));
    if (experts) {
      const { E, K, offsets, indices, weights, router, bias } = experts;
      const logits: F32 = new Float32Array(T * E);
      gemmReference.matmul({ out: logits, a: h, b: router, M: T, N: E, K: D, bT: true, precision: "f32" });
      moeReference.route({ ...experts, scores: new Float32Array(T * E), indices, weights, logits, bias, T });
      const place: I32 = new Int32Array(T * K);
      const tokens: I32 = new Int32Array(T * K);
      moeReference.dispatch({ place, tokens, offsets, indices, T, E, K });
      const weightOf = new Float32Array(T * K);
      for (let i = 0; i < T * K; i++) weightOf[place[i]] = weights[i];
      for (let e = 0; e < E; e++) {
        for (let j = offsets[e]; j < offsets[e + 1]; j++) {
          const t = tokens[j];
          const y = feedForward(experts, e, h.subarray(t * D, (t + 1) * D), 1, D);
          for (let d = 0; d < D; d++) out[t * D + d] += weightOf[j] * y[d];
        }
      }
    }
    if (shared) {
      feedForward(shared, 0, h, T, D).forEach((y, i) => {
        out[i] += y;
      });
    }
  },

  attentionStep(p) {
    const { out, x, norm, eps, T, D, qA, qANorm, rank, latentEps, kvB, positions, interleaved } = p;
    const { cache, cacheScales, rowStart, rowCount, H, N, P, V, R, scale } = p;
    const h = normed(x, norm, T, D, eps);
    const low = rank > 0 ? normed(linear(qA!, 0, h, T, rank, D), qANorm!, T, rank, latentEps) : h;
    const q = linear(p.q, 0, low, T, H * (N + P), rank || D);
    const latent = linear(p.kvA, 0, h, T, R + P, D);
    const turn = { positions, cos: p.cos, sin: p.sin, T, P, interleaved };
    normReference.rope({ ...turn, x: q.subarray(N), H, ld: H * (N + P), headStride: N + P });
    normReference.rope({ ...turn, x: latent.subarray(R), H: 1, ld: R + P, headStride: P });
    const cKv = normed(latent, p.kvANorm, T, R, latentEps, R + P);
    const places = Int32Array.from({ length: T }, (_, t) => rowStart[t] + rowCount[t] - 1);
    const kRope = latent.subarray(R);
    attentionReference.writeLatents({ cache, cacheScales, cKv, kRope, places, T, R, P, ldk: R + P });
    const precision = kvB instanceof Uint16Array ? "bf16" : "f32";
    const perHead = (N + V) * R;
    const qLatent: F32 = new Float32Array(T * H * R);
    const outLatent: F32 = new Float32Array(T * H * R);
    const attended: F32 = new Float32Array(T * H * V);
    gemmReference.matmul({
      out: qLatent,
      a: q,
      b: kvB,
      M: T,
      N: R,
      K: N,
      lda: H * (N + P),
      ldo: H * R,
      batch: { count: H, a: N + P, b: perHead, out: R },
      precision,
    });
    const shape = { rowStart, rowCount, Nq: T, H, R, P, scale, cache, cacheScales };
    const queries = { qLatent, qRope: q.subarray(N), ldq: H * (N + P), qHeadStride: N + P };
    attentionReference.latentAttention({ ...shape, ...queries, out: outLatent });
    gemmReference.matmul({
      out: attended,
      a: outLatent,
      b: kvB.subarray(N * R),
      M: T,
      N: V,
      K: R,
      bT: true,
      lda: H * R,
      ldo: H * V,
      batch: { count: H, a: R, b: perHead, out: V },
      precision,
    });
    linear(p.o, 0, attended, T, D, H * V).forEach((y, i) => {
      out[i] = x[i] + y;
    });
  },
});
