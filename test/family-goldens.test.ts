/**
 * Families related to DeepSeek-V3 equal what Hugging Face transformers computes of them, forward, backward and decoded, and are written back as what they
 * were (test/goldens/make_family_goldens.py).
 */
import { describe, expect, it } from "vitest";
import { configToJson, LatentCache, parseConfig } from "../src/model/index.ts";
import { availableIsas } from "../src/tensor/index.ts";
import { numbers, openCase, relativeNorm, storedOf, worst } from "./golden-case.ts";

const FAMILIES = ["deepseek_v2", "deepseek_v2_lite"] as const;

type Case = ReturnType<typeof openCase>;

/** Logits [T,V] of the golden's first sequence that comes in pieces of these lengths over a cache. */
function decoded({ golden, config, tape, transformer }: Case, pieces: readonly number[]): Float32Array {
  const ids = Array.from(new BigInt64Array(golden.bytes("input_ids").slice().buffer), Number);
  const cache = new LatentCache(config, 44, "f32");
  const logits = new Float32Array(44 * config.vocabSize);
  let past = 0;
  for (const count of pieces) {
    const run = tape(false);
    const spans = [{ rowStart: 0, past, count }];
    const hidden = transformer.forwardCached(run, Int32Array.from(ids.slice(past, past + count)), spans, cache);
    logits.set(transformer.logits(run, hidden).data, past * config.vocabSize);
    past += count;
  }
  return logits;
}

describe.each(availableIsas())("families on %s", (isa) => {
  it.each(FAMILIES)("%s: logits, loss and every gradient in f32", (name) => {
    const opened = openCase(name, isa, "f32");
    const { golden, batch, training, transformer, tape, lossOf } = opened;
    const run = tape(false);
    expect(
      worst(transformer.logits(run, transformer.forward(run, batch)).data, numbers(golden, "logits")),
    ).toBeLessThan(1e-4);
    expect(Math.abs(lossOf(true)[0] - numbers(golden, "loss")[0])).toBeLessThan(1e-5);
    let compared = 0;
    for (const slot of training.slots) {
      const { stored, grad, trained } = slot;
      if (!trained) continue;
      // transformers keeps a layer's experts in one tensor, laid out as Shoal's slot.
      const experts = /^(.*\.mlp\.experts)\.0\.(gate|down)_proj/.exec(stored[0].name);
      if (experts) {
        const expected = numbers(golden, `grad.${experts[1]}.${experts[2] === "gate" ? "gate_up" : "down"}_proj`);
        expect(relativeNorm(grad!, expected), experts[0]).toBeLessThan(1e-3);
        compared++;
      } else {
        for (const { name, data } of storedOf([slot], "grad")) {
          expect(relativeNorm(data, numbers(golden, `grad.${name}`)), name).toBeLessThan(1e-3);
          compared++;
        }
      }
    }
    expect(compared).toBe([...golden.tensors.keys()].filter((key) => key.startsWith("grad.")).length);
  });

  it.each(FAMILIES)("%s: decoding over a cache gives the logits of the whole pass, in pieces of any length", (name) => {
    const opened = openCase(name, isa, "f32");
    const expected = numbers(opened.golden, "logits").subarray(0, 44 * opened.config.vocabSize);
    for (const pieces of [Array<number>(44).fill(1), [44], [33, 1, 1, 9]])
      expect(worst(decoded(opened, pieces), expected)).toBeLessThan(1e-4);
  });

  it.each(FAMILIES)("%s: the loss in bf16 stays within one part in a hundred", (name) => {
    const { golden, lossOf } = openCase(name, isa, "bf16");
    const expected = numbers(golden, "loss")[0];
    expect(Math.abs(lossOf(false)[0] - expected) / expected).toBeLessThan(0.01);
  });
});

it.each(FAMILIES)("%s: its config.json is written back as the same model", (name) => {
  const { folder, config } = openCase(name, "reference", "f32");
  const json = configToJson(config);
  expect(json.model_type).toBe(folder.config.model_type);
  expect(json.architectures).toEqual(folder.config.architectures);
  expect(parseConfig(json)).toEqual(config);
});
