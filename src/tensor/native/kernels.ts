/** The native twin: each kernel checks that its buffers are long enough and passes them on as a flat list (the order stands beside each kernel in `native/`). */
import type { Storage } from "../dtype.ts";
import type { AttentionShape, Kernels, Precision } from "../kernels.ts";
import { referenceKernels } from "../reference/index.ts";
import type { NativeIsa, NativeTable } from "./addon.ts";
import { nativeFeedForward } from "./feed-forward.ts";
import { nativeLoss } from "./loss.ts";
import { need } from "./need.ts";
import { nativeSteps } from "./step.ts";

/** Elements from the first to the last of `rows` rows of `columns`, `ld` apart. */
function extent(rows: number, columns: number, ld: number): number {
  return rows === 0 || columns === 0 ? 0 : (rows - 1) * ld + columns;
}

/** Quantised weights stand in panels of 16 rows and blocks of 32 columns. */
function checkPanels(kernel: string, N: number, K: number): void {
  if (N % 16 || K % 32) throw new RangeError(`${kernel}: a quantised matrix is a multiple of 16 × 32, not ${N} × ${K}`);
}

const ONE = { count: 1, a: 0, b: 0, out: 0 };

const isBf16 = (precision: Precision) => precision === "bf16";

/** Packed rows of a head hold this many numbers; no published model has wider heads. */
const WIDEST_HEAD = 256;

function checkAttention(kernel: string, p: AttentionShape, buffers: Record<string, [Storage, number, number]>): void {
  const { segments, S } = p;
  need(kernel, { segments: [segments, S * 4] });
  let queries = 0;
  let keys = 0;
  for (let s = 0; s < S; s++) {
    queries = Math.max(queries, segments[s * 4] + segments[s * 4 + 1]);
    keys = Math.max(keys, segments[s * 4 + 2] + segments[s * 4 + 3]);
    if (segments[s * 4 + 3] < segments[s * 4 + 1])
      throw new RangeError(`${kernel}: segment ${s} has fewer keys than queries`);
  }
  for (const name in buffers) {
    const [data, perQuery, perKey] = buffers[name];
    need(kernel, { [name]: [data, queries * perQuery + keys * perKey] });
  }
}

export function nativeKernels(table: NativeTable, isa: NativeIsa): Kernels {
  return {
    isa,
    ...nativeSteps(table, isa),
    ...nativeFeedForward(table),
    ...nativeLoss(table),

    matmul(p) {
      const { out, a, b, M, N, K, aT = false, bT = false, accumulate = false } = p;
      const { lda = aT ? M : K, ldb = bT ? K : N, ldo = N, batch = ONE } = p;
      const last = batch.count - 1;
      if (last < 0) return;
      need("matmul", {
        out: [out, last * batch.out + extent(M, N, ldo)],
        a: [a, last * batch.a + (aT ? extent(K, M, lda) : extent(M, K, lda))],
        b: [b, last * batch.b + (bT ? extent(N, K, ldb) : extent(K, N, ldb))],
      });
      const layout = [aT, bT, lda, ldb, ldo, accumulate, isBf16(p.precision)] as const;
      table.matmul(out, a, b, M, N, K, ...layout, batch.count, batch.a, batch.b, batch.out);
    },

    groupedMatmul(p) {
      const { kind, out, a, b, offsets, E, N, K, accumulate = false } = p;
      need("groupedMatmul", { offsets: [offsets, E + 1] });
      const J = offsets[E];
      need("groupedMatmul", {
        out: [out, kind === "weight" ? E * N * K : J * (kind === "forward" ? N : K)],
        a: [a, J * (kind === "forward" ? K : N)],
        b: [b, kind === "weight" ? J * K : E * N * K],
      });
      table.groupedMatmul(
        ["forward", "input", "weight"].indexOf(kind),
        out,
        a,
        b,
        offsets,
        E,
        N,
        K,
        accumulate,
        isBf16(p.precision),
      );
    },

    rmsNorm({ out, rstd, x, w, T, D, eps, ldx = D, ldo = D }) {
      need("rmsNorm", { out: [out, extent(T, D, ldo)], rstd: [rstd, T], x: [x, extent(T, D, ldx)], w: [w, D] });
      table.rmsNorm(out, rstd, x, w, T, D, eps, ldx, ldo);
    },

    rmsNormBackward({ dx, dw, dy, x, w, rstd, T, D, ldx = D, lddx = D, lddy = D }) {
      need("rmsNormBackward", {
        dx: [dx, extent(T, D, lddx)],
        dw: [dw, D],
        dy: [dy, extent(T, D, lddy)],
        x: [x, extent(T, D, ldx)],
        w: [w, D],
        rstd: [rstd, T],
      });
      table.rmsNormBackward(dx, dw, dy, x, w, rstd, T, D, ldx, lddx, lddy);
    },

    rope({ x, positions, cos, sin, T, H, P, ld, headStride, interleaved, inverse = false }) {
      if (H === 0 || P === 0) return;
      need("rope", { x: [x, extent(T, (H - 1) * headStride + P, ld)], positions: [positions, T] });
      let last = -1;
      for (let t = 0; t < T; t++) if (positions[t] > last) last = positions[t];
      need("rope", { cos: [cos, ((last + 1) * P) / 2], sin: [sin, ((last + 1) * P) / 2] });
      table.rope(x, positions, cos, sin, T, H, P, ld, headStride, interleaved, inverse);
    },

    attention(p) {
      const { segments, S, H, N, P, V, ldk = P, scale, out, lse, q, kv, kRope } = p;
      if (N + P > WIDEST_HEAD || V > WIDEST_HEAD) return referenceKernels.attention(p);
      checkAttention("attention", p, {
        out: [out, H * V, 0],
        lse: [lse, H, 0],
        q: [q, H * (N + P), 0],
        kv: [kv, 0, H * (N + V)],
      });
      checkRope("attention", "kRope", p, kRope, ldk);
      table.attention(segments, S, H, N, P, V, ldk, scale, isBf16(p.precision), out, lse, q, kv, kRope);
    },

    attentionBackward(p) {
      const {
        segments,
        S,
        H,
        N,
        P,
        V,
        ldk = P,
        lddk = P,
        scale,
        fresh = false,
        dq,
        dkv,
        dkRope,
        dout,
        out,
        lse,
        q,
        kv,
        kRope,
      } = p;
      if (N + P > WIDEST_HEAD || V > WIDEST_HEAD) return referenceKernels.attentionBackward(p);
      const perQuery = H * (N + P);
      const perKey = H * (N + V);
      checkAttention("attentionBackward", p, {
        dq: [dq, perQuery, 0],
        q: [q, perQuery, 0],
        dkv: [dkv, 0, perKey],
        kv: [kv, 0, perKey],
        dout: [dout, H * V, 0],
        out: [out, H * V, 0],
        lse: [lse, H, 0],
      });
      checkRope("attentionBackward", "kRope", p, kRope, ldk);
      checkRope("attentionBackward", "dkRope", p, dkRope, lddk);
      const bf16 = isBf16(p.precision);
      table.attentionBackward(
        segments,
        S,
        H,
        N,
        P,
        V,
        ldk,
        scale,
        bf16,
        dq,
        dkv,
        dkRope,
        lddk,
        dout,
        out,
        lse,
        q,
        kv,
        kRope,
        fresh,
      );
    },

    latentAttention({
      out,
      qLatent,
      qRope,
      cache,
      cacheScales,
      rowStart,
      rowCount,
      Nq,
      H,
      R,
      P,
      ldq,
      qHeadStride,
      scale,
    }) {
      need("latentAttention", {
        rowStart: [rowStart, Nq],
        rowCount: [rowCount, Nq],
        out: [out, Nq * H * R],
        qLatent: [qLatent, Nq * H * R],
      });
      if (Nq === 0 || H === 0) return;
      let rows = 0;
      for (let n = 0; n < Nq; n++) rows = Math.max(rows, rowStart[n] + rowCount[n]);
      need("latentAttention", {
        cache: [cache, rows * (R + P)],
        cacheScales: [cacheScales ?? new Float32Array(0), cache instanceof Int8Array ? rows * 2 : 0],
        qRope: [qRope, extent(Nq, (H - 1) * qHeadStride + P, ldq)],
      });
      table.latentAttention(
        out,
        qLatent,
        qRope,
        cache,
        cacheScales,
        rowStart,
        rowCount,
        Nq,
        H,
        R,
        P,
        ldq,
        qHeadStride,
        scale,
      );
    },

    swiglu({ out, x, T, F }) {
      need("swiglu", { out: [out, T * F], x: [x, T * 2 * F] });
      table.swiglu(out, x, T, F);
    },

    swigluBackward({ dx, dy, x, T, F, fresh = false }) {
      need("swigluBackward", { dx: [dx, T * 2 * F], dy: [dy, T * F], x: [x, T * 2 * F] });
      table.swigluBackward(dx, dy, x, T, F, fresh);
    },

    route({ scores, indices, weights, logits, bias, T, E, K, groups, topkGroups, normalise, scale }) {
      need("route", {
        scores: [scores, T * E],
        indices: [indices, T * K],
        weights: [weights, T * K],
        logits: [logits, T * E],
        bias: [bias, E],
      });
      table.route(scores, indices, weights, logits, bias, T, E, K, groups, topkGroups, normalise, scale);
    },

    routeBackward({ dLogits, dWeights, dScores, scores, indices, T, E, K, normalise, scale }) {
      need("routeBackward", {
        dLogits: [dLogits, T * E],
        dWeights: [dWeights, T * K],
        scores: [scores, T * E],
        indices: [indices, T * K],
      });
      if (dScores) need("routeBackward", { dScores: [dScores, T * E] });
      table.routeBackward(dLogits, dWeights, dScores, scores, indices, T, E, K, normalise, scale);
    },

    balanceLoss({ dScores, scores, indices, segments, S, T, E, K, alpha, gradScale }) {
      need("balanceLoss", {
        dScores: [dScores, T * E],
        scores: [scores, T * E],
        indices: [indices, T * K],
        segments: [segments, S * 4],
      });
      return table.balanceLoss(dScores, scores, indices, segments, S, T, E, K, alpha, gradScale);
    },

    dispatch({ place, tokens, offsets, indices, T, E, K }) {
      need("dispatch", {
        place: [place, T * K],
        tokens: [tokens, T * K],
        offsets: [offsets, E + 1],
        indices: [indices, T * K],
      });
      table.dispatch(place, tokens, offsets, indices, T, E, K);
    },

    gatherRows({ out, x, rows, J, D }) {
      need("gatherRows", { out: [out, J * D], rows: [rows, J] });
      table.gatherRows(out, x, rows, J, D);
    },

    scatterRows({ dx, dy, rows, J, D, X }) {
      need("scatterRows", { dx: [dx, X * D], dy: [dy, J * D], rows: [rows, J] });
      table.scatterRows(dx, dy, rows, J, D, X);
    },

    combine({ out, y, weights, place, T, K, D }) {
      need("combine", { out: [out, T * D], y: [y, T * K * D], place: [place, T * K] });
      if (weights) need("combine", { weights: [weights, T * K] });
      table.combine(out, y, weights, place, T, K, D);
    },

    combineBackward({ dy, dWeights, dout, y, weights, place, T, K, D, fresh = false }) {
      need("combineBackward", {
        dy: [dy, T * K * D],
        dWeights: [dWeights, T * K],
        dout: [dout, T * D],
        y: [y, T * K * D],
        weights: [weights, T * K],
        place: [place, T * K],
      });
      table.combineBackward(dy, dWeights, dout, y, weights, place, T, K, D, fresh);
    },

    adamw({ w, g, m, v, n, lr, beta1, beta2, eps, decay, step, gradScale }) {
      need("adamw", { w: [w, n], g: [g, n], m: [m, n], v: [v, n] });
      table.adamw(w, g, m, v, n, lr, beta1, beta2, eps, decay, 1 - beta1 ** step, 1 - beta2 ** step, gradScale);
    },

    add({ out, a, b, n, scaleA = 1, scaleB = 1 }) {
      need("add", { out: [out, n], a: [a, n], b: [b, n] });
      table.add(out, a, b, n, scaleA, scaleB);
    },

    zero({ x, n }) {
      need("zero", { x: [x, n] });
      table.zero(x, n);
    },

    sumSquares({ x, n }) {
      need("sumSquares", { x: [x, n] });
      return table.sumSquares(x, n);
    },

    convert({ out, x, n }) {
      need("convert", { out: [out, n], x: [x, n] });
      table.convert(out, x, n);
    },

    quantiseFp8({ codes, factors, x, R, C }) {
      need("quantiseFp8", {
        codes: [codes, R * C],
        factors: [factors, Math.ceil(R / 128) * Math.ceil(C / 128)],
        x: [x, R * C],
      });
      table.quantiseFp8(codes, factors, x, R, C);
    },

    quantise({ codes, scales, bits, x, N, K }) {
      checkPanels("quantise", N, K);
      const n = N * K;
      need("quantise", { codes: [codes, (n * bits) / 8], scales: [scales, n / 32], x: [x, n] });
      table.quantise(codes, scales, x, N, K, bits);
    },

    quantisedMatmul({ out, a, codes, scales, bits, offsets, J, E, N, K }) {
      checkPanels("quantisedMatmul", N, K);
      if (offsets) need("quantisedMatmul", { offsets: [offsets, E + 1] });
      const n = E * N * K;
      need("quantisedMatmul", {
        out: [out, J * N],
        a: [a, J * K],
        codes: [codes, (n * bits) / 8],
        scales: [scales, n / 32],
      });
      table.quantisedMatmul(out, a, codes, scales, offsets, J, E, N, K, bits);
    },

    dequantiseFp8({ codes, factors, out, R, C }) {
      need("dequantiseFp8", {
        codes: [codes, R * C],
        factors: [factors, Math.ceil(R / 128) * Math.ceil(C / 128)],
        out: [out, R * C],
      });
      table.dequantiseFp8(codes, factors, out, R, C);
    },
  };
}

function checkRope(kernel: string, name: string, p: AttentionShape, data: Storage, ld: number): void {
  let keys = 0;
  for (let s = 0; s < p.S; s++) keys = Math.max(keys, p.segments[s * 4 + 2] + p.segments[s * 4 + 3]);
  need(kernel, { [name]: [data, extent(keys, p.P, ld)] });
}
