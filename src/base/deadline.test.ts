import { expect, it } from "vitest";
import { within } from "./index.ts";

it("gives what the work gives, and throws what it throws", () => {
  expect(within(1000, "slow", () => within(1000, "slow", () => 7))).toBe(7);
  expect(() =>
    within(1000, "slow", () => {
      throw new TypeError("mine");
    }),
  ).toThrow(TypeError);
});

it.each<[string, () => unknown]>([
  [
    "a loop",
    () => {
      for (;;);
    },
  ],
  ["an expression that tries everything", () => /^(?:a+)+$/.test(`${"a".repeat(50)}b`)],
])("%s without end is ended, and work goes on", (_, work) => {
  const began = performance.now();
  expect(() => within(50, "took too long", work)).toThrow(/^took too long$/);
  expect(performance.now() - began).toBeLessThan(5000);
  expect(within(1000, "slow", () => 1)).toBe(1);
});
