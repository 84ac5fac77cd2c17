import { describe, expect, it } from "vitest";
import {
  againstPublished,
  chooseLayout,
  computeOptimal,
  countDeepseek,
  countDense,
  DEEPSEEK_V3,
  deepseekBill,
  findHardware,
  inferenceFlops,
  parseDense,
  parseHardware,
  planBudget,
  planServing,
  planTraining,
  predictedLoss,
  trainingFlops,
  trainingMemory,
  WEIGHT_BYTES,
} from "./index.ts";

const H100 = findHardware("H100");
const v3 = countDeepseek(DEEPSEEK_V3);
const llama70 = countDense(
  parseDense(
    {
      vocab_size: 32000,
      hidden_size: 8192,
      intermediate_size: 28672,
      num_hidden_layers: 80,
      num_attention_heads: 64,
      num_key_value_heads: 8,
    },
    "llama",
  ),
);

describe("counting", () => {
  it("DeepSeek-V3 to the digit", () => {
    expect(v3).toMatchObject({ total: 671_026_419_200, cachePerToken: { latent: 61 * 576, naive: 61 * 128 * 320 } });
    // 37B active, as published.
    expect(v3.active / 1e9).toBeCloseTo(37.6, 0);
  });

  it("Llama 2 70B to the digit", () => {
    expect(llama70.total).toBe(68_976_648_192);
    expect(llama70.cachePerToken.naive).toBe(80 * 2 * 8 * 128);
  });

  it("training is three forward passes, four with recomputation; attention counts each pair once", () => {
    const at = (context: number, recompute = false) => trainingFlops(llama70, { context, recompute });
    expect(at(4096, true) / at(4096)).toBeCloseTo(4 / 3, 12);
    // Another 1,000 tokens of context: 500 more keys for each token, 4·H·d·L operations a key.
    expect(at(5096) - at(4096)).toBeCloseTo(3 * 500 * 4 * 64 * 128 * 80, -3);
    expect(at(1)).toBeCloseTo(3 * (llama70.productFlops + 4 * 64 * 128 * 80), -3);
    expect(at(4096) / (6 * llama70.active)).toBeGreaterThan(0.99);
    expect(at(4096) / (6 * llama70.active)).toBeLessThan(1.1);
  });

  it("MTP is counted, or not", () => {
    const withMtp = trainingFlops(v3, { context: 4096 });
    const without = trainingFlops(v3, { context: 4096, mtp: false });
    expect(withMtp / without).toBeGreaterThan(1.02);
    expect(withMtp / without).toBeLessThan(1.06);
  });

  it("the absorbed form trades operations for a small cache", () => {
    const { prefill, decode } = inferenceFlops(v3, 4096);
    expect(prefill).toBeCloseTo(v3.productFlops + (61 * 2 * 128 * 320 * 4097) / 2, -6);
    expect(decode).toBe(v3.productFlops + 61 * 2 * 128 * (2 * 512 + 64) * 4096);
  });

  it("bytes: FP8 blocks carry a scale each, moments are in bf16 with FP8 training", () => {
    expect(WEIGHT_BYTES.fp8 * 128 * 128).toBe(128 * 128 + 4);
    expect(WEIGHT_BYTES.int4 * 32).toBe(18);
    const n = v3.total + v3.mtp;
    expect(trainingMemory(v3, "fp8")).toMatchObject({ weights: 5 * n, gradients: 2 * n, optimiser: 4 * n });
  });
});

describe("published runs", () => {
  it.each(againstPublished().map((row) => [row.run.name, row] as const))(
    "%s: within 20 %, inside the interval",
    (_, { ratio, inside }) => {
      expect(Math.abs(ratio - 1)).toBeLessThan(0.2);
      expect(inside).toBe(true);
    },
  );

  it("DeepSeek-V3: mid within 5 %, stage by stage and in all", () => {
    const { rows, total } = deepseekBill();
    for (const { gpuHours, publishedGpuHours } of [...rows, total]) {
      expect(Math.abs(gpuHours.mid / publishedGpuHours - 1)).toBeLessThan(0.05);
      expect(gpuHours.low).toBeLessThanOrEqual(publishedGpuHours);
      expect(gpuHours.high).toBeGreaterThanOrEqual(publishedGpuHours);
    }
    expect(total.publishedUsd).toBe(5_576_000);
  });

  it("each saving is worth something, and all of them less than the famous ratio", () => {
    const { whatIfs } = deepseekBill();
    for (const { factor } of whatIfs) expect(factor).toBeGreaterThan(1);
  });
});

describe("planTraining", () => {
  const plan = planTraining({ params: 8.03e9, tokens: 15e12, hardware: H100 });

  it("the parts agree with each other", () => {
    expect(plan.flops).toBe(6 * 8.03e9 * 15e12);
    for (const key of ["low", "mid", "high"] as const) {
      expect(plan.usd[key]).toBeCloseTo(plan.gpuHours[key] * 2, 3);
      expect(plan.days[key]).toBeCloseTo(plan.gpuHours[key] / plan.gpus / 24, 6);
    }
    expect(plan.gpuHours.low).toBeLessThan(plan.gpuHours.mid);
    expect(plan.gpuHours.mid).toBeLessThan(plan.gpuHours.high);
    expect(plan.mfu.mid).toBeCloseTo(plan.flops / (plan.gpuHours.mid * 3600 * 989e12), 9);
    expect(plan.shares.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(plan.assumptions.length).toBeGreaterThan(3);
  });

  it("more tokens cost more; a dearer hour costs more; faster machines take fewer hours; FP8 fewer still", () => {
    const hours = (changes: object) =>
      planTraining({ params: 8.03e9, tokens: 15e12, hardware: H100, gpus: 1024, ...changes }).gpuHours.mid;
    expect(hours({ tokens: 30e12 })).toBeCloseTo(2 * hours({}), 0);
    expect(hours({ hardware: findHardware("A100") })).toBeGreaterThan(hours({}) * 1.2);
    expect(hours({ precision: "fp8" })).toBeLessThan(hours({}));
    expect(planTraining({ params: 8.03e9, tokens: 15e12, hardware: H100, price: 4 }).usd.mid).toBeCloseTo(
      2 * plan.usd.mid,
      3,
    );
  });

  it("many devices are used less well than few", () => {
    const mfu = (gpus: number) => planTraining({ params: 70e9, tokens: 1e12, hardware: H100, gpus }).mfu.mid;
    expect(mfu(8)).toBeGreaterThan(mfu(512));
    expect(mfu(512)).toBeGreaterThan(mfu(16384));
  });

  it("a CPU trains mixtures as well as dense models: nothing travels", () => {
    const cpu = findHardware("CPU-AVX512");
    const mfu = (active: number) => planTraining({ params: 40e6, active, tokens: 1e9, hardware: cpu, gpus: 2 }).mfu.mid;
    expect(mfu(8e6)).toBe(mfu(40e6));
    expect(mfu(1e6)).toBeLessThan(mfu(8e6));
  });

  it("a configuration and its numbers alone agree", () => {
    const common = { tokens: 2e12, hardware: findHardware("A100"), gpus: 2048 };
    const exact = planTraining({ counts: llama70, ...common });
    const rough = planTraining({ params: llama70.total, ...common });
    expect(exact.gpuHours.mid / rough.gpuHours.mid).toBeGreaterThan(0.93);
    expect(exact.gpuHours.mid / rough.gpuHours.mid).toBeLessThan(1.07);
  });

  it.each<[string, object, RegExp]>([
    ["negative parameters", { params: -1 }, /--params -1: must be above 0/],
    ["no tokens", { tokens: undefined }, /--tokens is missing/],
    ["no model", { params: undefined }, /a model is missing/],
    ["0 GPUs", { gpus: 0 }, /--gpus 0: must be above 0/],
    ["half a GPU", { gpus: 2.5 }, /--gpus 2.5: must be a whole number; the nearest is 3/],
    ["a negative price", { price: -2 }, /--price -2: must be 0 or more/],
    ["more active than there are", { params: 1e9, active: 2e9 }, /--active 2000000000: cannot be more than --params/],
    ["no number", { tokens: Number.NaN }, /--tokens NaN/],
    [
      "a model that fits nowhere",
      { params: undefined, counts: v3, gpus: 8 },
      /671\.0B parameters do not fit into 8 × H100 of 80 GB for training; from about \d+ on they do/,
    ],
  ])("%s is refused", (_, changes, message) => {
    const work = () => planTraining({ params: 8e9, tokens: 1e12, hardware: H100, ...changes });
    expect(work).toThrow(message);
    expect(work).toThrow(/^[^\n]+$/);
  });
});

describe("layouts", () => {
  it("fit, use all devices, and split mixtures by experts rather than by matrices", () => {
    const layout = chooseLayout(v3, findHardware("H800"), { devices: 2048, precision: "fp8", context: 4096 });
    expect(layout.bytesPerDevice).toBeLessThan(80e9 * 0.9);
    expect(layout.tensor).toBe(1);
    expect(layout.expert).toBeGreaterThan(1);
    expect(layout.tensor * layout.pipeline * layout.data).toBe(2048);
    expect(
      chooseLayout(llama70, findHardware("A100"), { devices: 1024, precision: "bf16", context: 4096 }).tensor,
    ).toBeGreaterThan(1);
  });

  it("a given one is taken, and pays for its bubble", () => {
    const request = { counts: v3, tokens: 1e12, hardware: findHardware("H800"), gpus: 2048, precision: "fp8" as const };
    const given = planTraining({ ...request, layout: { pipeline: 16, expert: 64 } });
    expect(given.layout).toMatchObject({ pipeline: 16, expert: 64 });
    expect(given.gpuHours.mid).toBeGreaterThanOrEqual(planTraining(request).gpuHours.mid);
  });
});

describe("hardware", () => {
  it("is found however it is written; a wrong name gets the nearest", () => {
    for (const name of ["h100", "H 100", "NVIDIA H100", "h100-80gb"]) expect(findHardware(name).name).toBe("H100");
    expect(findHardware("rtx 4090").name).toBe("RTX4090");
    expect(() => findHardware("H10")).toThrow(/--gpu "H10" is not known; the nearest is H100/);
  });

  it("a file adds machines, which come first; a wrong one is refused by field", () => {
    const [mine] = parseHardware([{ name: "H100", bf16: 5e14, memory: 94e9, bandwidth: 3.9e12 }], "mine.json");
    expect(findHardware("H100", [mine]).bf16).toBe(5e14);
    expect(() => parseHardware([{ name: "X", bf16: -1, memory: 1, bandwidth: 1 }], "mine.json")).toThrow(
      /^mine\.json: 0\.bf16: /,
    );
    expect(() => parseHardware({}, "mine.json")).toThrow(/^mine\.json: /);
  });
});

describe("budgets", () => {
  it("the optimum is one: neither more parameters nor more tokens help", () => {
    for (const flops of [1e18, 1e21, 5.76e23]) {
      const { parameters, tokens } = computeOptimal(flops);
      expect(6 * parameters * tokens).toBeCloseTo(flops, -Math.log10(flops) + 3);
      const best = predictedLoss(parameters, tokens);
      for (const factor of [0.8, 0.95, 1.05, 1.25])
        expect(predictedLoss(parameters * factor, tokens / factor)).toBeGreaterThan(best);
    }
  });

  it("spends the sum, and a mixture gets further than a dense model", () => {
    for (const [usd, gpu] of [
      [5.6e6, "H800"],
      [0.5, "CPU-AVX512"],
      [1e4, "RTX4090"],
    ] as const) {
      const { purchases } = planBudget({ usd, hardware: findHardware(gpu) });
      for (const { plan } of purchases) expect(plan.usd.mid / usd).toBeCloseTo(1, 2);
      // Half a dollar buys less than any model that the law was made from: its loss would be a guess.
      if (usd < 1) expect(purchases.map(({ loss }) => loss)).toEqual([null, null]);
      else expect(purchases[1].loss!.mid).toBeLessThan(purchases[0].loss!.mid);
      expect(purchases[1].active).toBeLessThan(purchases[0].active);
      expect(purchases[1].parameters).toBeGreaterThan(purchases[1].active);
    }
  });

  it("$500B is sites and gigawatts, and more tokens than there is text", () => {
    const { programme, notes } = planBudget({ usd: 500e9, hardware: H100 });
    expect(programme).toMatchObject({ gigawatts: 10, sites: 10, buildYears: 4 });
    expect(programme!.assumptions.join()).toMatch(/Stargate/);
    expect(notes.join()).toMatch(/more than all public text/);
    expect(planBudget({ usd: 1e6, hardware: H100 }).programme).toBeNull();
  });

  it("nothing buys nothing", () => {
    for (const usd of [0, -5, Number.NaN]) expect(() => planBudget({ usd, hardware: H100 })).toThrow(/--budget/);
    expect(() => planBudget({ usd: 1, hardware: H100, price: 0 })).toThrow(/--price 0/);
  });
});

describe("serving", () => {
  const H200 = findHardware("H200");

  it("V3 in FP8 takes eight H200, is bound by reading at batch 1, and a full batch is cheaper", () => {
    const one = planServing({ counts: v3, hardware: H200, weights: "fp8", batch: 1 });
    const many = planServing({ counts: v3, hardware: H200, weights: "fp8", batch: 128 });
    expect([one.gpus, many.gpus]).toEqual([8, 8]);
    expect(one.bound.decode).toBe("reading weights");
    expect(many.usdPerMillionOutput).toBeLessThan(one.usdPerMillionOutput / 5);
    expect(many.decodeTokensPerSecond / 128).toBeCloseTo(many.tokensPerSecondPerSequence, 6);
    expect(many.usdPerMillionInput).toBeLessThan(many.usdPerMillionOutput);
    expect(many.fits.find(({ gpu }) => gpu === "RTX4090")!.gpus).toBeGreaterThanOrEqual(32);
  });

  it("a single sequence on one device reads every active weight once a token", () => {
    const { tokensPerSecondPerSequence } = planServing({
      counts: llama70,
      hardware: H200,
      weights: "int4",
      batch: 1,
      input: 1,
      output: 1,
    });
    expect(tokensPerSecondPerSequence).toBeCloseTo((4.8e12 * 0.7) / (llama70.total * WEIGHT_BYTES.int4), 0);
  });

  it("what does not fit is refused, with what would", () => {
    expect(() => planServing({ counts: v3, hardware: H100, gpus: 1 })).toThrow(
      /--gpus 1: .* do not fit into 1 × H100; from 32 on they do/,
    );
    expect(() => planServing({ counts: llama70, hardware: H200, gpus: 2, batch: 1e6 })).toThrow(
      /--batch 1000000: the cache holds \d+ sequences/,
    );
    expect(() => planServing({ counts: llama70, hardware: H200, input: 0 })).toThrow(/--input 0/);
  });
});
