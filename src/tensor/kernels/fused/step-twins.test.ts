import fc from "fast-check";
import { expect, it } from "vitest";
import type { Bf16, F32, I8 } from "../../dtype.ts";
import type { AttentionStep, FeedForwardStep, HeldMatrix, Kernels } from "../../kernels.ts";
import {
  describeTwins,
  expectClose,
  Operands,
  positiveSize,
  reference,
  runs,
  size,
  withThreads,
} from "../../testing/twins.ts";

type How = "f32" | "bf16" | 8 | 4;
const held = fc.constantFrom<How>("f32", "bf16", 8, 4);
const fits = (how: How, N: number, K: number) => (typeof how === "number" && (N % 16 || K % 32) ? "bf16" : how);

/** A matrix [N,K] as it may be held; where it is no whole panels, in bf16. */
function matrix(o: Operands, N: number, K: number, wanted: How, scale = 1): HeldMatrix {
  const how = fits(wanted, N, K);
  const factor = scale / Math.sqrt(K || 1);
  if (how === "f32") return { data: o.f32(N * K, factor) };
  if (how === "bf16") return { data: o.bf16(N * K, factor) };
  const codes: I8 = new Int8Array((N * K * how) / 8);
  const scales: Bf16 = new Uint16Array((N * K) / 32);
  reference.quantise({ codes, scales, bits: how, x: o.f32(N * K, factor), N, K });
  return { data: new Uint16Array(0), quantised: { codes, scales, bits: how } };
}

// 48: an odd number of panels; 288: more than what is formed at once.
const widths = fc.oneof(fc.constantFrom(32, 48, 64, 96, 288), positiveSize(70));

const feedForwards = fc.record({
  T: size(9),
  D: widths,
  sharedF: fc.oneof(fc.constant(0), widths),
  E: fc.constantFrom(0, 4, 8),
  F: widths,
  K: fc.constantFrom(1, 3),
  groups: fc.constantFrom(1, 4),
  hows: fc.tuple(held, held, held, held),
  s: fc.nat(),
});
const feedForward = ({
  T,
  D,
  sharedF,
  E,
  F,
  K,
  groups,
  hows,
  s,
}: typeof feedForwards extends fc.Arbitrary<infer S> ? S : never) => {
  const o = new Operands(s);
  const p: FeedForwardStep = {
    out: new Float32Array(T * D).fill(7),
    x: o.f32(T * D),
    norm: o.f32(D),
    eps: 1e-6,
    T,
    D,
    shared: sharedF
      ? {
          gateUp: matrix(o, 2 * sharedF, D, fits(hows[0], sharedF, D)),
          down: matrix(o, D, sharedF, hows[1]),
          F: sharedF,
        }
      : null,
    experts: E
      ? {
          router: o.f32(E * D),
          bias: s % 3 ? o.f32(E) : null,
          gateUp: matrix(o, E * 2 * F, D, fits(hows[2], F, D)),
          down: matrix(o, E * D, F, fits(hows[3], D, F)),
          E,
          F,
          K,
          groups,
          topkGroups: groups === 1 ? 1 : 3,
          scoring: s % 5 < 3 ? "sigmoid" : "softmax",
          groupScore: s % 7 < 4 ? "topTwo" : "max",
          normalize: s % 2 === 0,
          scale: 1.5,
          indices: new Int32Array(T * K),
          weights: new Float32Array(T * K),
          offsets: new Int32Array(E + 1),
        }
      : null,
  };
  return p;
};

const attentions = fc.record({
  sequences: fc.array(fc.record({ past: size(140), count: positiveSize(3) }), { maxLength: 4 }),
  D: widths,
  rank: fc.oneof(fc.constant(0), widths),
  H: fc.constantFrom(1, 2, 3, 4, 7, 8),
  N: positiveSize(40),
  pairs: fc.constantFrom(1, 4, 8),
  V: positiveSize(40),
  R: widths,
  hows: fc.tuple(held, held, held, held),
  kvB: fc.constantFrom<How>("f32", "bf16"),
  cache: fc.constantFrom("f32", "bf16", "int8"),
  interleaved: fc.boolean(),
  s: fc.nat(),
});
const attention = ({
  sequences,
  D,
  rank,
  H,
  N,
  pairs,
  V,
  R,
  hows,
  kvB,
  cache,
  interleaved,
  s,
}: typeof attentions extends fc.Arbitrary<infer S> ? S : never): AttentionStep => {
  const o = new Operands(s);
  const P = pairs * 2;
  const rowStart: number[] = [];
  const rowCount: number[] = [];
  let rows = 0;
  for (const { past, count } of sequences) {
    for (let i = 0; i < count; i++) {
      rowStart.push(rows);
      rowCount.push(past + i + 1);
    }
    rows += past + count + 2;
  }
  const T = rowStart.length;
  const positions = Int32Array.from(rowCount, (count) => count - 1);
  const angles = o.f32(150 * pairs);
  const n = rows * (R + P);
  return {
    out: new Float32Array(T * D).fill(7),
    x: o.f32(T * D),
    norm: o.f32(D),
    eps: 1e-6,
    T,
    D,
    qA: rank ? matrix(o, rank, D, hows[0]) : null,
    qANorm: rank ? o.f32(rank) : null,
    rank,
    latentEps: s % 2 ? 1e-6 : 1e-2,
    q: matrix(o, H * (N + P), rank || D, hows[1]),
    kvA: matrix(o, R + P, D, hows[2]),
    kvANorm: o.f32(R),
    kvB: matrix(o, H * (N + V), R, kvB).data,
    o: matrix(o, D, H * V, hows[3]),
    cos: angles.map(Math.cos),
    sin: angles.map(Math.sin),
    positions,
    interleaved,
    cache: cache === "f32" ? o.f32(n) : cache === "bf16" ? o.bf16(n) : Int8Array.from(o.ids(n, 255), (x) => x - 127),
    cacheScales: cache === "int8" ? o.f32(rows * 2, 0.01) : null,
    rowStart: Int32Array.from(rowStart),
    rowCount: Int32Array.from(rowCount),
    H,
    N,
    P,
    V,
    R,
    scale: 1 / Math.sqrt(N + P),
  };
};

describeTwins("feedForwardStep", (native) => {
  const run = (kernels: Kernels, p: FeedForwardStep) => {
    const experts = p.experts && {
      ...p.experts,
      indices: p.experts.indices.slice(),
      weights: p.experts.weights.slice(),
      offsets: p.experts.offsets.slice(),
    };
    const out: F32 = p.out.slice();
    kernels.feedForwardStep({ ...p, out, experts });
    return { out, experts };
  };

  it("computes what the reference does", () => {
    fc.assert(
      fc.property(feedForwards, (values) => {
        const p = feedForward(values);
        const [got, expected] = [run(native, p), run(reference, p)];
        if (expected.experts) {
          expect(got.experts!.indices).toEqual(expected.experts.indices);
          expect(got.experts!.offsets).toEqual(expected.experts.offsets);
          expectClose(got.experts!.weights, expected.experts.weights, 1e-5, "weights");
        }
        // A number that lies between two steps of a rounding may fall to either side.
        expectClose(got.out, expected.out, 1e-2, "out");
        let difference = 0;
        for (let i = 0; i < got.out.length; i++) difference += Math.abs(got.out[i] - expected.out[i]);
        expect(difference).toBeLessThanOrEqual(1e-3 * (got.out.length + 1));
      }),
      runs(80),
    );
  });

  it("gives a token the same numbers whatever stands beside it, on any number of threads", () => {
    const all = feedForward({ T: 6, D: 64, sharedF: 32, E: 8, F: 64, K: 3, groups: 4, hows: [8, 8, 4, 4], s: 3 });
    const together = withThreads(3, () => run(native, all).out);
    expect(withThreads(1, () => run(native, all).out)).toEqual(together);
    for (let t = 0; t < 6; t++) {
      const one = { ...all, T: 1, x: all.x.subarray(t * 64, (t + 1) * 64), out: new Float32Array(64) };
      expect(run(native, one).out).toEqual(together.subarray(t * 64, (t + 1) * 64));
    }
  });

  it("refuses a matrix that is too small", () => {
    const p = feedForward({ T: 1, D: 32, sharedF: 32, E: 4, F: 32, K: 1, groups: 1, hows: ["f32", "f32", 8, 8], s: 1 });
    const shared = { ...p.shared!, down: { data: new Float32Array(5) } };
    expect(() => native.feedForwardStep({ ...p, shared })).toThrow(/shared\.down holds 5 elements, needs 1024/);
    const experts = { ...p.experts!, E: 5, router: new Float32Array(160), bias: new Float32Array(5) };
    expect(() => native.feedForwardStep({ ...p, experts })).toThrow(/experts\.gateUp's codes holds/);
  });
});

describeTwins("attentionStep", (native) => {
  const run = (kernels: Kernels, p: AttentionStep) => {
    const out: F32 = p.out.slice();
    const cache = p.cache.slice() as typeof p.cache;
    const cacheScales = p.cacheScales?.slice() ?? null;
    kernels.attentionStep({ ...p, out, cache, cacheScales });
    return { out, cache, cacheScales };
  };

  it("computes what the reference does, and writes the same rows of the cache", () => {
    fc.assert(
      fc.property(attentions, (values) => {
        const p = attention(values);
        const [got, expected] = [run(native, p), run(reference, p)];
        expectClose(got.out, expected.out, 2e-2, "out");
        let difference = 0;
        for (let i = 0; i < got.out.length; i++) difference += Math.abs(got.out[i] - expected.out[i]);
        expect(difference).toBeLessThanOrEqual(3e-3 * (got.out.length + 1));
        if (p.cache instanceof Float32Array) expectClose(got.cache, expected.cache, 1e-2, "cache");
        let other = 0;
        for (let i = 0; i < got.cache.length; i++) other += Number(Math.abs(got.cache[i] - expected.cache[i]) > 1);
        // Codes and bf16 may fall to the neighbouring step where they lie between two; rows of others are as they were.
        if (!(p.cache instanceof Float32Array)) expect(other).toBeLessThanOrEqual(p.T * 3);
        if (p.cacheScales) expectClose(got.cacheScales!, expected.cacheScales!, 1e-3, "scales");
      }),
      runs(60),
    );
  });

  it("gives a token the same numbers whatever stands beside it, on any number of threads", () => {
    const sequences = [
      { past: 70, count: 1 },
      { past: 3, count: 1 },
      { past: 0, count: 1 },
    ];
    const sizes = { D: 64, rank: 32, H: 8, N: 32, pairs: 8, V: 32, R: 64 } as const;
    const all = attention({
      ...sizes,
      sequences,
      hows: [8, 8, 4, 4],
      kvB: "bf16",
      cache: "bf16",
      interleaved: true,
      s: 4,
    });
    const together = withThreads(3, () => run(native, all));
    expect(withThreads(1, () => run(native, all))).toEqual(together);
    for (let t = 0; t < 3; t++) {
      const own = {
        rowStart: all.rowStart.slice(t),
        rowCount: all.rowCount.slice(t),
        positions: all.positions.slice(t),
      };
      const x = all.x.slice(t * 64, (t + 1) * 64);
      expect(run(native, { ...all, ...own, T: 1, x, out: new Float32Array(64) }).out).toEqual(
        together.out.subarray(t * 64, (t + 1) * 64),
      );
    }
  });

  it("refuses a cache that is too small", () => {
    const sizes = { D: 32, rank: 0, H: 1, N: 8, pairs: 4, V: 8, R: 32 } as const;
    const p = attention({
      ...sizes,
      hows: ["f32", "f32", "f32", "f32"],
      sequences: [{ past: 4, count: 1 }],
      kvB: "f32",
      cache: "f32",
      interleaved: false,
      s: 1,
    });
    expect(() => native.attentionStep({ ...p, cache: new Float32Array(40) })).toThrow(
      /cache holds 40 elements, needs 200/,
    );
  });
});

describeTwins("prepareLayers", (native) => {
  const D = 64;
  /** Two layers over one residual stream with room for five tokens, each with a cache of its own. */
  const make = () => {
    const x = new Operands(5).f32(5 * D);
    const sizes = { D, rank: 32, H: 4, N: 16, pairs: 4, V: 16, R: 32 } as const;
    const sequences = [
      { past: 6, count: 2 },
      { past: 0, count: 1 },
      { past: 40, count: 2 },
    ];
    return [8, 4].map((bits, i) => {
      const hows: [How, How, How, How] = [bits as How, bits as How, "bf16", bits as How];
      const a = attention({ ...sizes, sequences, hows, kvB: "bf16", cache: "bf16", interleaved: true, s: i });
      const f = feedForward({ T: 5, D, sharedF: i ? 32 : 64, E: i ? 8 : 0, F: 32, K: 3, groups: 4, hows, s: i });
      return { attention: { ...a, x, out: x }, feedForward: { ...f, x, out: x } };
    });
  };

  it("runs the steps of its layers in place, for as many tokens as it is told, again and again", () => {
    const [prepared, single] = [make(), make()];
    const run = native.prepareLayers(prepared);
    for (const T of [5, 1, 3]) {
      run(T);
      for (const layer of single) {
        native.attentionStep({ ...layer.attention, T });
        native.feedForwardStep({ ...layer.feedForward, T });
      }
      expect(prepared).toEqual(single);
    }
  });

  it("gives the same on the caller's thread alone", () => {
    const passes = (aloneIn: (pass: number) => boolean) => {
      const layers = make();
      const run = native.prepareLayers(layers);
      for (let pass = 0; pass < 60; pass++) {
        native.runAlone(aloneIn(pass));
        withThreads(3, () => run(1 + (pass % 5)));
      }
      native.runAlone(false);
      return layers;
    };
    const together = passes(() => false);
    expect(passes(() => true)).toEqual(together);
    expect(passes((pass) => pass % 3 === 1)).toEqual(together);
  });

  it("gives the same on threads that change in number, are more than the processor's, or have fallen asleep", () => {
    const passes = (threadsOf: (pass: number) => number) => {
      const layers = make();
      const run = native.prepareLayers(layers);
      for (let pass = 0; pass < 60; pass++) {
        if (pass % 20 === 19) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
        withThreads(threadsOf(pass), () => run(1 + (pass % 5)));
      }
      return layers;
    };
    expect(passes((pass) => 1 + ((pass >> 2) % 6))).toEqual(passes(() => 1));
  });

  it("computes what the reference does", () => {
    const [got, expected] = [make(), make()];
    native.prepareLayers(got)(4);
    reference.prepareLayers(expected)(4);
    expectClose(got[1].feedForward.out, expected[1].feedForward.out, 2e-2, "out");
    expect(got[1].feedForward.experts!.offsets).toEqual(expected[1].feedForward.experts!.offsets);
  });

  it("takes buffers whose rows and positions are filled in later", () => {
    const layers = make();
    const filled = layers.map(({ attention }) => attention.rowCount.slice());
    for (const { attention } of layers) attention.rowCount.fill(0);
    const run = native.prepareLayers(layers);
    expect(() => run(5)).toThrow("attentionStep: rowCount: entry 0 is 0 rows from row 0 on");
    layers.forEach(({ attention }, i) => {
      attention.rowCount.set(filled[i]);
    });
    run(5);
  });

  it("refuses more tokens than its buffers hold, and rows that the cache lacks", () => {
    const layers = make();
    const run = native.prepareLayers(layers);
    expect(() => run(6)).toThrow("prepareLayers: 6 tokens in buffers for 5");
    layers[1].attention.rowCount[0] = 1000;
    expect(() => run(5)).toThrow(/attentionStep: cache holds/);
    expect(() => native.prepareLayers([{ ...layers[0], feedForward: { ...layers[0].feedForward, T: 6 } }])).toThrow(
      "feedForwardStep: out holds 320 elements, needs 384",
    );
  });
});
