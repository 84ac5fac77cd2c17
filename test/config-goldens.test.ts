/** config.json files that leave fields out, or spell them otherwise, mean what they mean in transformers (test/goldens/make_config_goldens.py). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { loadWeights, openFolder, openSafetensors } from "../src/checkpoint/index.ts";
import { batchOf, configToJson, LatentCache, parseConfig, Transformer } from "../src/model/index.ts";
import { Arena, createKernels, Tape } from "../src/tensor/index.ts";

const dir = fileURLToPath(new URL("goldens/config-fields", import.meta.url));
const { ids, cases } = JSON.parse(readFileSync(`${dir}/cases.json`, "utf8")) as {
  ids: number[];
  cases: { name: string; drop: string[]; set: Record<string, unknown> }[];
};
const folder = openFolder(dir);
const golden = openSafetensors(`${dir}/golden.safetensors`);
const kernels = createKernels();

it.each(cases)("$name", ({ name, drop, set }) => {
  const json = {
    ...Object.fromEntries(Object.entries(folder.config).filter(([field]) => !drop.includes(field))),
    ...set,
  };
  const config = parseConfig(json);
  expect(parseConfig(configToJson(config))).toEqual(config);
  const model = new Transformer(config, loadWeights(folder, config, "f32", kernels));
  const arena = new Arena(1 << 20);
  const tape = new Tape({ kernels, arena, precision: "f32" });
  const expected = new Float32Array(golden.bytes(`logits.${name}`).slice().buffer);
  const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const worst = (hidden: ReturnType<typeof model.forward>, from: number) => {
    const { data } = model.logits(tape, hidden);
    return data.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[from + i])), 0) / largest;
  };
  expect(worst(model.forward(tape, batchOf([ids])), 0)).toBeLessThan(2e-5);
  // Token by token, over a cache, too.
  const cache = new LatentCache(config, ids.length, "f32");
  ids.forEach((id, past) => {
    const hidden = model.forwardCached(tape, Int32Array.of(id), [{ rowStart: 0, past, count: 1 }], cache);
    expect(worst(hidden, past * config.vocabSize)).toBeLessThan(2e-5);
  });
});
