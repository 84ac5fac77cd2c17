import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { createKernels } from "../../tensor/index.ts";
import { draw, Sampler, type SamplingOptions, verify } from "./sampler.ts";

const LOGITS = Float32Array.from([2, 1, 0, -1, -2, 0.5]);

const sampler = new Sampler(createKernels(), 100);

/** How often each id is drawn. */
function shares(options: SamplingOptions, draws = 40_000, seen: number[] = []): number[] {
  const random = new Random(11);
  const counts = new Array(LOGITS.length).fill(0);
  for (let i = 0; i < draws; i++) counts[sampler.sample(LOGITS, options, random, seen).id]++;
  return counts.map((count) => count / draws);
}

const softmax = (x: readonly number[]) => {
  const weights = x.map((value) => Math.exp(value - Math.max(...x)));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
};

function expectShares(measured: number[], expected: number[]): void {
  // Five standard deviations of a share over 40,000 draws.
  measured.forEach((share, id) => {
    const deviation = Math.sqrt((expected[id] * (1 - expected[id])) / 40_000);
    expect(Math.abs(share - expected[id])).toBeLessThanOrEqual(5 * deviation);
  });
}

/** The softmax over those ids alone. */
const among = (ids: readonly number[], temperature = 1) =>
  softmax([...LOGITS].map((value, id) => (ids.includes(id) ? value / temperature : Number.NEGATIVE_INFINITY)));

describe("sample", () => {
  it("temperature 0 takes the likeliest, the first of equals", () => {
    expect(sampler.sample(LOGITS, { temperature: 0 }, new Random(1)).id).toBe(0);
    expect(sampler.sample(Float32Array.from([1, 3, 3, 2]), { temperature: 0 }, new Random(1)).id).toBe(1);
  });

  it("draws from the softmax of logits over temperature", () => {
    expectShares(shares({ temperature: 1 }), among([0, 1, 2, 3, 4, 5]));
    expectShares(shares({ temperature: 0.5 }), among([0, 1, 2, 3, 4, 5], 0.5));
    expectShares(shares({ temperature: 3 }), among([0, 1, 2, 3, 4, 5], 3));
  });

  it("top-k keeps the k likeliest, top-p the fewest that reach the sum, min-p those with a share of the best", () => {
    expectShares(shares({ temperature: 1, topK: 2 }), among([0, 1]));
    expectShares(shares({ temperature: 1, topK: 99 }), among([0, 1, 2, 3, 4, 5]));
    const p = softmax([...LOGITS]);
    expectShares(shares({ temperature: 1, topP: p[0] - 0.01 }), among([0]));
    expectShares(shares({ temperature: 1, topP: p[0] + 0.01 }), among([0, 1]));
    // exp(0.5 − 2) = 0.22, exp(0 − 2) = 0.135
    expectShares(shares({ temperature: 1, minP: 0.2 }), among([0, 1, 5]));
    expectShares(shares({ temperature: 1, topK: 4, topP: 0.999, minP: 0.2 }), among([0, 1, 5]));
  });

  it("takes the first token where none is possible, whatever the filters", () => {
    const impossible = new Float32Array(9).fill(Number.NEGATIVE_INFINITY);
    const filters = [{}, { topK: 4 }, { topP: 0.5 }, { topK: 4, topP: 0.5, minP: 0.1 }, { temperature: 0 }];
    for (const options of filters) expect(sampler.sample(impossible, options, new Random(1)).id).toBe(0);
  });

  it("top-p 0 and min-p 1 leave the likeliest", () => {
    expect(shares({ temperature: 1, topP: 0 }, 100)[0]).toBe(1);
    expect(shares({ temperature: 1, minP: 1 }, 100)[0]).toBe(1);
  });

  it("the penalty divides positive logits of tokens seen and multiplies negative ones, once each", () => {
    const expected = softmax([2 / 1.5, 1, 0, -1.5, -2, 0.5]);
    expectShares(shares({ temperature: 1, repetitionPenalty: 1.5 }, 40_000, [0, 3, 0, 2]), expected);
  });

  it("gives the log probability of the model's own distribution, whatever the filters", () => {
    const p = softmax([...LOGITS]);
    const { id, logprob } = sampler.sample(
      LOGITS,
      { temperature: 0.3, topK: 1, repetitionPenalty: 2, logprobs: true },
      new Random(1),
      [0, 1],
    );
    expect(Math.exp(logprob!)).toBeCloseTo(p[id], 6);
    expect(sampler.sample(LOGITS, {}, new Random(1)).logprob).toBeNull();
  });

  it("never picks what is impossible, and leaves the logits as they are", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            { weight: 4, arbitrary: fc.float({ min: -80, max: 80, noNaN: true }) },
            fc.constant(Number.NEGATIVE_INFINITY),
          ),
          {
            minLength: 1,
            maxLength: 40,
          },
        ),
        fc.record({
          temperature: fc.double({ min: 0.01, max: 50, noNaN: true }),
          topK: fc.nat(50),
          topP: fc.double({ min: 0, max: 1, noNaN: true }),
          minP: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        fc.nat(1000),
        (values, options, seed) => {
          fc.pre(values.some(Number.isFinite));
          const logits = Float32Array.from(values);
          const { id, logprob } = sampler.sample(logits, { ...options, logprobs: true }, new Random(seed));
          expect(logits).toEqual(Float32Array.from(values));
          expect(Number.isFinite(logits[id])).toBe(true);
          expect(logprob).toBeLessThanOrEqual(1e-6);
          if (options.topK > 0)
            expect(values.filter((value) => Math.fround(value) > logits[id]).length).toBeLessThan(options.topK);
        },
      ),
      { seed: 4, numRuns: 1000 },
    );
  });
});

describe("distribution", () => {
  it("leaves what a full sort would leave", () => {
    const number = fc.oneof(fc.float({ min: -60, max: 60, noNaN: true }), fc.constantFrom(0, 1, 1, 2));
    fc.assert(
      fc.property(
        fc.array(number, { minLength: 1, maxLength: 80 }),
        fc.constantFrom(0, 1, 2, 5, 50, 100),
        fc.constantFrom(0, 0.3, 0.9, 0.999, 1),
        fc.constantFrom(0.05, 0.7, 1, 9),
        (values, topK, topP, temperature) => {
          const logits = Float32Array.from(values);
          const largest = Math.max(...logits);
          const weight = (id: number) => Math.exp((logits[id] - largest) / temperature);
          let ids = values.map((_, id) => id).sort((a, b) => logits[b] - logits[a] || a - b);
          if (topK > 0) ids = ids.slice(0, topK);
          if (topP < 1) {
            const total = ids.reduce((sum, id) => sum + weight(id), 0);
            let sum = 0;
            ids = ids.filter((id, i) => {
              const before = sum;
              sum += weight(id);
              return i === 0 || before < topP * total * (1 - 1e-12);
            });
          }
          const got = sampler.distribution(logits, { temperature, topK, topP });
          expect([...got.ids].sort((a, b) => a - b)).toEqual([...ids].sort((a, b) => a - b));
          got.ids.forEach((id, i) => {
            expect(got.weights[i] / Math.fround(weight(id)) || 1).toBeCloseTo(1, 4);
          });
        },
      ),
      { seed: 12, numRuns: 2_000 },
    );
  });
});

describe("verify", () => {
  const guesses = Float32Array.from([0, 2, 1, -1, 0.5, 0]);

  it.each<[string, SamplingOptions]>([
    ["plain", { temperature: 1 }],
    ["hot", { temperature: 2 }],
    ["with filters", { temperature: 1, topK: 3, topP: 0.95 }],
    ["with a share of the best", { temperature: 0.7, minP: 0.2 }],
  ])("%s: a drafted token, kept or replaced, is distributed as the model's own", (_, options) => {
    const random = new Random(21);
    const [q, p] = [sampler.distribution(guesses, options), sampler.distribution(LOGITS, options)];
    const counts = new Array(6).fill(0);
    let accepted = 0;
    for (let i = 0; i < 40_000; i++) {
      const verdict = verify(draw(q, random), q, p, random);
      counts[verdict.id]++;
      accepted += Number(verdict.accepted);
    }
    const total = p.weights.reduce((a, b) => a + b, 0);
    const expected = new Array(6).fill(0);
    p.ids.forEach((id, i) => {
      expected[id] = p.weights[i] / total;
    });
    expectShares(
      counts.map((count) => count / 40_000),
      expected,
    );
    // Kept as often as can be: Σ min(p, q).
    const totalQ = q.weights.reduce((a, b) => a + b, 0);
    const overlap = q.ids.reduce((sum, id, i) => sum + Math.min(q.weights[i] / totalQ, expected[id]), 0);
    expect(accepted / 40_000).toBeCloseTo(overlap, 1);
  });

  it("greedy: kept when it is the likeliest, else replaced by it", () => {
    const p = sampler.distribution(LOGITS, { temperature: 0 });
    const random = new Random(1);
    expect(verify(0, sampler.distribution(LOGITS, { temperature: 0 }), p, random)).toEqual({ id: 0, accepted: true });
    expect(verify(1, sampler.distribution(guesses, { temperature: 0 }), p, random)).toEqual({ id: 0, accepted: false });
  });
});
