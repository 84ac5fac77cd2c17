import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Corpus, Mixture, type MixtureOptions } from "../index.ts";

/** A corpus whose documents hold first, first + 1, …; every third token counts for the assistant. */
function corpusOf(lengths: readonly number[], first = 0): Corpus {
  const total = lengths.reduce((a, b) => a + b, 0);
  const starts = Int32Array.from([0, ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b, 0))]);
  const tokens = Int32Array.from({ length: total }, (_, i) => first + i);
  return {
    tokens,
    mask: Uint8Array.from(tokens, (id) => Number(id % 3 === 0)),
    starts,
    skipped: 0,
    skippedBy: {},
    textBytes: total,
  };
}

const options = (changes: Partial<MixtureOptions> = {}): MixtureOptions => ({
  packing: "documents",
  loss: "all",
  sequenceLength: 8,
  mtpDepths: 1,
  seed: 5,
  ...changes,
});

describe("documents", () => {
  it("every token is a target once an epoch", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 12 }),
        fc.nat(99),
        (lengths, seed) => {
          const corpus = corpusOf(lengths);
          const mixture = new Mixture([{ corpus, weight: 1 }], options({ seed, mtpDepths: 0, sequenceLength: 1 }));
          const seen = new Map<number, number>();
          for (let i = 0; i < corpus.tokens.length; i++) {
            const [target] = mixture.next(1).targets[0];
            seen.set(target, (seen.get(target) ?? 0) + 1);
          }
          // The epoch's first token is nobody's target; the first of the next epoch takes its place.
          const twice = [...seen.values()].filter((count) => count === 2).length;
          expect(seen.size + twice).toBe(corpus.tokens.length);
          expect(twice).toBeLessThanOrEqual(1);
        },
      ),
      { seed: 1, numRuns: 100 },
    );
  });

  it("lays a token's successors beside it for every MTP depth, and keeps sequences apart", () => {
    const mixture = new Mixture([{ corpus: corpusOf([400]), weight: 1 }], options({ mtpDepths: 2 }));
    const { ids, targets, positions, segments } = mixture.next(3);
    for (let row = 0; row < 24; row++) {
      for (let depth = 0; depth < 3; depth++) {
        expect(ids[depth][row]).toBe(ids[0][row] + depth);
        expect(targets[depth][row]).toBe(ids[0][row] + depth + 1);
      }
    }
    expect([...positions]).toEqual(Array.from({ length: 24 }, (_, row) => row % 8));
    expect([...segments]).toEqual([0, 8, 0, 8, 8, 8, 8, 8, 16, 8, 16, 8]);
    expect(mixture.next(1).ids[0][0]).toBe(ids[0][23] + 1);
  });

  it("counts only the assistant's tokens where that is asked for", () => {
    const { ids, targets } = new Mixture([{ corpus: corpusOf([99]), weight: 1 }], options({ loss: "assistant" })).next(
      2,
    );
    targets[0].forEach((target, row) => {
      const next = ids[0][row] + 1;
      expect(target).toBe(next % 3 === 0 ? next : -1);
    });
  });

  it("takes from sources by weight times size", () => {
    const small = corpusOf([50, 50], 0);
    const large = corpusOf(Array(10).fill(40), 1000);
    const mixture = new Mixture(
      [
        { corpus: small, weight: 2 },
        { corpus: large, weight: 1 },
      ],
      options(),
    );
    let fromSmall = 0;
    for (let i = 0; i < 600; i++) fromSmall += Number(mixture.next(1).ids[0][0] < 1000);
    expect(fromSmall / 600).toBeCloseTo(200 / 600, 2);
  });
});

describe("chats", () => {
  it("whole conversations, each a segment of its own, each once an epoch", () => {
    const lengths = [5, 3, 7, 2, 6, 4];
    const corpus = corpusOf(lengths);
    const mixture = new Mixture(
      [{ corpus, weight: 1 }],
      options({ packing: "chats", sequenceLength: 9, mtpDepths: 0 }),
    );
    const seen: number[] = [];
    while (seen.length < lengths.length) {
      const { ids, targets, positions, segments } = mixture.next(1);
      let covered = 0;
      for (let s = 0; s < segments.length; s += 4) {
        const [start, length, keyStart, keyLength] = segments.subarray(s, s + 4);
        expect([start, length]).toEqual([keyStart, keyLength]);
        expect(start).toBe(covered);
        covered += length;
        const document = corpus.starts.indexOf(ids[0][start]);
        // What is left at the end belongs to nobody and has no targets.
        if (targets[0][start] < 0) continue;
        seen.push(document);
        expect(length).toBe(lengths[document]);
        for (let i = 0; i < length; i++) {
          expect(positions[start + i]).toBe(i);
          expect(targets[0][start + i]).toBe(i + 1 < length ? ids[0][start] + i + 1 : -1);
        }
      }
      expect(covered).toBe(9);
    }
    expect(new Set(seen.slice(0, lengths.length)).size).toBe(lengths.length);
  });

  it("a conversation longer than a sequence is cut, not lost", () => {
    const { ids, segments } = new Mixture([{ corpus: corpusOf([30]), weight: 1 }], options({ packing: "chats" })).next(
      1,
    );
    expect([...ids[0]]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...segments]).toEqual([0, 8, 0, 8]);
  });
});

describe("going on", () => {
  it.each(["documents", "chats"] as const)("%s: restored at any step, the rest is the same", (packing) => {
    const sources = () => [
      { corpus: corpusOf([5, 9, 3, 14, 2, 8]), weight: 1.5 },
      { corpus: corpusOf([7, 7, 7], 500), weight: 1 },
    ];
    const whole = new Mixture(sources(), options({ packing }));
    const batches = Array.from({ length: 30 }, () => {
      const cursors = JSON.parse(JSON.stringify(whole.save()));
      return { cursors, batch: whole.next(2) };
    });
    for (const at of [0, 1, 7, 18, 29]) {
      const resumed = new Mixture(sources(), options({ packing }));
      resumed.restore(batches[at].cursors);
      for (const { batch } of batches.slice(at)) expect(resumed.next(2)).toEqual(batch);
    }
  });

  it("another seed gives another order", () => {
    const of = (seed: number) =>
      new Mixture([{ corpus: corpusOf(Array(20).fill(4)), weight: 1 }], options({ seed })).next(4).ids;
    expect(of(1)).toEqual(of(1));
    expect(of(1)).not.toEqual(of(2));
  });
});
