/** `shoal plan` as a user meets it. */
import { readFileSync } from "node:fs";
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
