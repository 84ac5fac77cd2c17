import fc from "fast-check";
import { expect, it } from "vitest";
import { DEEPSEEK_TEMPLATE, trainBpe } from "../../text/index.ts";
import type { Turn } from "../index.ts";
import { encodeDocuments } from "./encode.ts";

const tokenizer = trainBpe({ texts: ["fish and boat"], vocabSize: 270, digits: 1, chatTemplate: DEEPSEEK_TEMPLATE });

const turn = fc.oneof(
  fc.record({
    role: fc.constantFrom("user" as const, "tool" as const, "system" as const),
    content: fc.string({ minLength: 1 }),
  }),
  fc.record({
    role: fc.constant("assistant" as const),
    content: fc.string({ minLength: 1 }),
    learn: fc.boolean(),
    toolCalls: fc.constantFrom([], [{ name: "swim", arguments: '{"far":true}' }]),
  }),
);

it("of any conversation, exactly the turns that are to be learnt are, each with its calls and its end", () => {
  fc.assert(
    fc.property(fc.array(turn, { minLength: 1, maxLength: 8 }), (turns: Turn[]) => {
      const { tokens, mask } = encodeDocuments([{ messages: turns }], tokenizer);
      const learnt = tokenizer.decode([...tokens].filter((_, i) => mask[i] === 1));
      const expected = turns
        .filter(({ role, learn }) => role === "assistant" && learn !== false)
        .map((turn) => encodeDocuments([{ messages: [turn] }], tokenizer))
        .map(({ tokens, mask }) => tokenizer.decode([...tokens].filter((_, i) => mask[i] === 1)));
      expect(learnt).toBe(expected.join(""));
    }),
    { seed: 16, numRuns: 200 },
  );
});
