/**
 * The native twin of the steps of decoding: buffers checked, arguments in the order of `native/*-step.cc`. A layer's weights and sizes are the
 * same at each step: they are checked and handed over once, because for a small model that takes as long as the step.
 */
import type { Storage } from "../dtype.ts";
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

type OpenArgument = Storage | number | null;
type BoundKernel = (...args: OpenArgument[]) => void;

/** A kernel of the table with most of its arguments bound, once for each layer. */
class Binder {
  private readonly table: NativeTable;
  private readonly kernel: string;
  private readonly open: Int32Array;
  /** By a matrix of the layer: what was bound, which holds its memory, and the call. */
  private readonly layers = new WeakMap<HeldMatrix, { fixed: readonly unknown[]; call: BoundKernel }>();

  /** open: places of the arguments that change from step to step. */
  constructor(table: NativeTable, kernel: string, open: readonly number[]) {
    this.table = table;
    this.kernel = kernel;
    this.open = Int32Array.from(open);
  }

  /**
   * The call for a layer.
   * @param fixed all that is bound: another thing or number among them, and it is bound anew
   * @param args checks what is fixed and gives all arguments, those that are open too, with anything in their places
   */
  of(key: HeldMatrix, fixed: readonly unknown[], args: () => readonly unknown[]): BoundKernel {
    const known = this.layers.get(key);
    if (known && same(known.fixed, fixed)) return known.call;
    const call = this.table.bind(this.kernel, this.open, ...args()) as BoundKernel;
    this.layers.set(key, { fixed, call });
    return call;
  }
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function nativeSteps(table: NativeTable): Pick<Kernels, "feedForwardStep" | "attentionStep"> {
  // Open: out, x, indices, weights, offsets, T.
  const feedForward = new Binder(table, "feedForwardStep", [0, 1, 17, 18, 19, 20]);
  // Open: out, x, cos, sin, positions, cache, cacheScales, rowStart, rowCount, T.
  const attention = new Binder(table, "attentionStep", [0, 1, 18, 19, 20, 21, 22, 23, 24, 25]);

  return {
    feedForwardStep({ out, x, norm, eps, T, D, shared, experts: e }) {
      const kernel = "feedForwardStep";
      const { gateUp, down, F } = shared ?? { gateUp: NO_MATRIX, down: NO_MATRIX, F: 0 };
      const fixed: unknown[] = [
        norm,
        eps,
        D,
        gateUp,
        down,
        F,
        e?.router,
        e?.bias,
        e?.gateUp,
        e?.down,
        e?.E,
        e?.F,
        e?.K,
      ];
      if (e) fixed.push(e.groups, e.topkGroups, e.normalise, e.scale);
      const call = feedForward.of(e?.down ?? down, fixed, () => {
        need(kernel, { norm: [norm, D] });
        if (shared) {
          check(kernel, "shared gateUp", gateUp, 2 * F, D);
          check(kernel, "shared down", down, D, F);
        }
        if (e) {
          check(kernel, "gateUp", e.gateUp, e.E * 2 * e.F, D);
          check(kernel, "down", e.down, e.E * D, e.F);
          need(kernel, { router: [e.router, e.E * D], bias: [e.bias, e.E] });
        }
        const routed = e ?? { router: NOTHING, bias: NOTHING, gateUp: NO_MATRIX, down: NO_MATRIX, E: 0, F: 0, K: 0 };
        return [
          null,
          null,
          norm,
          ...flat(gateUp),
          ...flat(down),
          routed.router,
          routed.bias,
          ...flat(routed.gateUp),
          ...flat(routed.down),
          null,
          null,
          null,
          0,
          D,
          eps,
          F,
          routed.E,
          routed.F,
          routed.K,
          e?.groups ?? 1,
          e?.topkGroups ?? 1,
          e?.normalise ?? false,
          e?.scale ?? 1,
        ];
      });
      need(kernel, { out: [out, T * D], x: [x, T * D] });
      if (e) {
        const { indices, weights, offsets, E, K } = e;
        need(kernel, { indices: [indices, T * K], weights: [weights, T * K], offsets: [offsets, E + 1] });
      }
      call(out, x, e?.indices ?? null, e?.weights ?? null, e?.offsets ?? null, T);
    },

    attentionStep(p) {
      const kernel = "attentionStep";
      const { out, x, norm, eps, T, D, qA, qANorm, rank, q, kvA, kvANorm, kvB, o, cos, sin, positions } = p;
      const { cache, cacheScales, rowStart, rowCount, H, N, P, V, R, scale, interleaved } = p;
      const sizes = [D, eps, rank, H, N, P, V, R, scale, interleaved];
      const call = attention.of(o, [norm, qA, qANorm, q, kvA, kvANorm, kvB, o, ...sizes], () => {
        need(kernel, { norm: [norm, D], kvANorm: [kvANorm, R], kvB: [kvB, H * (N + V) * R] });
        if (rank > 0) {
          check(kernel, "qA", qA!, rank, D);
          need(kernel, { qANorm: [qANorm!, rank] });
        }
        check(kernel, "q", q, H * (N + P), rank || D);
        check(kernel, "kvA", kvA, R + P, D);
        check(kernel, "o", o, D, H * V);
        const weights = [...flat(qA ?? NO_MATRIX), qANorm, ...flat(q), ...flat(kvA), kvANorm, kvB, ...flat(o)];
        return [null, null, norm, ...weights, null, null, null, null, null, null, null, 0, ...sizes];
      });
      need(kernel, { out: [out, T * D], x: [x, T * D] });
      need(kernel, { positions: [positions, T], rowStart: [rowStart, T], rowCount: [rowCount, T] });
      let rows = 0;
      let last = -1;
      for (let t = 0; t < T; t++) {
        rows = Math.max(rows, rowStart[t] + rowCount[t]);
        last = Math.max(last, positions[t]);
      }
      need(kernel, {
        cos: [cos, ((last + 1) * P) / 2],
        sin: [sin, ((last + 1) * P) / 2],
        cache: [cache, rows * (R + P)],
        cacheScales: [cacheScales ?? NOTHING, cache instanceof Int8Array ? rows * 2 : 0],
      });
      call(out, x, cos, sin, positions, cache, cacheScales, rowStart, rowCount, T);
    },
  };
}
