/** The native twin of the steps of decoding: buffers checked, arguments in the order of `native/*-step.cc`. */
import type { AttentionStep, FeedForwardStep, HeldMatrix, Kernels } from "../kernels.ts";
import type { NativeIsa, NativeTable } from "./addon.ts";
import { need } from "./need.ts";

const NOTHING = new Float32Array(0);
const NO_MATRIX: HeldMatrix = { data: NOTHING };
/** Places of the number of tokens among the kernels' arguments. */
const FEED_FORWARD_TOKENS = 20;
const ATTENTION_TOKENS = 25;

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

/** A kernel's name, the place of its number of tokens, and its arguments. */
type Call = readonly unknown[];

function feedForwardCall({ out, x, norm, eps, T, D, shared, experts: e }: FeedForwardStep): Call {
  const kernel = "feedForwardStep";
  need(kernel, { out: [out, T * D], x: [x, T * D], norm: [norm, D] });
  const { gateUp, down, F } = shared ?? { gateUp: NO_MATRIX, down: NO_MATRIX, F: 0 };
  if (shared) {
    check(kernel, "shared gateUp", gateUp, 2 * F, D);
    check(kernel, "shared down", down, D, F);
  }
  const dense = [out, x, norm, ...flat(gateUp), ...flat(down)];
  if (!e) {
    const none = [NOTHING, NOTHING, ...flat(NO_MATRIX), ...flat(NO_MATRIX), null, null, null];
    return [kernel, FEED_FORWARD_TOKENS, ...dense, ...none, T, D, eps, F, 0, 0, 0, 1, 1, false, 1];
  }
  const { E, K } = e;
  check(kernel, "gateUp", e.gateUp, E * 2 * e.F, D);
  check(kernel, "down", e.down, E * D, e.F);
  need(kernel, { router: [e.router, E * D], bias: [e.bias, E] });
  need(kernel, { indices: [e.indices, T * K], weights: [e.weights, T * K], offsets: [e.offsets, E + 1] });
  const routed = [e.router, e.bias, ...flat(e.gateUp), ...flat(e.down), e.indices, e.weights, e.offsets];
  const sizes = [T, D, eps, F, E, e.F, K, e.groups, e.topkGroups, e.normalise, e.scale];
  return [kernel, FEED_FORWARD_TOKENS, ...dense, ...routed, ...sizes];
}

function attentionCall(p: AttentionStep): Call {
  const kernel = "attentionStep";
  const { out, x, norm, eps, T, D, qA, qANorm, rank, q, kvA, kvANorm, kvB, o, cos, sin, positions } = p;
  const { cache, cacheScales, rowStart, rowCount, H, N, P, V, R, scale, interleaved } = p;
  need(kernel, { out: [out, T * D], x: [x, T * D], norm: [norm, D] });
  need(kernel, { kvANorm: [kvANorm, R], kvB: [kvB, H * (N + V) * R] });
  if (rank > 0) {
    check(kernel, "qA", qA!, rank, D);
    need(kernel, { qANorm: [qANorm!, rank] });
  }
  check(kernel, "q", q, H * (N + P), rank || D);
  check(kernel, "kvA", kvA, R + P, D);
  check(kernel, "o", o, D, H * V);
  need(kernel, { positions: [positions, T], rowStart: [rowStart, T], rowCount: [rowCount, T] });
  const weights = [...flat(qA ?? NO_MATRIX), qANorm, ...flat(q), ...flat(kvA), kvANorm, kvB, ...flat(o)];
  const places = [cos, sin, positions, cache, cacheScales, rowStart, rowCount];
  const sizes = [T, D, eps, rank, H, N, P, V, R, scale, interleaved];
  return [kernel, ATTENTION_TOKENS, out, x, norm, ...weights, ...places, ...sizes];
}

/** Refuses tokens whose positions have no angles or whose rows are not in the cache: of all that is fixed, these buffers' contents are not. */
function checkPlaces({ positions, rowStart, rowCount, cos, sin, cache, cacheScales, R, P }: AttentionStep, T: number) {
  let rows = 0;
  let last = -1;
  for (let t = 0; t < T; t++) {
    rows = Math.max(rows, rowStart[t] + rowCount[t]);
    last = Math.max(last, positions[t]);
  }
  const angles = ((last + 1) * P) / 2;
  need("attentionStep", {
    cos: [cos, angles],
    sin: [sin, angles],
    cache: [cache, rows * (R + P)],
    cacheScales: [cacheScales ?? NOTHING, cache instanceof Int8Array ? rows * 2 : 0],
  });
}

export function nativeSteps(
  table: NativeTable,
  isa: NativeIsa,
): Pick<Kernels, "feedForwardStep" | "attentionStep" | "mostStepTokens" | "prepareLayers" | "runAlone"> {
  return {
    // Tiles need many rows at once.
    mostStepTokens: isa === "amx" ? 32 : 64,

    feedForwardStep(p) {
      table.prepare([feedForwardCall(p)])(p.T);
    },

    attentionStep(p) {
      checkPlaces(p, p.T);
      table.prepare([attentionCall(p)])(p.T);
    },

    prepareLayers(layers) {
      const most = Math.min(...layers.map(({ attention, feedForward }) => Math.min(attention.T, feedForward.T)));
      const run = table.prepare(
        layers.flatMap(({ attention, feedForward }) => [attentionCall(attention), feedForwardCall(feedForward)]),
      );
      // The layers stay in this closure, and with them the memory that the addon was handed.
      return (T) => {
        if (T > most) throw new RangeError(`prepareLayers: ${T} tokens in buffers for ${most}`);
        for (const { attention } of layers) checkPlaces(attention, T);
        run(T);
      };
    },

    runAlone(alone) {
      table.runAlone(alone);
    },
  };
}
