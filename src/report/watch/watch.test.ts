import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Watch, watchRun } from "./watch.ts";
import { watchRunAside } from "./watch-aside.ts";

const line = (step: number, loss: number) =>
  `${JSON.stringify({ kind: "step", stage: "s", step, tokens: step * 10, loss, seconds: step, coreHours: step, tokensPerSecond: 10 })}\n`;

let dir: string;
let ledger: string;
let watch: Watch | null;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "shoal-watch-"));
  ledger = join(dir, "ledger.jsonl");
  watch = null;
});
afterEach(async () => {
  await watch?.close();
  rmSync(dir, { recursive: true });
});

interface View {
  title: string;
  writtenAt: number | null;
  parts: Record<string, string>;
}

/** The events of a connection, one at a time. */
async function* viewsOf(url: string): AsyncGenerator<View, void> {
  const response = await fetch(new URL("events", url));
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const data = /^event: view\ndata: (.*)$/.exec(text.slice(0, end));
      text = text.slice(end + 2);
      if (data) yield JSON.parse(data[1]);
    }
  }
}

/** Reads views until one whose head tells of this step. */
async function untilStep(views: AsyncGenerator<View, void>, step: number): Promise<View> {
  for (;;) {
    const { value, done } = await views.next();
    if (done) throw new Error("the stream ended");
    if (value.parts.head?.includes(`Step <b>${step}</b>`)) return value;
  }
}

const status = (url: string, headers: Record<string, string> = {}, method = "GET") =>
  new Promise<number>((resolve, reject) => {
    get(url, { headers, method }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    }).on("error", reject);
  });

describe("the live page", () => {
  it("is one page with a strict policy", async () => {
    watch = await watchRun({ dir, port: 0 });
    const response = await fetch(watch.url);
    const policy = response.headers.get("content-security-policy")!;
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self';/,
    );
    expect(policy).toContain("frame-ancestors 'none'");
    expect(await response.text()).toContain('new EventSource("events")');
  });

  it("sends every part at first, then those that have changed, over a ledger that grows and is cut back", async () => {
    watch = await watchRun({ dir, port: 0, pollMs: 10 });
    const views = viewsOf(watch.url);
    const before = await untilStep(views, 0);
    expect(before.writtenAt).toBeNull();
    expect(Object.keys(before.parts)).toEqual(expect.arrayContaining(["head", "tiles", "loss", "experts", "bill"]));
    writeFileSync(ledger, line(1, 5) + line(2, 4));
    const two = await untilStep(views, 2);
    expect(two.parts.tiles).toContain("4.500");
    // Nothing is new in the samples.
    expect(two.parts.samples).toBeUndefined();
    appendFileSync(ledger, line(3, 3).slice(0, 20));
    appendFileSync(ledger, line(3, 3).slice(20));
    await untilStep(views, 3);
    truncateSync(ledger, line(1, 5).length);
    appendFileSync(ledger, line(2, 1));
    const again = await untilStep(views, 2);
    expect(again.parts.tiles).toContain("3.000");
    await views.return();
  });

  it("gives a second watcher the whole, and figures as JSON", async () => {
    writeFileSync(ledger, line(1, 5));
    watch = await watchRun({ dir, port: 0, pollMs: 10 });
    const first = viewsOf(watch.url);
    const second = viewsOf(watch.url);
    expect(Object.keys((await untilStep(first, 1)).parts)).toEqual(Object.keys((await untilStep(second, 1)).parts));
    await first.return();
    await second.return();
    const figures = await (await fetch(new URL("figures.json", watch.url))).json();
    expect(figures).toMatchObject({ step: 1, loss: 5, validation: null, totalTokens: null });
  });

  it("lives on while the recipe is broken, and shows the run once it is whole", async () => {
    writeFileSync(join(dir, "recipe.json"), "{");
    writeFileSync(ledger, line(1, 5));
    watch = await watchRun({ dir, port: 0, pollMs: 10 });
    const views = viewsOf(watch.url);
    const seen = untilStep(views, 1);
    expect(await status(new URL("figures.json", watch.url).href)).toBe(503);
    rmSync(join(dir, "recipe.json"));
    await seen;
    await views.return();
  });

  it("answers to its own name, to GET, and where it has something", async () => {
    watch = await watchRun({ dir, port: 0 });
    expect(await status(watch.url)).toBe(200);
    expect(await status(watch.url, { host: "localhost:1234" })).toBe(200);
    expect(await status(watch.url, { host: "evil.example" })).toBe(403);
    expect(await status(watch.url, {}, "POST")).toBe(405);
    expect(await status(new URL("etc", watch.url).href)).toBe(404);
  });

  it("refuses a port that is taken, when it was named", async () => {
    watch = await watchRun({ dir, port: 0 });
    const port = Number(new URL(watch.url).port);
    await expect(watchRun({ dir, port })).rejects.toThrow(
      `--watch ${port}: the port cannot be had on 127.0.0.1 (EADDRINUSE)`,
    );
  });

  it("serves from a thread of its own beside work that never pauses", async () => {
    writeFileSync(ledger, line(7, 5));
    const { url, close } = await watchRunAside({ dir, port: 0 });
    const views = viewsOf(url);
    await untilStep(views, 7);
    await views.return();
    await close();
    await expect(fetch(url)).rejects.toThrow();
  });
});
