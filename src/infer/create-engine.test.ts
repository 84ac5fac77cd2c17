import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it, vi } from "vitest";
import { createEngine } from "./create-engine.ts";
import type { Engine, EngineEvent } from "./engine.ts";
import { MINNOW, minnowConfig } from "./testing/ask.ts";

const opened: Engine[] = [];
afterAll(() => Promise.all(opened.map((engine) => engine.close())));

async function open(options: Partial<Parameters<typeof createEngine>[0]> = {}): Promise<Engine> {
  const engine = await createEngine({ models: [{ id: "minnow", dir: MINNOW }], ...options });
  opened.push(engine);
  return engine;
}

async function read(events: AsyncIterable<EngineEvent>): Promise<EngineEvent[]> {
  const out: EngineEvent[] = [];
  for await (const event of events) out.push(event);
  return out;
}

const text = (events: EngineEvent[]) => events.map((event) => (event.type === "text" ? event.text : "")).join("");

describe("an engine in its own thread", () => {
  it("tells its models, answers many at once, and counts", async () => {
    const engine = await open({ models: [{ dir: MINNOW, price: { coreHourUsd: 0.05, cores: 2 } }] });
    expect(await engine.models()).toMatchObject([
      {
        id: "minnow",
        owner: "local",
        context: minnowConfig.maxPositionEmbeddings,
        experts: {
          layers: minnowConfig.numHiddenLayers - minnowConfig.firstKDenseReplace,
          count: minnowConfig.nRoutedExperts,
          perToken: minnowConfig.numExpertsPerTok,
        },
        defaults: { temperature: 0.7, topP: 0.95 },
        price: { coreHourUsd: 0.05, cores: 2 },
      },
    ]);
    const settings = { model: "minnow", maxTokens: 12, temperature: 0 };
    const answers = await Promise.all(
      ["A", "B", "A"].map((content) => read(engine.chat({ ...settings, messages: [{ role: "user", content }] }))),
    );
    for (const events of answers) {
      expect(events[0]).toMatchObject({ type: "start", cachedTokens: 0 });
      expect(events.at(-1)).toMatchObject({ type: "end", usage: { promptTokens: expect.any(Number) } });
    }
    expect(text(answers[2])).toBe(text(answers[0]));
    expect((await engine.stats()).minnow).toMatchObject({ requests: 3, running: 0, waiting: 0, usedRows: 0 });
  });

  it("counts a prompt as it will be sent, whether it fits or not", async () => {
    const engine = await open();
    const chat = (content: string) => ({ model: "minnow", messages: [{ role: "user" as const, content }] });
    const events = await read(engine.chat({ ...chat("Hello there, fox."), maxTokens: 1 }));
    const count = await engine.countTokens!(chat("Hello there, fox."));
    expect(events[0]).toMatchObject({ type: "start", promptTokens: count });
    expect(await engine.countTokens!(chat("fox ".repeat(9000)))).toBeGreaterThan(minnowConfig.maxPositionEmbeddings);
    await expect(engine.countTokens!({ model: "none", messages: [] })).rejects.toMatchObject({ kind: "not_found" });
    await expect(engine.countTokens!({ model: "minnow", messages: [] })).rejects.toMatchObject({ kind: "invalid" });
  });

  it("stops at once when the reader leaves or the signal says so", async () => {
    const engine = await open();
    const request = { model: "minnow", prompt: "Once", maxTokens: 900, ignoreEos: true };
    for await (const event of engine.complete(request)) if (event.type === "text") break;
    const controller = new AbortController();
    const events: EngineEvent[] = [];
    for await (const event of engine.complete(request, controller.signal)) {
      events.push(event);
      if (event.type === "text") controller.abort();
    }
    expect(events.at(-1)).toMatchObject({ type: "end", finishReason: "abort" });
    const early = await read(engine.complete(request, AbortSignal.abort()));
    expect(early.at(-1)).toMatchObject({ type: "end", finishReason: "abort", usage: { completionTokens: 0 } });
    expect((await engine.stats()).minnow).toMatchObject({ running: 0, usedRows: 0, aborted: 3 });
  });

  it("refuses with an EngineError that crosses the threads whole", async () => {
    const engine = await open();
    await expect(read(engine.complete({ model: "none", prompt: "A" }))).rejects.toMatchObject({
      name: "EngineError",
      kind: "not_found",
      param: "model",
      message: 'there is no model "none"; there are: minnow',
    });
    await expect(read(engine.chat({ model: "minnow", messages: [] }))).rejects.toMatchObject({
      kind: "invalid",
      param: "messages",
    });
  });

  it("ends what runs when it is closed, and answers nothing more", async () => {
    const engine = await open();
    const running = read(engine.complete({ model: "minnow", prompt: "Once", maxTokens: 900, ignoreEos: true }));
    await engine.stats();
    await engine.close();
    expect((await running).at(-1)).toMatchObject({ type: "end", finishReason: "abort" });
    await expect(read(engine.complete({ model: "minnow", prompt: "A" }))).rejects.toMatchObject({
      kind: "unavailable",
    });
    await expect(engine.models()).rejects.toMatchObject({ kind: "unavailable" });
    await expect(engine.stats()).rejects.toMatchObject({ kind: "unavailable" });
    await engine.close();
  });

  it("starts another thread where one has ended, and tells those who waited", async () => {
    const said = vi.spyOn(console, "error").mockImplementation(() => {});
    const engine = await open();
    const request = { model: "minnow", prompt: "Once", maxTokens: 900, ignoreEos: true };
    const running = read(engine.complete(request));
    const worker: Worker = Reflect.get(engine, "worker");
    await engine.stats();
    await worker.terminate();
    await expect(running).rejects.toMatchObject({ kind: "unavailable", message: /is starting again/, retryAfter: 1 });
    await expect(engine.models()).rejects.toMatchObject({ kind: "unavailable" });
    await expect.poll(() => engine.models().catch(() => null), { timeout: 10_000 }).toMatchObject([{ id: "minnow" }]);
    expect(await read(engine.complete({ ...request, maxTokens: 2 }))).toHaveLength(4);
    expect(said).toHaveBeenCalledOnce();
    said.mockRestore();
  });

  it("tells how far a copy in 4 bits is while it is made", async () => {
    const dir = mkdtempSync(join(tmpdir(), "shoal-engine-"));
    for (const name of readdirSync(MINNOW).filter((name) => name !== ".shoal"))
      symlinkSync(join(MINNOW, name), join(dir, name));
    const shares: number[] = [];
    const engine = await createEngine({ models: [{ dir, dtype: "int4" }] }, (share) => shares.push(share));
    opened.push(engine);
    expect(shares.at(-1)).toBe(1);
    expect(await engine.models()).toMatchObject([{ dtype: "int4" }]);
    rmSync(dir, { recursive: true });
  });

  it("says in one line what is wrong with a folder", async () => {
    await expect(createEngine({ models: [{ dir: "/nowhere" }] })).rejects.toMatchObject({
      name: "InputError",
      message: expect.stringMatching(/^\/nowhere[^\n]+$/),
    });
    const twice = { models: [{ dir: MINNOW }, { dir: MINNOW }] };
    await expect(createEngine(twice)).rejects.toThrow('two models are named "minnow"');
  });
});
