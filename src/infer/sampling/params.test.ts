import { describe, expect, it } from "vitest";
import { parseGenerationConfig } from "./generation-config.ts";
import { resolveParams, SAMPLING_BOUNDS, SAMPLING_LIMITS, type SamplingParams } from "./params.ts";

const VOCAB = 100;
const resolve = (given: SamplingParams, defaults = {}) => resolveParams(given, defaults, VOCAB);

describe("sampling parameters", () => {
  it.each(Object.entries(SAMPLING_BOUNDS))(
    "%s: is taken up to its bounds, and refused by name beyond",
    (field, range) => {
      for (const value of range) expect(resolve({ [field]: value })).toMatchObject({ [field]: value });
      const beyond = [range[0] - 1, range[1] * 2 + 1, Number.NaN, Number.POSITIVE_INFINITY, "1"];
      for (const value of beyond)
        expect(() => resolve({ [field]: value })).toThrow(expect.objectContaining({ kind: "invalid", param: field }));
    },
  );

  it("take the model's own where a request says nothing, and the request's where it does", () => {
    const defaults = { temperature: 0.3, topP: 0.8, topK: 7, minP: 0.1, repetitionPenalty: 1.2 };
    expect(resolve({}, defaults)).toMatchObject(defaults);
    expect(resolve({ temperature: 0, topK: 0 }, defaults)).toMatchObject({ ...defaults, temperature: 0, topK: 0 });
  });

  it.each<[keyof SamplingParams, SamplingParams]>([
    ["stop", { stop: Array(SAMPLING_LIMITS.stops + 1).fill("x") }],
    ["stop", { stop: ["x".repeat(SAMPLING_LIMITS.stopLength + 1)] }],
    ["stopTokenIds", { stopTokenIds: Array(SAMPLING_LIMITS.stopTokenIds + 1).fill(1) }],
    ["stopTokenIds", { stopTokenIds: [VOCAB] }],
    ["logitBias", { logitBias: { [VOCAB]: 1 } }],
    ["logitBias", { logitBias: { 3: 101 } }],
    ["logitBias", { logitBias: { 3: Number.NaN } }],
  ])("%s has limits", (param, given) => {
    expect(() => resolve(given)).toThrow(expect.objectContaining({ kind: "invalid", param }));
  });

  it("of generation_config.json are checked as a request's are, when the model is loaded", () => {
    const parse = (json: Record<string, unknown>) => parseGenerationConfig(json, "x/generation_config.json");
    expect(parse({ temperature: 0.6, top_p: 0.95, top_k: -1, eos_token_id: [1, 2] })).toMatchObject({
      defaults: { temperature: 0.6, topP: 0.95, topK: 0 },
      endIds: [1, 2],
    });
    expect(parse({ do_sample: false, temperature: 1, eos_token_id: 3 })).toMatchObject({
      defaults: { temperature: 0 },
      endIds: [3],
    });
    expect(() => parse({ temperature: 5 })).toThrow(
      "x/generation_config.json: temperature is 5; it must be a number from 0 to 2",
    );
    expect(() => parse({ top_p: "1" })).toThrow(/top_p is "1"/);
  });
});
