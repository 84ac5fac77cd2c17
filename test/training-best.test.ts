/** What a run says of itself: what it held out, which state its model is made of, and how its stages went. */
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createKernels } from "../src/tensor/index.ts";
import { parseRecipe, type RunResult, train } from "../src/train/index.ts";
import { course, ledgerOf, weightsOf } from "./runs.ts";
import { temporaryFolder, tinyRecipe, writeTinyData } from "./tiny.ts";

const dir = temporaryFolder();
const data = join(dir, "data");
writeTinyData(data);
const kernels = createKernels();

const first = join(dir, "first");
await train(parseRecipe(tinyRecipe()), { out: first, data, kernels });
const from = join(first, "model");

const stage = { tokens: 4096, sequenceLength: 64, batchSequences: 4, microBatchSequences: 2, lr: 0.01 };
const NAMES = ["Ada", "Bo", "Cy", "Dee", "Eli", "Fay"];
const lines = (rows: unknown[]) => rows.map((row) => JSON.stringify(row)).join("\n");
/** Replies that nothing in the prompt tells: all that can be learnt of them is by heart. */
writeFileSync(
  join(data, "by-heart.jsonl"),
  lines(
    Array.from({ length: 24 }, (_, i) => ({
      messages: [
        { role: "user", content: `Tell me number ${i}.` },
        { role: "assistant", content: `${NAMES[(i * i + 3) % 5]} and ${NAMES[(i * 7) % 6]} draw ${(i * 7919) % 1000}` },
      ],
    })),
  ),
);
const heart = {
  name: "heart",
  from,
  stages: [
    {
      name: "chat",
      ...stage,
      tokens: 12_288,
      packing: "chats",
      loss: "assistant",
      mixture: [{ path: "by-heart.jsonl" }],
      schedule: { decayFrom: 1, decayTo: 1 },
    },
  ],
  validation: { share: 0.3, everySteps: 4 },
};
const validations = (out: string) => ledgerOf(out).filter((record) => record.kind === "validation");
const messages: string[] = [];
const heartOut = join(dir, "heart");
const result: RunResult = await train(parseRecipe({ ...heart, checkpoint: { everySteps: 4 } }), {
  out: heartOut, data, kernels, onMessage: (line) => messages.push(line),
}); // biome-ignore format: one line

describe("chats that are learnt by heart", () => {
  it("are read many times, which is said before the first step with the place to change", () => {
    expect(messages.join("\n")).toMatch(
      /stage chat: by-heart\.jsonl is read [\d.]+ times, which mostly learns it by heart; set stages\.0\.tokens to \d+ or less/,
    );
    const source = ledgerOf(heartOut).find((record) => record.kind === "event" && record.event === "data");
    expect(source).toMatchObject({ passes: expect.any(Number), message: expect.stringMatching(/read [\d.]+ times/) });
  });

  it("show in the loss of held-out replies, apart from that of text", () => {
    const losses = validations(heartOut).map(({ chatLoss }) => chatLoss!);
    expect(losses.length).toBe(12);
    expect(Math.min(...losses)).toBeLessThan(losses.at(-1)!);
    expect(validations(heartOut).every(({ bitsPerByte }) => bitsPerByte === undefined)).toBe(true);
  });

  it("leave the model of the best step, and it is said which", async () => {
    const all = validations(heartOut);
    const best = all.reduce((a, b) => (b.chatLoss! < a.chatLoss! ? b : a));
    expect(result.taken).toMatch(new RegExp(`^the best state by the loss of held-out replies, of step ${best.step} `));
    expect(readdirSync(join(heartOut, "best"))).toEqual([`step-${String(best.step).padStart(8, "0")}`]);
    expect(result.remarks.join()).toMatch(
      /stage chat learnt by heart: the loss of held-out replies was .* at step \d+ and ended at/,
    );
    // The same weights as those of a run that is looked at when it has made as many steps.
    const last = join(dir, "heart-last");
    const taken = await train(parseRecipe({ ...heart, validation: { ...heart.validation, keep: "last" } }), {
      out: last,
      data,
      kernels,
    });
    expect(taken.taken).toBe(`the last state, of step ${result.steps}`);
    expect(existsSync(join(last, "best"))).toBe(false);
    expect(weightsOf(last).equals(weightsOf(heartOut))).toBe(false);
  });

  it("is the same however often the run is stopped", async () => {
    const out = join(dir, "heart-stopped");
    const recipe = parseRecipe({ ...heart, checkpoint: { everySteps: 4 } });
    for (const maxSteps of [3, 6, 9, 14, 100])
      await train(recipe, { out, data, kernels, maxSteps, resume: maxSteps > 3 });
    expect(course(out)).toEqual(course(heartOut));
    expect(weightsOf(out).equals(weightsOf(heartOut))).toBe(true);
    // And when all is done.
    rmSync(join(out, "model"), { recursive: true });
    await train(recipe, { out, data, kernels, resume: true });
    expect(weightsOf(out).equals(weightsOf(heartOut))).toBe(true);
  });

  it("a best state that is damaged leaves the last, and that is said", async () => {
    const out = join(dir, "heart-damaged");
    cpSync(heartOut, out, { recursive: true });
    const [name] = readdirSync(join(out, "best"));
    writeFileSync(join(out, "best", name, "state.json"), "{}");
    const again = await train(parseRecipe({ ...heart, checkpoint: { everySteps: 4 } }), {
      out,
      data,
      kernels,
      resume: true,
    });
    expect(again.taken).toMatch(/^the last state, of step \d+: the best, of step \d+, cannot be read/);
  });
});

describe("pairs", () => {
  it("are held out by their prompts, and judged before and behind", async () => {
    const pair = (i: number) => ({ prompt: `Who is number ${i}?`, chosen: NAMES[i % 6], rejected: NAMES[(i + 1) % 6] });
    writeFileSync(join(data, "pairs.jsonl"), lines(Array.from({ length: 60 }, (_, i) => pair(i))));
    const recipe = (everySteps: number) =>
      parseRecipe({
        name: "pairs",
        from,
        stages: [{ name: "prefer", ...stage, preference: { path: "pairs.jsonl" } }],
        validation: { share: 0.3, everySteps },
      });
    const out = join(dir, "pairs");
    await train(recipe(4), { out, data, kernels });
    const source = ledgerOf(out).find((record) => record.kind === "event" && record.event === "data");
    const { documents } = source as unknown as { documents: number };
    expect(documents).toBeGreaterThan(30);
    expect(documents).toBeLessThan(55);
    for (const { pairs } of validations(out))
      expect(pairs).toEqual({ loss: expect.any(Number), accuracy: expect.any(Number) });
    expect(ledgerOf(out).at(-1)).toMatchObject({
      event: "model",
      message: expect.stringContaining("the loss of held-out pairs"),
    });
    const broken = join(dir, "pairs-broken");
    await train(recipe(4), { out: broken, data, kernels, maxSteps: 6 });
    await train(recipe(4), { out: broken, data, kernels, resume: true });
    expect(course(broken)).toEqual(course(out));
  });
});

describe("a run that came to nothing", () => {
  const wild = (lr: number) => {
    const json = tinyRecipe(8192);
    (json.stages as { lr: number }[])[0].lr = lr;
    return parseRecipe({ ...json, validation: undefined });
  };

  it.each([2, 5])("by a rate of %d ends with a remark, in the ledger too", async (lr) => {
    const out = join(dir, `wild-${lr}`);
    const { remarks } = await train(wild(lr), { out, data, kernels });
    expect(remarks.join("\n")).toMatch(
      /stage pretrain (learnt nothing|went astray): .*; lower the rate \(lr of stage pretrain\)/,
    );
    expect(ledgerOf(out)).toContainEqual(
      expect.objectContaining({ event: "remark", stage: "pretrain", message: remarks[0] }),
    );
  });

  it("and one that went well ends without", async () => {
    const out = join(dir, "tame");
    expect((await train(wild(0.01), { out, data, kernels })).remarks).toEqual([]);
  });

  it.each([
    [
      "a user's words are longer than a sequence",
      [
        { role: "user", content: "Ada sees the blue boat. ".repeat(40) },
        { role: "assistant", content: "Yes" },
      ],
    ],
    [
      "there is no assistant",
      [
        { role: "user", content: "Ada sees the blue boat." },
        { role: "user", content: "And?" },
      ],
    ],
  ])("where %s, is refused before its first step", async (_, messages) => {
    const folder = join(dir, `nothing-${messages[0].content.length}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "chats.jsonl"), lines(Array.from({ length: 30 }, () => ({ messages }))));
    const json = {
      name: "nothing",
      from,
      stages: [{ name: "chat", ...stage, packing: "chats", loss: "assistant", mixture: [{ path: "chats.jsonl" }] }],
    };
    await expect(train(parseRecipe(json), { out: join(folder, "run"), data: folder, kernels })).rejects.toThrow(
      /chats\.jsonl: (there is nothing to learn|there is no text)/,
    );
  });
});
