/** Models of a family other than DeepSeek-V3's: trained, exported, trained on from their folder, quantised and decoded as what they are. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { configOf, loadWeights, openFolder, type WeightDtype } from "../src/checkpoint/index.ts";
import { batchOf, LatentCache, Transformer } from "../src/model/index.ts";
import { Arena, createKernels, Tape } from "../src/tensor/index.ts";
import { parseRecipe, train } from "../src/train/index.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const kernels = createKernels();

it("a recipe's DeepSeek-V2 stays one: in its folder, where training goes on from there, and in 8 and 4 bits", async () => {
  const tiny = tinyRecipe(2048);
  const router = { model_type: "deepseek_v2", topk_method: "group_limited_greedy", n_group: 2, topk_group: 1 };
  const model = { ...(tiny.model as object), ...router, num_nextn_predict_layers: 0 };
  const [first, second] = [join(dir, "first"), join(dir, "second")];
  const report = await train(parseRecipe({ ...tiny, model }), { out: first, data, kernels });
  expect(report).toMatchObject({ finished: true });
  const [stage] = tiny.stages as object[];
  const longer = { ...stage, name: "longer", tokens: 1024, contextFactor: 2 };
  await train(parseRecipe({ name: "on", from: join(first, "model"), stages: [longer] }), {
    out: second,
    data,
    kernels,
  });

  const folder = openFolder(join(second, "model"));
  const config = configOf(folder);
  expect(folder.config).toMatchObject({ ...router, norm_topk_prob: false, architectures: ["DeepseekV2ForCausalLM"] });
  expect(config.maxPositionEmbeddings).toBe(256);
  expect([...folder.tensors.keys()].some((name) => name.endsWith("e_score_correction_bias"))).toBe(false);

  const ids = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % 199);
  const logits = (dtype: WeightDtype, cached: boolean) => {
    const transformer = new Transformer(config, loadWeights(folder, config, dtype, kernels));
    const arena = new Arena(1 << 20);
    const tape = () => new Tape({ kernels, arena, precision: dtype === "f32" ? "f32" : "bf16" });
    if (!cached) return transformer.logits(tape(), transformer.forward(tape(), batchOf([ids]))).data.slice();
    const cache = new LatentCache(config, ids.length, dtype === "f32" ? "f32" : "int8");
    return Float32Array.from(
      ids.flatMap((id, past) => {
        const hidden = transformer.forwardCached(tape(), Int32Array.of(id), [{ rowStart: 0, past, count: 1 }], cache);
        return [...transformer.logits(tape(), hidden).data];
      }),
    );
  };
  const exact = logits("f32", false);
  const largest = exact.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const worst = (dtype: WeightDtype, cached: boolean) =>
    logits(dtype, cached).reduce((most, x, i) => Math.max(most, Math.abs(x - exact[i])), 0) / largest;
  expect(worst("f32", true)).toBeLessThan(1e-4);
  expect(worst("int8", true)).toBeLessThan(0.1);
  expect(worst("int4", true)).toBeLessThan(0.4);
});
