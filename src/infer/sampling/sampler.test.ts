import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createKernels } from "../../tensor/index.ts";
import { resolveParams, type SamplingParams } from "./params.ts";
import { RequestSampler } from "./request-sampler.ts";
import { Sampler } from "./sampler.ts";

const LOGITS = Float32Array.from([2, 1, 0, -1, -2, 0.5]);

const sampler = new Sampler(createKernels(), 100);

/** A sampler of one request, whose prompt was `seen`. */
const requestSampler = (params: SamplingParams, seen: number[] = []) =>
  new RequestSampler(resolveParams({ seed: 11, ...params }, {}, 100), seen, sampler);

/** How often each id is drawn. */
function shares(params: SamplingParams, draws = 40_000, seen: number[] = []): number[] {
  const own = requestSampler(params, seen);
  const counts = new Array(LOGITS.length).fill(0);
  for (let i = 0; i < draws; i++) counts[own.sample(LOGITS, null)]++;
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
    expect(requestSampler({ temperature: 0 }).sample(LOGITS, null)).toBe(0);
    expect(requestSampler({ temperature: 0 }).sample(Float32Array.from([1, 3, 3, 2]), null)).toBe(1);
  });

  it("draws from the softmax of logits over temperature", () => {
    expectShares(shares({ temperature: 1 }), among([0, 1, 2, 3, 4, 5]));
    expectShares(shares({ temperature: 0.5 }), among([0, 1, 2, 3, 4, 5], 0.5));
    expectShares(shares({ temperature: 2 }), among([0, 1, 2, 3, 4, 5], 2));
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
    const filters: SamplingParams[] = [
      {},
      { topK: 4 },
      { topP: 0.5 },
      { topK: 4, topP: 0.5, minP: 0.1 },
      { temperature: 0 },
    ];
    for (const options of filters) expect(requestSampler(options).sample(impossible, null)).toBe(0);
  });

  it("top-p 0 and min-p 1 leave the likeliest", () => {
    expect(shares({ temperature: 1, topP: 0 }, 100)[0]).toBe(1);
    expect(shares({ temperature: 1, minP: 1 }, 100)[0]).toBe(1);
  });

  it("the penalty divides positive logits of tokens seen and multiplies negative ones, once each", () => {
    const expected = softmax([2 / 1.5, 1, 0, -1.5, -2, 0.5]);
    expectShares(shares({ temperature: 1, repetitionPenalty: 1.5 }, 40_000, [0, 3, 0, 2]), expected);
  });

  it("subtracts presence once and frequency each time, of what was generated and not of the prompt", () => {
    const own = requestSampler({ temperature: 1, presencePenalty: 0.5, frequencyPenalty: 0.25 }, [4]);
    for (const id of [0, 0, 3]) own.took(id);
    const counts = new Array(6).fill(0);
    for (let i = 0; i < 40_000; i++) counts[own.sample(LOGITS, null)]++;
    const expected = softmax([2 - 0.5 - 2 * 0.25, 1, 0, -1 - 0.5 - 0.25, -2, 0.5]);
    expectShares(
      counts.map((count) => count / 40_000),
      expected,
    );
  });

  it("draws the same in another order of asking: a draft does not use up a random number", () => {
    const [plain, drafting] = [requestSampler({ temperature: 1 }), requestSampler({ temperature: 1 })];
    for (let i = 0; i < 200; i++) {
      const draft = drafting.draft(LOGITS, null);
      const drawn = plain.sample(LOGITS, null);
      expect(draft).toBe(drawn);
      expect(drafting.sample(LOGITS, null)).toBe(drawn);
    }
  });

  it("gives log probabilities of the model's own distribution", () => {
    const p = softmax([...LOGITS]);
    p.forEach((share, id) => {
      expect(Math.exp(sampler.logprob(id, LOGITS))).toBeCloseTo(share, 6);
    });
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
          temperature: fc.double({ min: 0.01, max: 2, noNaN: true }),
          topK: fc.nat(50),
          topP: fc.double({ min: 0, max: 1, noNaN: true }),
          minP: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        fc.nat(1000),
        (values, params, seed) => {
          fc.pre(values.some(Number.isFinite));
          const logits = Float32Array.from(values);
          const id = requestSampler({ ...params, seed, repetitionPenalty: 1.3 }, [0, 3]).sample(logits, null);
          expect(logits).toEqual(Float32Array.from(values));
          expect(Number.isFinite(logits[id])).toBe(true);
          expect(sampler.logprob(id, logits)).toBeLessThanOrEqual(1e-6);
          const kept = requestSampler({ ...params, seed }).sample(logits, null);
          if (params.topK > 0)
            expect(values.filter((value) => Math.fround(value) > logits[kept]).length).toBeLessThan(params.topK);
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
          const got = sampler.distribution(logits, { temperature, topK, topP, minP: 0 });
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
