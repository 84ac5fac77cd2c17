/** The planner's operations are those that the trainer's kernels are asked for. */
import { describe, expect, it } from "vitest";
import { Random } from "../src/base/index.ts";
import { batchOf, createTrainingWeights, parseConfig, Transformer } from "../src/model/index.ts";
import { countDeepseek, trainingFlops } from "../src/plan/index.ts";
import { Arena, createKernels, type Kernels, Tape } from "../src/tensor/index.ts";
import { tinyRecipe } from "./tiny.ts";

/** Kernels that also add up the operations of their products: two for each multiply-add. */
function counting(kernels: Kernels): { kernels: Kernels; count: { flops: number } } {
  const count = { flops: 0 };
  const pairs = (segments: Int32Array, S: number) => {
    let sum = 0;
    for (let s = 0; s < S; s++) {
      const [, qLen, , kLen] = segments.subarray(s * 4);
      for (let i = 0; i < qLen; i++) sum += kLen - qLen + i + 1;
    }
    return sum;
  };
  const counted: Kernels = {
    ...kernels,
    matmul(p) {
      count.flops += 2 * p.M * p.N * p.K;
      kernels.matmul(p);
    },
    groupedMatmul(p) {
      count.flops += 2 * p.offsets[p.E] * p.N * p.K;
      kernels.groupedMatmul(p);
    },
    attention(p) {
      count.flops += 2 * pairs(p.segments, p.S) * p.H * (p.N + p.P + p.V);
      kernels.attention(p);
    },
    attentionBackward(p) {
      // dq and dk of the scores, dp and dv of the values. Scores are formed again, which no count of a model's operations holds.
      count.flops += 2 * 2 * pairs(p.segments, p.S) * p.H * (p.N + p.P + p.V);
      kernels.attentionBackward(p);
    },
  };
  return { kernels: counted, count };
}

describe("operations", () => {
  it.each([
    [0, 1],
    [1, 1],
    [1, 2],
  ])("with %d MTP depths and %d sequences: within 1 %% of what the kernels do", (depths, sequences) => {
    const T = 96;
    const model = {
      n_group: 1,
      topk_group: 1,
      routed_scaling_factor: 1,
      first_k_dense_replace: 0,
      q_lora_rank: null,
      ...(tinyRecipe().model as object),
      num_nextn_predict_layers: depths,
      model_type: "deepseek_v3",
      vocab_size: 320,
    };
    const config = parseConfig(model, "test");
    const training = createTrainingWeights(config, 1);
    const { kernels, count } = counting(createKernels());
    const tape = new Tape({ kernels, arena: new Arena(), precision: "f32", recording: true });
    const random = new Random(1);
    const ids = Array.from({ length: sequences }, () => Int32Array.from({ length: T }, () => random.below(320)));
    const batch = batchOf(ids, depths);
    new Transformer(config, training.weights).loss(tape, batch, { mtpWeight: 0.3, balanceAlpha: 0 });
    tape.backward();
    const planned = trainingFlops(countDeepseek(config), { context: T }) * T * sequences;
    expect(Math.abs(count.flops / planned - 1)).toBeLessThan(0.01);
  });
});
