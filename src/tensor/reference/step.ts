/** The halves of a layer for a few tokens: the kernels that they are made of, one after the other. */
import { type F32, f32ToBf16, type I32 } from "../dtype.ts";
import type { Kernels } from "../kernels.ts";
import type { HeldMatrix } from "../kernels-step.ts";
import { attentionKernels } from "./attention.ts";
import { expertsKernels } from "./experts.ts";
import { matmulKernels } from "./matmul.ts";
import { normRopeKernels } from "./norm-rope.ts";
import { quantisedKernels } from "./quantised.ts";

/** a[J,K] through rows from … of matrix number e of several [N,K]. */
function linear({ data, quantised }: HeldMatrix, e: number, a: F32, J: number, N: number, K: number): F32 {
  const out: F32 = new Float32Array(J * N);
  if (quantised) {
    const { bits } = quantised;
    const codes = quantised.codes.subarray((e * N * K * bits) / 8);
    const scales = quantised.scales.subarray((e * N * K) / 32);
    quantisedKernels.quantisedMatmul({ out, a, codes, scales, bits, offsets: null, J, E: 1, N, K });
  } else {
    const precision = data instanceof Uint16Array ? "bf16" : "f32";
    matmulKernels.matmul({ out, a, b: data.subarray(e * N * K), M: J, N, K, bT: true, precision });
  }
  return out;
}

function normed(x: F32, w: F32, T: number, D: number, eps: number, ldx = D): F32 {
  const out: F32 = new Float32Array(T * D);
  normRopeKernels.rmsNorm({ out, rstd: new Float32Array(T), x, w, T, D, eps, ldx });
  return out;
}

/** A feed-forward of rows a[J,D], with weights number e. */
function feedForward(w: { gateUp: HeldMatrix; down: HeldMatrix; F: number }, e: number, a: F32, J: number, D: number) {
  const hidden: F32 = new Float32Array(J * w.F);
  expertsKernels.swiglu({ out: hidden, x: linear(w.gateUp, e, a, J, 2 * w.F, D), T: J, F: w.F });
  return linear(w.down, e, hidden, J, D, w.F);
}

export const stepKernels: Pick<
  Kernels,
  "feedForwardStep" | "attentionStep" | "mostStepTokens" | "prepareLayers" | "runAlone"
> = {
  feedForwardStep({ out, x, norm, eps, T, D, shared, experts }) {
    const h = normed(x, norm, T, D, eps);
    out.set(x.subarray(0, T * D));
    if (experts) {
      const { E, K, offsets, indices, weights, router, bias } = experts;
      const logits: F32 = new Float32Array(T * E);
      matmulKernels.matmul({ out: logits, a: h, b: router, M: T, N: E, K: D, bT: true, precision: "f32" });
      expertsKernels.route({ ...experts, scores: new Float32Array(T * E), indices, weights, logits, bias, T });
      const place: I32 = new Int32Array(T * K);
      const tokens: I32 = new Int32Array(T * K);
      expertsKernels.dispatch({ place, tokens, offsets, indices, T, E, K });
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
    const { out, x, norm, eps, T, D, qA, qANorm, rank, kvB, positions, interleaved } = p;
    const { cache, cacheScales, rowStart, rowCount, H, N, P, V, R, scale } = p;
    const h = normed(x, norm, T, D, eps);
    const low = rank > 0 ? normed(linear(qA!, 0, h, T, rank, D), qANorm!, T, rank, eps) : h;
    const q = linear(p.q, 0, low, T, H * (N + P), rank || D);
    const latent = linear(p.kvA, 0, h, T, R + P, D);
    const turn = { positions, cos: p.cos, sin: p.sin, T, P, interleaved };
    normRopeKernels.rope({ ...turn, x: q.subarray(N), H, ld: H * (N + P), headStride: N + P });
    normRopeKernels.rope({ ...turn, x: latent.subarray(R), H: 1, ld: R + P, headStride: P });
    const cKv = normed(latent, p.kvANorm, T, R, eps, R + P);
    for (let t = 0; t < T; t++) {
      const row = rowStart[t] + rowCount[t] - 1;
      const parts = [cKv.subarray(t * R, (t + 1) * R), latent.subarray(t * (R + P) + R, (t + 1) * (R + P))];
      parts.forEach((part, i) => {
        const at = row * (R + P) + i * R;
        if (!(cache instanceof Int8Array)) {
          cache.set(cache instanceof Uint16Array ? Uint16Array.from(part, f32ToBf16) : part, at);
          return;
        }
        const largest = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        const inverse = largest === 0 ? 0 : 127 / largest;
        part.forEach((value, j) => {
          cache[at + j] = Math.round(value * inverse);
        });
        cacheScales![row * 2 + i] = largest / 127;
      });
    }
    const precision = kvB instanceof Uint16Array ? "bf16" : "f32";
    const perHead = (N + V) * R;
    const qLatent: F32 = new Float32Array(T * H * R);
    const outLatent: F32 = new Float32Array(T * H * R);
    const attended: F32 = new Float32Array(T * H * V);
    matmulKernels.matmul({
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
    attentionKernels.latentAttention({ ...shape, ...queries, out: outLatent });
    matmulKernels.matmul({
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

  mostStepTokens: 64,

  prepareLayers(layers) {
    return (T) => {
      for (const { attention, feedForward } of layers) {
        stepKernels.attentionStep({ ...attention, T });
        stepKernels.feedForwardStep({ ...feedForward, T });
      }
    };
  },

  // It is always alone.
  runAlone() {},
};
