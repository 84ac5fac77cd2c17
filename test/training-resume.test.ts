/** What a run finds when it is taken up again: checkpoints, data and a recipe that may be others than it left. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createKernels } from "../src/tensor/index.ts";
import { parseRecipe, type Recipe, train } from "../src/train/index.ts";
import { course, filesOf, ledgerOf } from "./runs.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const kernels = createKernels();

const json = { ...tinyRecipe(), checkpoint: { everySteps: 4 } };
const recipe = parseRecipe(json);

/** One run without a break, that the others are held against. */
const whole = join(dir, "whole");
await train(recipe, { out: whole, data, kernels });

describe("damaged checkpoints", () => {
  const damage = (out: string, steps: readonly number[]) => {
    for (const step of steps) {
      const path = join(out, "checkpoints", `step-${String(step).padStart(8, "0")}`, "buffers.safetensors");
      const bytes = readFileSync(path);
      bytes[bytes.length - 5] ^= 1;
      writeFileSync(path, bytes);
    }
  };
  const checkpoints = (out: string) => readdirSync(join(out, "checkpoints")).sort();

  it("all of them end the run before it touches anything, and are named", async () => {
    const out = join(dir, "all-damaged");
    await train(recipe, { out, data, kernels, maxSteps: 10 });
    damage(out, [8, 10]);
    const before = filesOf(out);
    await expect(train(recipe, { out, data, kernels, resume: true })).rejects.toThrow(
      /none of the 2 checkpoints is whole \(.*step-00000010.*step-00000008.*\); put one back/,
    );
    expect(filesOf(out)).toEqual(before);
    await expect(train(recipe, { out, data, kernels })).rejects.toThrow(/holds a run already/);
    rmSync(join(out, "ledger.jsonl"));
    await expect(train(recipe, { out, data, kernels })).rejects.toThrow(/holds a run already/);
  });

  it("one is kept under another name, and never in place of a whole one", async () => {
    const out = join(dir, "one-damaged");
    const keepOne = parseRecipe({ ...json, checkpoint: { everySteps: 4, keep: 1 } });
    await train(recipe, { out, data, kernels, maxSteps: 10 });
    damage(out, [10]);
    await train(keepOne, { out, data, kernels, maxSteps: 9, resume: true });
    expect(checkpoints(out)).toEqual(["step-00000009", "step-00000010.damaged"]);
    await train(recipe, { out, data, kernels, resume: true });
    expect(course(out)).toEqual(course(whole));
  });

  it("a run that ended before its first checkpoint begins again, and keeps what it told", async () => {
    const out = join(dir, "before-first");
    const never = parseRecipe({ ...json, checkpoint: {} });
    const stop = new Error("stop");
    const onRecord = ({ step }: { step: number }) => {
      if (step === 3) throw stop;
    };
    await expect(train(never, { out, data, kernels, onRecord })).rejects.toThrow(stop);
    const messages: string[] = [];
    await train(never, { out, data, kernels, resume: true, maxSteps: 1, onMessage: (line) => messages.push(line) });
    expect(messages.join("\n")).toMatch(
      /no checkpoint yet: beginning at step 0; what .* is kept in .*ledger\.before\.jsonl/,
    );
    expect(ledgerOf(out).length).toBeLessThan(
      readFileSync(join(out, "ledger.before.jsonl"), "utf8").split("\n").length,
    );
  });
});

describe("data that change before a run goes on", () => {
  const rows = (file: string) => readFileSync(join(data, file), "utf8").trim().split("\n");
  /** A folder with the same data, of which one file holds other lines. */
  const withData = (name: string, file: string, lines: string[]) => {
    const folder = join(dir, name);
    writeTinyData(folder);
    writeFileSync(join(folder, file), lines.join("\n"));
    return folder;
  };
  const start = async (name: string) => {
    const out = join(dir, name);
    await train(recipe, { out, data, kernels, maxSteps: 5 });
    return out;
  };

  it.each([
    ["fewer", "stories.jsonl", rows("stories.jsonl").slice(0, 9)],
    [
      "others in the same number and size",
      "stories.jsonl",
      rows("stories.jsonl").map((row) => row.replaceAll("Ada", "Bob")),
    ],
    ["in another order", "stories.jsonl", rows("stories.jsonl").reverse()],
    ["validation", "validation.jsonl", rows("validation.jsonl").map((row) => row.replaceAll("fish", "crab"))],
  ])("%s are refused, and taken where that is said", async (name, file, lines) => {
    const out = await start(`changed ${name}`);
    const other = withData(`data ${name}`, file, lines);
    const before = filesOf(join(out, "checkpoints"));
    await expect(train(recipe, { out, data: other, kernels, resume: true })).rejects.toThrow(
      /is not what it was when the run was stopped; put .* back, or go on with --accept-changed-data/,
    );
    expect(filesOf(join(out, "checkpoints"))).toEqual(before);
    const accept = { out, data: other, kernels, resume: true, acceptChangedData: true };
    expect(await train(recipe, { ...accept, maxSteps: 12 })).toMatchObject({ steps: 12 });
    // From then on they are the run's.
    expect(await train(recipe, { out, data: other, kernels, resume: true })).toMatchObject({ finished: true });
  });

  it("files that were only written again, or under another time, are the same", async () => {
    const out = await start("touched");
    const again = withData("data touched", "stories.jsonl", rows("stories.jsonl"));
    await train(recipe, { out, data: again, kernels, resume: true });
    expect(course(out)).toEqual(course(whole));
  });

  it("what of the validation is bad is told, or refused", async () => {
    const mixed = join(dir, "mixed.jsonl");
    writeFileSync(mixed, `${readFileSync(join(data, "validation.jsonl"), "utf8")}{broken\n`);
    const validation = { path: mixed, everySteps: 8, documents: 4 };
    const messages: string[] = [];
    const options = { data, kernels, maxSteps: 1, onMessage: (line: string) => messages.push(line) };
    await train(parseRecipe({ ...json, validation }), { ...options, out: join(dir, "mixed") });
    expect(messages).toContain(`validation.path ${mixed}: 1 documents skipped: 1 not valid JSON`);
    const strict = parseRecipe({ ...json, validation, onBadData: "refuse" });
    await expect(train(strict, { ...options, out: join(dir, "strict") })).rejects.toThrow(/mixed\.jsonl:7: not valid/);
  });

  it("another tokenizer is refused", async () => {
    const out = await start("tokenizer");
    const path = join(out, "tokenizer", "tokenizer_config.json");
    writeFileSync(path, readFileSync(path, "utf8").replace("{", '{"x": 1,'));
    await expect(train(recipe, { out, data, kernels, resume: true, acceptChangedData: true })).rejects.toThrow(
      /tokenizer: is not what it was/,
    );
  });
});

describe("a recipe that changes before a run goes on", () => {
  const changed = (change: (recipe: Recipe) => void) => {
    const other = structuredClone(recipe);
    change(other);
    return other;
  };

  it("may lower the rate of the stage at hand; the ledger tells", async () => {
    const out = join(dir, "lower");
    await train(recipe, { out, data, kernels, maxSteps: 5 });
    const lower = changed((other) => {
      other.stages[0].lr = 0.001;
    });
    await train(lower, { out, data, kernels, maxSteps: 7, resume: true });
    const ledger = ledgerOf(out);
    expect(ledger.findLast((record) => record.kind === "step")!.lr).toBe(0.001);
    const resumed = ledger.find((record) => record.kind === "event" && record.event === "resume");
    expect(resumed).toMatchObject({ message: expect.stringContaining("stages.0.lr: 0.01 → 0.001") });
  });

  it.each<[string, (other: Recipe) => void]>([
    ["seed: 3 → 4", (other) => { other.seed = 4; }],
    ["stages.0.batchSequences: 4 → 2", (other) => { other.stages[0].batchSequences = 2; }],
    ["model.rope_theta: 10000 → 20000", (other) => { other.model!.rope_theta = 20000; }],
    ["muon: nothing → {", (other) => { other.muon = { momentum: 0.9, iterations: 5, updateRms: 0.2 }; }],
  ])("may not change what it began with: %s", async (line, change) => {
    const out = join(dir, "lower");
    const before = filesOf(out);
    await expect(train(changed(change), { out, data, kernels, resume: true })).rejects.toThrow(`(${line}`);
    expect(filesOf(out)).toEqual(before);
  }); // biome-ignore format: a line each
});
