import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { DuplicateFinder } from "./duplicates.ts";

const random = new Random(3);
const VOCABULARY = Array.from({ length: 500 }, (_, i) => `word${i}`);
const prose = (words: number) => Array.from({ length: words }, () => VOCABULARY[random.below(500)]);

describe("DuplicateFinder", () => {
  it("finds a text that is the same, however short", () => {
    const finder = new DuplicateFinder();
    expect(finder.check("Short.")).toBe(null);
    expect(finder.check("Short!")).toBe(null);
    expect(finder.check("Short.")).toEqual({ kind: "exact" });
  });

  it("finds a text that is nearly the same, and tells how much of it", () => {
    const finder = new DuplicateFinder();
    const text = prose(2000);
    expect(finder.check(text.join(" "))).toBe(null);
    expect(finder.check(prose(2000).join(" "))).toBe(null);
    const changed = text.with(50, "other").with(900, "another");
    const near = finder.check(`A new title. ${changed.join(", ").toUpperCase()}`);
    expect(near).toMatchObject({ kind: "near" });
    expect(near).toHaveProperty("share", expect.closeTo(0.98, 1));
  });

  it("keeps a text that shares less than half, or as much as is asked for", () => {
    const text = prose(2000);
    const half = [...text.slice(0, 800), ...prose(1200)].join(" ");
    const [lax, strict] = [new DuplicateFinder(), new DuplicateFinder({ share: 0.2 })];
    for (const finder of [lax, strict]) expect(finder.check(text.join(" "))).toBe(null);
    expect(lax.check(half)).toBe(null);
    expect(strict.check(half)).toMatchObject({ kind: "near" });
  });

  it("what repeats within a text is not held against it, and what was dropped is not remembered", () => {
    const finder = new DuplicateFinder();
    expect(finder.check("all work and no play makes jack a dull boy ".repeat(100))).toBe(null);
    const [first, tail] = [prose(1000), prose(900)];
    expect(finder.check(first.join(" "))).toBe(null);
    expect(finder.check([...first, ...tail].join(" "))).toMatchObject({ kind: "near" });
    expect(finder.check(tail.join(" "))).toBe(null);
  });

  it("a finer sample finds shorter texts", () => {
    const text = prose(30);
    const [coarse, fine] = [new DuplicateFinder(), new DuplicateFinder({ sample: 1 })];
    for (const finder of [coarse, fine]) expect(finder.check(text.join(" "))).toBe(null);
    const changed = `${text.join(" ")} again`;
    expect(coarse.check(changed)).toBe(null);
    expect(fine.check(changed)).toMatchObject({ kind: "near" });
  });
});
