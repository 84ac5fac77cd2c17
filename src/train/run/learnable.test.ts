import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Mixture } from "../../data/index.ts";
import { parseRecipe } from "../recipe/recipe.ts";
import { checkLearnable, learnableOf, remarksOn } from "./learnable.ts";

const stageOf = (changes: Record<string, unknown>) =>
  parseRecipe({
    name: "t",
    from: "m",
    stages: [{ name: "s", tokens: 10_000, lr: 1, mixture: [{ path: "x" }], ...changes }],
  }).stages[0];

/** Documents as masks, laid end to end. */
const corpusOf = (masks: readonly (readonly number[])[]) => ({
  tokens: Int32Array.from(masks.flat(), (_, i) => i % 7),
  mask: Uint8Array.from(masks.flat()),
  starts: Int32Array.from([0, ...masks.map((_, i) => masks.slice(0, i + 1).flat().length)]),
  skipped: 0,
  skippedBy: {},
  textBytes: 0,
  identity: "",
});

describe("what can be learnt of a source", () => {
  it("of chats is what a pass over them predicts", () => {
    const masks = fc.array(fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 12 }), {
      minLength: 1,
      maxLength: 9,
    });
    fc.assert(
      fc.property(
        masks,
        fc.constantFrom("all" as const, "assistant" as const),
        fc.integer({ min: 2, max: 9 }),
        (masks, loss, T) => {
          const corpus = corpusOf(masks);
          const counts = learnableOf(corpus, { packing: "chats", loss, sequenceLength: T });
          const mixture = new Mixture([{ corpus, weight: 1 }], {
            packing: "chats",
            loss,
            sequenceLength: T,
            mtpDepths: 0,
            seed: 1,
          });
          let predicted = 0;
          // A sequence at a time, until each document has been read once.
          while (mixture.save()[0].epoch === 0)
            predicted += mixture.next(1).targets[0].filter((target) => target >= 0).length;
          const { epoch, document } = mixture.save()[0];
          // A sequence may end within a later pass.
          if (epoch === 1 && document === 0) expect(counts.targets).toBe(predicted);
          expect(counts.cut).toBe(masks.filter(({ length }) => length > T).length);
          expect(counts.cutTokens).toBe(masks.reduce((sum, { length }) => sum + Math.max(0, length - T), 0));
        },
      ),
      { numRuns: 60, seed: 7 },
    );
  });

  it("is refused where it is nothing: no assistant, or none before the end of a sequence", () => {
    const stage = stageOf({ packing: "chats", loss: "assistant", sequenceLength: 4 });
    for (const masks of [[[0, 0, 0]], [[0, 0, 0, 0, 1, 1]], [[1]]]) {
      const counts = learnableOf(corpusOf(masks), stage);
      expect(counts).toMatchObject({ targets: 0, nothing: 1 });
      expect(() => checkLearnable("chats.jsonl", 1, counts, stage)).toThrow(
        /^chats\.jsonl: there is nothing to learn in any of its 1 documents: .*first 4 tokens \(stages\.s\.sequenceLength\)$/,
      );
    }
  });

  it("is remarked on: many passes, cut conversations, empty ones; and not where all is well", () => {
    const stage = stageOf({ sequenceLength: 8 });
    const fine = { passes: 3, cut: 0, cutTokens: 0, nothing: 0 };
    expect(remarksOn(fine, stage, "stages.0")).toEqual([]);
    expect(remarksOn({ passes: 856, cut: 2, cutTokens: 9, nothing: 1 }, stage, "stages.0")).toEqual([
      "is read 856 times, which mostly learns it by heart; set stages.0.tokens to 46 or less, or bring more data",
      "2 conversations are longer than 8 tokens and lose 9 of them; raise stages.0.sequenceLength",
      "1 documents have nothing to learn in them",
    ]);
  });
});
