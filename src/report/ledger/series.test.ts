import { describe, expect, it } from "vitest";
import { Series } from "./series.ts";

describe("series", () => {
  const place = (step: number) => ({ step, tokens: step, seconds: step, coreHours: 0 });

  it("stays small and keeps the least, the greatest and the mean of 100,000 steps", () => {
    const series = new Series(100);
    for (let step = 1; step <= 100_000; step++) series.add(place(step), [["x", step === 77_777 ? 1000 : step % 2]]);
    const points = series.points("x");
    expect(points.length).toBeGreaterThanOrEqual(50);
    expect(points.length).toBeLessThanOrEqual(100);
    expect(points.at(-1)!.place.step).toBe(100_000);
    expect(Math.max(...points.map(({ max }) => max))).toBe(1000);
    expect(points[0]).toMatchObject({ min: 0, max: 1, mean: 0.5 });
    expect(points.map(({ place: { tokens } }) => tokens)).toEqual(
      points.map(({ place: { tokens } }) => tokens).sort((a, b) => a - b),
    );
  });

  it("leaves out what is not finite, and names that come later", () => {
    const series = new Series(4);
    series.add(place(1), [["x", Number.NaN]]);
    series.add(place(2), [["y", 3]]);
    expect(series.points("x")).toEqual([]);
    expect(series.points("y")).toMatchObject([{ mean: 3, place: { step: 2 } }]);
  });
});
