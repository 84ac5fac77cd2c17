import fc from "fast-check";
import { expect, it } from "vitest";
import { type Source, suggestRecipe } from "./suggest.ts";

const source = (path: string, documents: number, bytesOfEach: number): Source => ({
  item: { path },
  documents,
  bytes: documents * bytesOfEach,
  longest: bytesOfEach,
});

it("a few short conversations are learnt in a hundred steps, not in a handful", () => {
  const { recipe } = suggestRecipe("x", { texts: [source("texts", 100, 10_000)], chats: [source("chats", 200, 75)] });
  const [, chat] = recipe.stages;
  expect(chat.tokens / (chat.sequenceLength! * chat.batchSequences!)).toBeGreaterThan(100);
});

it("a conversation fits into a sequence, and no stage has fewer steps than its data allow", () => {
  const sizes = fc.record({
    documents: fc.integer({ min: 1, max: 100_000 }),
    bytes: fc.integer({ min: 2, max: 3000 }),
  });
  fc.assert(
    fc.property(sizes, ({ documents, bytes }) => {
      const { recipe } = suggestRecipe("x", { texts: [], chats: [source("chats", documents, bytes)], from: "base" });
      const [{ tokens, sequenceLength = 0, batchSequences = 0 }] = recipe.stages;
      expect(sequenceLength).toBeGreaterThanOrEqual(Math.min(1024, bytes / 3.2));
      expect(Number.isInteger(Math.log2(sequenceLength)) && Number.isInteger(Math.log2(batchSequences))).toBe(true);
      if (batchSequences > 1) expect(tokens / (sequenceLength * batchSequences)).toBeGreaterThanOrEqual(100);
      expect(batchSequences).toBeLessThanOrEqual(4);
    }),
    { seed: 16 },
  );
});
