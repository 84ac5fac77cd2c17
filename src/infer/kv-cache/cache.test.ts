import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { configOf, loadWeights, openFolder } from "../../checkpoint/index.ts";
import { batchOf, type CacheDtype, LatentCache, type RouterTrace, Transformer } from "../../model/index.ts";
import { Arena, availableIsas, createKernels, type Isa, Tape } from "../../tensor/index.ts";

function openCase(name: string, isa: Isa) {
  const folder = openFolder(fileURLToPath(new URL(`../../../test/goldens/${name}`, import.meta.url)));
  const config = configOf(folder);
  const kernels = createKernels({ isa });
  const transformer = new Transformer(config, loadWeights(folder, config, "f32", kernels));
  const arenas = [new Arena(1 << 20), new Arena(1 << 20)];
  const tape = (which: 0 | 1) => {
    arenas[which].reset();
    return new Tape({ kernels, arena: arenas[which], precision: "f32" });
  };
  return { config, transformer, tape };
}

const ids = Array.from({ length: 75 }, (_, i) => (i * 37 + 11) % 199);

function naiveLogits({ transformer, tape }: ReturnType<typeof openCase>): Float32Array {
  const run = tape(0);
  return transformer.logits(run, transformer.forward(run, batchOf([ids]))).data;
}

/** Logits of every token when the sequence comes in pieces of these lengths. */
function cachedLogits(
  { config, transformer, tape }: ReturnType<typeof openCase>,
  pieces: number[],
  dtype: CacheDtype,
): Float32Array {
  const cache = new LatentCache(config, ids.length + 3, dtype);
  const out = new Float32Array(ids.length * config.vocabSize);
  let past = 0;
  for (const count of pieces) {
    const run = tape(1);
    const hidden = transformer.forwardCached(
      run,
      Int32Array.from(ids.slice(past, past + count)),
      [{ rowStart: 3, past, count }],
      cache,
    );
    out.set(transformer.logits(run, hidden).data, past * config.vocabSize);
    past += count;
  }
  expect(past).toBe(ids.length);
  return out;
}

function worst(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return difference / largest;
}

const splits = {
  "token by token": Array(75).fill(1),
  "one piece": [75],
  "half and single": [40, ...Array(35).fill(1)],
  uneven: [1, 33, 2, 31, 8],
  short: [7, 31, 37],
};

describe.each(availableIsas())("the latent cache on %s", (isa) => {
  it.each(["base", "yarn", "no-q-lora", "no-norm-topk", "many-experts"])(
    "%s: gives the logits of the naive pass at any split",
    (name) => {
      const opened = openCase(name, isa);
      const expected = naiveLogits(opened);
      for (const [split, pieces] of Object.entries(splits)) {
        expect(worst(cachedLogits(opened, pieces, "f32"), expected), split).toBeLessThan(1e-4);
      }
    },
  );

  it("in bf16 stays near", () => {
    const opened = openCase("yarn", isa);
    // Eight bits of mantissa, two layers deep: a few parts in a hundred.
    expect(worst(cachedLogits(opened, splits.uneven, "bf16"), naiveLogits(opened))).toBeLessThan(0.03);
  });

  it("in int8 stays near, at any split", () => {
    const opened = openCase("base", isa);
    const expected = naiveLogits(opened);
    for (const pieces of Object.values(splits))
      expect(worst(cachedLogits(opened, pieces, "int8"), expected)).toBeLessThan(0.06);
  });

  it("continues several sequences in one pass", () => {
    const opened = openCase("base", isa);
    const { config, transformer, tape } = opened;
    const expected = naiveLogits(opened);
    const V = config.vocabSize;
    const cache = new LatentCache(config, 200, "f32");
    const starts = [0, 100];
    const pasts = [0, 0];
    for (const [a, b] of [
      [10, 3],
      [1, 1],
      [33, 1],
      [1, 40],
    ]) {
      const run = tape(1);
      const spans = [a, b].map((count, s) => ({ rowStart: starts[s], past: pasts[s], count }));
      const tokens = spans.flatMap(({ past, count }) => ids.slice(past, past + count));
      const logits = transformer.logits(
        run,
        transformer.forwardCached(run, Int32Array.from(tokens), spans, cache),
      ).data;
      for (const [s, from] of [
        [0, 0],
        [1, a],
      ]) {
        const rows = logits.subarray(from * V, (from + spans[s].count) * V);
        expect(worst(rows, expected.subarray(pasts[s] * V, (pasts[s] + spans[s].count) * V))).toBeLessThan(1e-4);
      }
      pasts[0] += a;
      pasts[1] += b;
    }
  });

  it("goes on where the table of angles grows, and reports the experts of the naive pass", () => {
    const [naive, { config, transformer, tape }] = [openCase("yarn", isa), openCase("yarn", isa)];
    const long = Array.from({ length: 262 }, (_, i) => (i * 37 + 11) % 199);
    const routers: RouterTrace[] = [];
    const expected = naive.transformer.forward(naive.tape(0), batchOf([long]), { traces: routers }).data;
    const { hiddenSize: D, numExpertsPerTok: K } = config;
    const cache = new LatentCache(config, long.length, "f32");
    let past = 0;
    for (const count of [252, 1, 2, 1, 6]) {
      const seen: RouterTrace[] = [];
      const spans = [{ rowStart: 0, past, count }];
      const tokens = Int32Array.from(long.slice(past, past + count));
      const got = transformer.forwardCached(tape(1), tokens, spans, cache, seen).data;
      expect(worst(got, expected.subarray(past * D, (past + count) * D))).toBeLessThan(1e-4);
      expect(seen.map(({ indices }) => [...indices])).toEqual(
        routers.map(({ indices }) => [...indices.subarray(past * K, (past + count) * K)]),
      );
      past += count;
    }
  });

  it("the MTP depth over its own cache equals the naive one", () => {
    const { config, transformer, tape } = openCase("mtp", isa);
    const run = tape(0);
    const batch = batchOf([ids], 1);
    const hidden = transformer.forward(run, batch);
    const expected = transformer.mtpForward(run, 1, hidden, batch).data;
    const cache = new LatentCache(config, 75, "f32", true);
    const D = config.hiddenSize;
    let past = 0;
    for (const count of [5, 1, 34, 20, 15]) {
      const part = tape(1);
      const rows = { data: hidden.data.subarray(past * D, (past + count) * D), shape: [count, D], grad: null };
      const next = batch.ids[1].subarray(past, past + count);
      const got = transformer.mtpForwardCached(
        part,
        1,
        { hidden: rows, nextIds: next },
        [{ rowStart: 0, past, count }],
        cache.layers[config.numHiddenLayers],
      ).data;
      expect(worst(got, expected.subarray(past * D, (past + count) * D))).toBeLessThan(1e-4);
      past += count;
    }
  });
});
