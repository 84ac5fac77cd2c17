/** What can go wrong in a run: the process is killed, the loss leaves its course, the disk is full. Nothing is lost, and nothing changes. */
import { type ChildProcess, spawn } from "node:child_process";
import fs, { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Random } from "../src/base/index.ts";
import { latestState } from "../src/checkpoint/index.ts";
import { createKernels } from "../src/tensor/index.ts";
import { parseRecipe, type Recipe, train } from "../src/train/index.ts";
import { course, filesOf, ledgerOf, weightsOf } from "./runs.ts";
import { MAIN } from "./shoal.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const kernels = createKernels();

const recipePath = join(dir, "recipe.json");
const json = { ...tinyRecipe(8192), checkpoint: { everySteps: 4 } };
const recipe = parseRecipe(json);
writeFileSync(recipePath, JSON.stringify(json));

/** One run without a break, that the others are held against. */
const whole = join(dir, "whole");
const STEPS = 40;
await train(recipe, { out: whole, data, kernels });

describe("a process of its own", () => {
  const start = (out: string, resume: boolean) => {
    const args = ["train", recipePath, "--data", data, "--out", out, "--json", "--threads", "2"];
    return spawn(process.execPath, [MAIN, ...args, ...(resume ? ["--resume"] : [])], {
      stdio: ["ignore", "pipe", "pipe"],
    });
  };

  /** Ends when the process has, with what it printed on its error stream. */
  const ended = (child: ChildProcess) =>
    new Promise<{ code: number | null; errors: string }>((resolve) => {
      let errors = "";
      child.stderr!.on("data", (chunk) => {
        errors += chunk;
      });
      child.on("close", (code) => resolve({ code, errors }));
    });

  it("killed at random moments loses only the steps since its last checkpoint", async () => {
    const out = join(dir, "killed");
    const moments: number[] = [];
    for (let kill = 0; kill < 4; kill++) {
      const child = start(out, true);
      const end = ended(child);
      // Counted from the first step, or from the start: kills then fall on all that a run does.
      const moment = Math.random() * (kill === 0 ? 500 : 250);
      moments.push(moment);
      if (kill > 0) await Promise.race([end, new Promise((resolve) => child.stdout!.once("data", resolve))]);
      const timer = setTimeout(() => child.kill("SIGKILL"), moment);
      await end;
      clearTimeout(timer);
    }
    const { code, errors } = await ended(start(out, true));
    const finished = { code: 0, errors: true };
    expect({ code, errors: errors.includes(`finished: ${STEPS} steps`) }, `killed after ${moments}`).toEqual(finished);
    expect(course(out)).toEqual(course(whole));
    expect(weightsOf(out).equals(weightsOf(whole))).toBe(true);
  });

  it("interrupted finishes the step, writes a checkpoint and exits with 130", async () => {
    const out = join(dir, "interrupted");
    const child = start(out, false);
    const end = ended(child);
    child.stdout!.once("data", () => child.kill("SIGINT"));
    const { code, errors } = await end;
    expect(code).toBe(130);
    expect(errors).toMatch(/stopped after step \d+ with a checkpoint; go on with: shoal train .* --resume/);
    expect(latestState(join(out, "checkpoints"), () => {})).not.toBeNull();
    expect(existsSync(join(out, "model"))).toBe(false);
    await train(recipe, { out, data, kernels, resume: true });
    expect(course(out)).toEqual(course(whole));
  });
});

it("ended while its data are read, it ends at once, and the same command begins it", async () => {
  const out = join(dir, "reading");
  const controller = new AbortController();
  const reason = new Error("enough");
  const onMessage = () => controller.abort(reason);
  await expect(train(recipe, { out, data, kernels, onMessage, signal: controller.signal })).rejects.toBe(reason);
  expect((await train(recipe, { out, data, kernels, maxSteps: 1 })).steps).toBe(1);
});

/** What a run writes in all: as many checkpoints as it keeps and removes, the model, and the rest. */
const sizeOf = (path: string) => fs.statSync(path).size;
const CHECKPOINT = sizeOf(join(whole, "checkpoints", `step-${String(STEPS).padStart(8, "0")}`, "buffers.safetensors"));
const MODEL = sizeOf(join(whole, "model", "model.safetensors"));

describe("two processes in one folder", () => {
  const options = { data, kernels, maxSteps: 1 };

  it("the second is refused while the first runs, and touches nothing", async () => {
    const out = join(dir, "shared");
    await train(recipe, { ...options, out });
    // What the first has half written is not the second's to remove.
    mkdirSync(join(out, "checkpoints", "step-00000099.tmp"));
    const script = `import { lockFile } from ${JSON.stringify(new URL("../src/base/index.ts", import.meta.url).href)};
      globalThis.lock = lockFile(${JSON.stringify(join(out, "run.lock"))}); console.log("locked"); setInterval(() => {}, 1000);`;
    const other = spawn(process.execPath, ["--input-type=module-typescript", "-e", script]);
    await new Promise((resolve) => other.stdout.once("data", resolve));
    const before = filesOf(out);
    await expect(train({ ...recipe, description: "other" }, { ...options, out, resume: true })).rejects.toThrow(
      "another process trains in this folder",
    );
    expect(filesOf(out)).toEqual(before);
    // The lock ends with its process, however it ends.
    other.kill("SIGKILL");
    await new Promise((resolve) => other.once("close", resolve));
    expect((await train(recipe, { ...options, maxSteps: 2, out, resume: true })).steps).toBe(2);
    expect(existsSync(join(out, "checkpoints", "step-00000099.tmp"))).toBe(false);
  });

  it("in one process too", async () => {
    const out = join(dir, "twice");
    const first = train(recipe, { ...options, out });
    await expect(train(recipe, { ...options, out, resume: true })).rejects.toThrow("trains in this folder");
    expect((await first).steps).toBe(1);
  });

  it("a refused one leaves the lock with who has it", async () => {
    const out = join(dir, "thrice");
    const first = train(recipe, { ...options, out });
    for (let i = 0; i < 2; i++)
      await expect(train(recipe, { ...options, out, resume: true })).rejects.toThrow("trains in this folder");
    await first;
  });
});

describe("a full disk", () => {
  const { writeSync, appendFileSync } = fs;
  afterEach(() => {
    Object.assign(fs, { writeSync, appendFileSync });
    syncBuiltinESMExports();
  });

  /** From now on `bytes` more can be written, and half of what does not fit any more. */
  function limitDisk(bytes: number): void {
    let left = bytes;
    const take = (length: number, writeHalf: () => void) => {
      left -= length;
      if (left >= 0) return;
      writeHalf();
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    };
    Object.assign(fs, {
      writeSync(
        file: number,
        bytes: Uint8Array,
        at = 0,
        length = bytes.byteLength - at,
        position: number | null = null,
      ) {
        take(length, () => writeSync(file, bytes, at, length >> 1, position));
        return writeSync(file, bytes, at, length, position);
      },
      appendFileSync(path: string, text: string) {
        take(text.length, () => appendFileSync(path, text.slice(0, text.length >> 1)));
        appendFileSync(path, text);
      },
    });
    syncBuiltinESMExports();
  }

  it.each([
    ["before the first step", 10],
    ["in the first checkpoint", CHECKPOINT / 2],
    ["in the third", 2.5 * CHECKPOINT],
    // A checkpoint every four steps, one at the end of the first stage among them.
    ["in the finished model", (STEPS / 4) * CHECKPOINT + 0.9 * MODEL],
  ])("%s stops the run with one line; with room again it goes on", async (_, bytes) => {
    const out = join(dir, `full-${bytes}`);
    limitDisk(bytes);
    const error = await train(recipe, { out, data, kernels }).then(
      () => null,
      (error: Error) => error,
    );
    Object.assign(fs, { writeSync, appendFileSync });
    syncBuiltinESMExports();
    expect(error?.name).toBe("InputError");
    expect(error?.message).toMatch(/^[^\n]*: cannot be written[^\n]*the disk is full[^\n]*$/);
    const damaged: string[] = [];
    const state = latestState(join(out, "checkpoints"), (message) => damaged.push(message));
    expect(damaged).toEqual([]);
    expect(state === null).toBe(bytes < CHECKPOINT);
    expect(await train(recipe, { out, data, kernels, resume: true })).toMatchObject({ finished: true, steps: STEPS });
    expect(course(out)).toEqual(course(whole));
    expect(weightsOf(out).equals(weightsOf(whole))).toBe(true);
    expect(readdirSync(join(out, "checkpoints")).every((name) => /^step-\d+$/.test(name))).toBe(true);
  });
});

describe("a loss that leaves its course", () => {
  const poisoned = join(dir, "poisoned");
  writeTinyData(poisoned);
  /** One document among the stories is noise. */
  const stories = readFileSync(join(poisoned, "stories.jsonl"), "utf8").trim().split("\n").slice(0, 60);
  const random = new Random(8);
  const noise = Array.from({ length: 150 }, () => String.fromCharCode(33 + random.below(90))).join("");
  writeFileSync(join(poisoned, "stories.jsonl"), [...stories, JSON.stringify({ text: noise })].join("\n"));
  const onSpike = { window: 24, deviations: 6 };

  const careful = parseRecipe({ ...tinyRecipe(16384), seed: 6, onSpike, checkpoint: { everySteps: 5 } });
  const rollbacks = (out: string) =>
    ledgerOf(out).filter((record) => record.kind === "event" && record.event === "rollback");
  const losses = (out: string) =>
    ledgerOf(out).flatMap((record) => (record.kind === "step" && record.stage === "pretrain" ? [record.loss] : []));

  it("goes back to the last checkpoint, and on behind the data that it had seen", async () => {
    const out = join(dir, "rolled-back");
    await train(careful, { out, data: poisoned, kernels });
    const plain = join(dir, "not-rolled-back");
    const { onSpike: _, ...without } = careful;
    await train(without as Recipe, { out: plain, data: poisoned, kernels });
    const [rollback] = rollbacks(out);
    expect(rollback).toMatchObject({
      stage: "pretrain",
      message: expect.stringMatching(/^step \d+: the loss [\d.]+ is above/),
    });
    const { step, backTo, loss, limit } = rollback as Extract<typeof rollback, { event: "rollback" }>;
    expect([loss! > limit!, backTo % 5, step > backTo]).toEqual([true, 0, true]);
    // Up to the checkpoint as without; the steps after it are others, all are there, and none is as bad.
    expect(losses(out).slice(0, backTo)).toEqual(losses(plain).slice(0, backTo));
    expect(losses(plain)[step - 1]).toBe(loss);
    expect(losses(out).length).toBe(losses(plain).length);
    expect(Math.max(...losses(out).slice(backTo))).toBeLessThan((limit! + loss!) / 2);
    // The bill keeps what the lost steps cost.
    const seconds = ledgerOf(out).flatMap((record) => (record.kind === "step" ? [record.seconds] : []));
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));

    const resumed = join(dir, "rolled-back-resumed");
    await train(careful, { out: resumed, data: poisoned, kernels, maxSteps: 10 });
    await train(careful, { out: resumed, data: poisoned, kernels, resume: true });
    expect(course(resumed)).toEqual(course(out));
    expect(weightsOf(resumed).equals(weightsOf(out))).toBe(true);
  });

  it("gives up when it does so again and again", async () => {
    const wild = tinyRecipe();
    (wild.stages as { lr: number }[])[0].lr = 1e20;
    const out = join(dir, "wild");
    await expect(
      train(parseRecipe({ ...wild, onSpike: { ...onSpike, most: 2 } }), { out, data, kernels }),
    ).rejects.toThrow(
      /^step \d+: the loss or its gradient is not finite, after 2 times back to a checkpoint; lower the learning rate/,
    );
    expect(rollbacks(out).at(-1)).toMatchObject({ backTo: 0 });
    expect(ledgerOf(out).filter((record) => record.kind === "event" && record.event === "stage").length).toBe(1);
  });

  it("without onSpike leaves the weights as they were, and ends the run before it can do harm", async () => {
    const wild = tinyRecipe();
    (wild.stages as { lr: number }[])[0].lr = 1e20;
    const out = join(dir, "wild-plain");
    await expect(train(parseRecipe(wild), { out, data, kernels })).rejects.toThrow(/not finite 3 times in a row/);
    expect(ledgerOf(out).filter((record) => record.kind === "step" && record.skipped).length).toBe(3);
  });
});
