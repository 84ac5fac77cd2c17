import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopMatcher } from "./stop.ts";

/** All that is shown when the pieces come one after the other. */
function run(stops: readonly string[], pieces: readonly string[]): { text: string; stopped: boolean } {
  const matcher = new StopMatcher(stops);
  let text = "";
  for (const piece of pieces) {
    const shown = matcher.push(piece);
    text += shown.text;
    if (shown.stopped) return { text, stopped: true };
  }
  return { text: text + matcher.end(), stopped: false };
}

describe("StopMatcher", () => {
  it("shows what comes before a stop string and nothing of it, wherever the pieces break", () => {
    for (const pieces of [["one END two"], ["one E", "ND two"], [..."one END two"]])
      expect(run(["END"], pieces)).toEqual({ text: "one ", stopped: true });
  });

  it("lets go of what turned out to be no stop string", () => {
    const matcher = new StopMatcher(["abcd"]);
    expect(matcher.push("xabc")).toEqual({ text: "x", stopped: false });
    expect(matcher.push("abc")).toEqual({ text: "abc", stopped: false });
    expect(matcher.end()).toBe("abc");
  });

  it("the first to come wins; an empty one is none", () => {
    expect(run(["two", "one", ""], ["zero one two"])).toEqual({ text: "zero ", stopped: true });
  });

  it("does what a search of the whole text would", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 30 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(stops, fc.array(letters, { maxLength: 8 }), (list, pieces) => {
        const { text, stopped } = run(list, pieces);
        const all = pieces.join("");
        expect(stopped).toBe(list.some((stop) => all.includes(stop)));
        expect(all.startsWith(text)).toBe(true);
        if (!stopped) expect(text).toBe(all);
        else {
          expect(list.some((stop) => all.startsWith(stop, text.length))).toBe(true);
          expect(list.some((stop) => text.includes(stop))).toBe(false);
        }
      }),
      { seed: 3, numRuns: 2000 },
    );
  });
});
