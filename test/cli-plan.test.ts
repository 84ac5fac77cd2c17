/** `shoal plan` as a user meets it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createKernels } from "../src/tensor/index.ts";
import { parseRecipe, train } from "../src/train/index.ts";
import { shoal } from "./shoal.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const run = join(dir, "run");
const model = join(run, "model");
await train(parseRecipe(tinyRecipe(1024)), { out: run, data, kernels: createKernels() });

describe("plan", () => {
  it("train --json: the contract", async () => {
    const { out } = await shoal([
      "plan",
      "train",
      "--params",
      "8.03e9",
      "--tokens",
      "15e12",
      "--gpu",
      "H100",
      "--gpus",
      "2048",
      "--precision",
      "bf16",
      "--price",
      "3",
      "--json",
    ]);
    const plan = JSON.parse(out);
    const range = { low: expect.any(Number), mid: expect.any(Number), high: expect.any(Number) };
    expect(plan).toMatchObject({
      gpuHours: range,
      usd: range,
      days: range,
      mfu: range,
      flops: 6 * 8.03e9 * 15e12,
      gpu: "H100",
      gpus: 2048,
      bound: expect.any(String),
    });
    expect(plan.assumptions.length).toBeGreaterThan(2);
    expect(plan.usd.mid / plan.gpuHours.mid).toBeCloseTo(3, 9);
  });

  it("--config counts what inspect counts", async () => {
    const [plan, inspect] = await Promise.all([
      shoal([
        "plan",
        "train",
        "--config",
        join(model, "config.json"),
        "--tokens",
        "1M",
        "--cpu",
        "--gpus",
        "2",
        "--json",
      ]),
      shoal(["inspect", "--model", model, "--json"]),
    ]);
    const { active } = JSON.parse(inspect.out).parameters;
    expect(JSON.parse(plan.out)).toMatchObject({ gpu: "CPU", gpus: 2 });
    expect(JSON.parse(plan.out).flops).toBeGreaterThan(active * 1e6 * 4);
  });

  it("deepseek-v3, budgets, serving and hardware speak for themselves", async () => {
    const [bill, budget, serve, hardware] = await Promise.all([
      shoal(["plan", "deepseek-v3"]),
      shoal(["plan", "--budget", "5.6M", "--gpu", "H800", "--json"]),
      shoal(["plan", "serve", "--config", join(model, "config.json"), "--gpu", "RTX4090", "--json"]),
      shoal(["plan", "hardware"]),
    ]);
    expect(bill.out).toMatch(/in all +2\.788M .*\$5\.576M/);
    expect(JSON.parse(budget.out).purchases.map(({ kind }: { kind: string }) => kind)).toEqual([
      "dense",
      "mixture of experts",
    ]);
    expect(JSON.parse(serve.out)).toMatchObject({ gpu: "RTX4090", gpus: 1 });
    expect(hardware.out).toMatch(/^H800 .*160 GB\/s/m);
  });

  it("--html writes one page that asks nobody for anything", async () => {
    const path = join(dir, "plan.html");
    await shoal(["plan", "train", "--params", "70e9", "--tokens", "15e12", "--html", path]);
    const page = readFileSync(path, "utf8");
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).not.toMatch(/(src|href)=|https?:|@import/);
    expect(page.match(/<svg/g)?.length).toBe(3);
    expect(page.match(/type="range"/g)?.length).toBe(5);
  });
});

describe("plan and recipes", () => {
  const path = join(dir, "recipe.json");
  writeFileSync(path, JSON.stringify(tinyRecipe(8192)));

  it.each([[["train", path]], [["train", "--config", path]]])("%j plans a recipe as it stands", async (args) => {
    const { code, out, errors } = await shoal(["plan", ...args, "--cpu", "avx2", "--json"]);
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    const plan = JSON.parse(out);
    // Two stages, 8,192 and 2,048 tokens, in sequences of 64.
    expect(plan.assumptions.join()).toContain("64 tokens of context");
    const { out: same } = await shoal([
      ...["plan", "train", "--config", join(model, "config.json"), "--tokens", "10240", "--context", "64"],
      ...["--cpu", "avx2", "--json"],
    ]);
    expect(plan.flops / JSON.parse(same).flops).toBeCloseTo(1, 1);
  });

  it("says minutes where there are not days, and takes the peak in TFLOP/s as everywhere", async () => {
    const small = ["plan", "train", "--params", "1e7", "--tokens", "1e7", "--gpus", "1"];
    const { out } = await shoal([...small, "--peak", "989"]);
    expect(out).toMatch(/time on 1 × H100 +(\d+m )?\d+s /);
    expect(out).toContain("989 TF peak");
    const { code, errors } = await shoal([...small, "--peak-tflops", "989e12"]);
    expect(code).toBe(1);
    expect(errors).toMatch(/--peak-tflops 989000000000000: must be .* in TFLOP\/s \(an H100 has 989\)/);
  });

  it("a budget gives a recipe that costs it, and no loss where the law knows none", async () => {
    const written = join(dir, "half.json");
    const { code, out, errors } = await shoal(["plan", "--budget", "0.5", "--cpu", "amx", "--recipe", written]);
    expect(code).toBe(0);
    expect(errors).toMatch(/half\.json: size \w+, [\d,]+ tokens; put your texts in/);
    expect(out).toContain("no loss is told");
    const { out: cost } = await shoal(["plan", "train", written, "--cpu", "amx", "--json"]);
    expect(JSON.parse(cost).usd.mid).toBeCloseTo(0.5, 1);
  });
});
