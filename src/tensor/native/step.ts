/** The native twin of the steps of decoding: buffers checked, arguments in the order of `native/*-step.cc`. */

import type { Kernels } from "../kernels.ts";
import type { HeldMatrix } from "../kernels-step.ts";
import type { NativeTable } from "./addon.ts";
import { need } from "./need.ts";

const NOTHING = new Float32Array(0);
const NO_MATRIX: HeldMatrix = { data: NOTHING };

/** Numbers or codes, scales or null, bits. */
function flat({ data, quantised }: HeldMatrix) {
  return quantised ? ([quantised.codes, quantised.scales, quantised.bits] as const) : ([data, null, 0] as const);
}

/** Refuses a matrix that does not hold N·K numbers, or, quantised, is no whole panels. */
function check(kernel: string, name: string, { data, quantised }: HeldMatrix, N: number, K: number): void {
  if (!quantised) {
    need(kernel, { [name]: [data, N * K] });
    return;
  }
  if (N % 16 || K % 32)
    throw new RangeError(`${kernel}: a quantised matrix is a multiple of 16 × 32, and ${name} is ${N} × ${K}`);
  const { codes, scales, bits } = quantised;
  need(kernel, { [`${name}'s codes`]: [codes, (N * K * bits) / 8], [`${name}'s scales`]: [scales, (N * K) / 32] });
}

export function nativeSteps(table: NativeTable): Pick<Kernels, "feedForwardStep" | "attentionStep"> {
  return {
    feedForwardStep({ out, x, norm, eps, T, D, shared, experts }) {
      const kernel = "feedForwardStep";
      need(kernel, { out: [out, T * D], x: [x, T * D], norm: [norm, D] });
      if (shared) {
        check(kernel, "shared gateUp", shared.gateUp, 2 * shared.F, D);
        check(kernel, "shared down", shared.down, D, shared.F);
      }
      if (experts) {
        const { router, bias, gateUp, down, indices, weights, offsets, E, F, K } = experts;
        check(kernel, "gateUp", gateUp, E * 2 * F, D);
        check(kernel, "down", down, E * D, F);
        need(kernel, { router: [router, E * D], bias: [bias, E], indices: [indices, T * K] });
        need(kernel, { weights: [weights, T * K], offsets: [offsets, E + 1] });
      }
      const e = experts;
      table.feedForwardStep(
        out,
        x,
        norm,
        ...flat(shared?.gateUp ?? NO_MATRIX),
        ...flat(shared?.down ?? NO_MATRIX),
        e?.router ?? NOTHING,
        e?.bias ?? NOTHING,
        ...flat(e?.gateUp ?? NO_MATRIX),
        ...flat(e?.down ?? NO_MATRIX),
        e?.indices ?? null,
        e?.weights ?? null,
        e?.offsets ?? null,
        T,
        D,
        eps,
        shared?.F ?? 0,
        e?.E ?? 0,
        e?.F ?? 0,
        e?.K ?? 0,
        e?.groups ?? 1,
        e?.topkGroups ?? 1,
        e?.normalise ?? false,
        e?.scale ?? 1,
      );
    },

    attentionStep(p) {
      const kernel = "attentionStep";
      const { out, x, norm, eps, T, D, qA, qANorm, rank, q, kvA, kvANorm, kvB, o, cos, sin, positions } = p;
      const { cache, cacheScales, rowStart, rowCount, H, N, P, V, R, scale, interleaved } = p;
      need(kernel, { out: [out, T * D], x: [x, T * D], norm: [norm, D], kvANorm: [kvANorm, R] });
      if (rank > 0) {
        check(kernel, "qA", qA!, rank, D);
        need(kernel, { qANorm: [qANorm!, rank] });
      }
      check(kernel, "q", q, H * (N + P), rank || D);
      check(kernel, "kvA", kvA, R + P, D);
      check(kernel, "o", o, D, H * V);
      need(kernel, { positions: [positions, T], rowStart: [rowStart, T], rowCount: [rowCount, T] });
      let rows = 0;
      let last = -1;
      for (let t = 0; t < T; t++) {
        rows = Math.max(rows, rowStart[t] + rowCount[t]);
        last = Math.max(last, positions[t]);
      }
      need(kernel, {
        kvB: [kvB, H * (N + V) * R],
        cos: [cos, ((last + 1) * P) / 2],
        sin: [sin, ((last + 1) * P) / 2],
        cache: [cache, rows * (R + P)],
        cacheScales: [cacheScales ?? NOTHING, cache instanceof Int8Array ? rows * 2 : 0],
      });
      table.attentionStep(
        out,
        x,
        norm,
        ...flat(qA ?? NO_MATRIX),
        qANorm,
        ...flat(q),
        ...flat(kvA),
        kvANorm,
        kvB,
        ...flat(o),
        cos,
        sin,
        positions,
        cache,
        cacheScales,
        rowStart,
        rowCount,
        T,
        D,
        eps,
        rank,
        H,
        N,
        P,
        V,
        R,
        scale,
        interleaved,
      );
    },
  };
}
