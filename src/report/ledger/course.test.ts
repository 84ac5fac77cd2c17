import { describe, expect, it } from "vitest";
import { Course, quantile } from "./course.ts";

/** A step's line; each step is 100 tokens and takes a second on two cores. */
function stepLine(step: number, more: Record<string, unknown> = {}): string {
  return JSON.stringify({
    kind: "step",
    stage: "pretrain",
    step,
    tokens: step * 100,
    loss: 10 - step,
    mtpLoss: [11 - step],
    gradNorm: 1,
    lr: 0.01,
    tokensPerSecond: 100,
    tflops: 0.5,
    seconds: step,
    coreHours: (2 * step) / 3600,
    busiest: [2, 3],
    idle: [0, 1],
    memoryMB: 100,
    ...more,
  });
}

function courseOf(...lines: string[]): Course {
  const course = new Course();
  for (const line of lines) course.addLine(line);
  return course;
}

describe("the course of a run", () => {
  it("sums up its steps", () => {
    const course = courseOf(
      stepLine(1),
      stepLine(2, { tokensPerSecond: 200 }),
      stepLine(3, { skipped: true, loss: null }),
    );
    expect(course.steps).toBe(3);
    expect(course.skippedSteps).toBe(1);
    expect(course.last).toMatchObject({ step: 3, tokens: 300, loss: Number.NaN, idle: [0, 1] });
    expect(course.speed(0.5)).toBe(100);
    // 0.5 TFLOP/s for 1, 0.5 and 1 seconds.
    expect(course.flops).toBeCloseTo(1.25e12, 0);
    expect(course.series.points("loss").map(({ mean }) => mean)).toEqual([9, 8]);
    expect(course.series.points("busiest1")[0].mean).toBe(3);
  });

  it("keeps stages apart", () => {
    const chat = { stage: "chat" };
    const course = courseOf(stepLine(1), stepLine(2), stepLine(3, chat), stepLine(4, { ...chat, seconds: 6 }));
    expect(course.stages).toMatchObject([
      { name: "pretrain", fromStep: 1, fromTokens: 0, toTokens: 200, seconds: 2, firstLoss: 9, loss: 8.5 },
      { name: "chat", fromStep: 3, fromTokens: 200, toTokens: 400, seconds: 4, firstLoss: 7, loss: 6.5 },
    ]);
    expect(course.stages[1].coreHours).toBeCloseTo(4 / 3600, 12);
  });

  it("passes over broken lines and tells kinds that it does not know", () => {
    const course = courseOf(
      stepLine(1),
      "",
      "{not json",
      "[1]",
      "null",
      '{"kind":5}',
      '{"kind":"step","step":"two"}',
      '{"kind":"gizmo"}',
      '{"kind":"gizmo","x":1}',
      stepLine(2).slice(0, 40),
    );
    expect(course.steps).toBe(1);
    expect(course.brokenLines).toBe(6);
    expect([...course.unknownKinds]).toEqual([["gizmo", 2]]);
  });

  it("takes validations by slice, experts, samples and events", () => {
    const course = courseOf(
      '{"kind":"validation","step":2,"tokens":200,"bitsPerByte":1.5,"bySlice":{"__proto__":2,"code":1,"bad":"x"}}',
      '{"kind":"experts","step":2,"loads":[[1,"x"],"row"]}',
      '{"kind":"sample","step":2,"tokens":200,"prompt":"A","text":"B"}',
      '{"kind":"event","step":2,"event":"spike","message":"loss 9"}',
    );
    expect([...course.validations[0].bySlice]).toEqual([
      ["__proto__", 2],
      ["code", 1],
    ]);
    expect(course.experts?.loads).toEqual([[1, Number.NaN], []]);
    expect(course.samples).toMatchObject([{ prompt: "A", text: "B" }]);
    expect(course.events).toMatchObject([{ name: "spike", detail: "loss 9" }]);
  });

  it("shows the later try where a run goes back, and bills both", () => {
    const course = courseOf(stepLine(1), stepLine(2), stepLine(3), stepLine(2, { seconds: 4, loss: 5 }));
    expect(course.steps).toBe(2);
    expect(course.last?.step).toBe(2);
    expect(course.series.points("loss").map(({ mean }) => mean)).toEqual([9, 5]);
    expect(course.stages[0]).toMatchObject({ toTokens: 200, seconds: 4 });
    expect(course.flops).toBeCloseTo(4 * 0.5e12, 0);
  });
});

it("quantiles lie between neighbours in proportion", () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([10, 20], 0.9)).toBe(19);
  expect(quantile([7], 0.1)).toBe(7);
  expect(quantile([], 0.5)).toBeNaN();
});
