import { describe, expect, it } from "vitest";
import { trainBpe } from "../../text/index.ts";
import { Triggered } from "./triggered.ts";

const tokenizer = trainBpe({ texts: ["abc ".repeat(9)], vocabSize: 270 });
const mask = new Uint32Array(9);

/** A form of two tokens. */
function form() {
  const taken: number[] = [];
  return {
    taken,
    mask: () => mask,
    took: (id: number) => void taken.push(id),
    begin: () => true,
    prepare: () => true,
    verdict: () => null,
    get done() {
      return taken.length === 2;
    },
  };
}

describe("a constraint that waits for a mark", () => {
  it("leaves free what comes before it, however the mark is cut into tokens, and holds what comes after", () => {
    const inner = form();
    const constraint = new Triggered(tokenizer, "→x", inner);
    for (const id of tokenizer.encode("abc →")) constraint.took(id);
    expect(constraint.mask(9)).toBeNull();
    expect(constraint.done).toBe(false);
    for (const id of tokenizer.encode("x")) constraint.took(id);
    expect(constraint.mask(9)).toBe(mask);
    const after = [...tokenizer.encode("ab")].slice(0, 1);
    for (const id of [...after, ...after]) constraint.took(id);
    expect(inner.taken).toEqual([...after, ...after]);
    expect(constraint.done).toBe(true);
  });
});
