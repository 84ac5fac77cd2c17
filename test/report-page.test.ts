/** The report card and the live page in Chromium: what the pointer shows, and that the page keeps up with its run. */
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRun, reportPage, type Watch, watchRun } from "../src/report/index.ts";
import { hasChromium, launch } from "../web/testing/harness.ts";

const step = (n: number) =>
  `${JSON.stringify({ kind: "step", stage: "only", step: n, tokens: n * 1000, loss: 100 / n, seconds: n, coreHours: n / 3600, tokensPerSecond: 1000, busiest: [1.25], idle: [0] })}\n`;
const steps = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => step(from + i)).join("");

let browser: Browser;
let dir: string;
let watch: Watch | null = null;

/** A page of its own, with what it complained of: errors, and refusals of its policy. */
async function open(url: string): Promise<{ page: Page; trouble: string[] }> {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  const trouble: string[] = [];
  page.on("pageerror", ({ message }) => trouble.push(message));
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  await page.goto(url);
  return { page, trouble };
}

describe.skipIf(!hasChromium)("a run's pages", () => {
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "shoal-page-"));
    writeFileSync(join(dir, "ledger.jsonl"), steps(1, 100));
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await watch?.close();
    rmSync(dir, { recursive: true });
  });

  it("the report card shows values at the pointer and to the arrow keys, from a file alone", async () => {
    const experts = { kind: "experts", step: 100, tokens: 100_000, loads: [[0.5, 1.5]] };
    appendFileSync(join(dir, "ledger.jsonl"), `${JSON.stringify(experts)}\n`);
    writeFileSync(join(dir, "report.html"), reportPage(readRun(dir)));
    const { page, trouble } = await open(`file://${join(dir, "report.html")}`);
    const tip = page.getByRole("status");
    const chart = page.getByRole("img", { name: "Loss, nats a token" });
    const { x, y, width } = (await chart.boundingBox())!;
    await page.mouse.move(x + width / 2, y + 50);
    expect(await tip.innerText()).toBe("step 50 · 50K tokens · 50 s\n2.000");
    await page.mouse.move(1, 1);
    expect(await tip.isVisible()).toBe(false);
    // The keys go on from where the pointer was.
    await chart.focus();
    await page.keyboard.press("ArrowLeft");
    expect(await tip.innerText()).toContain("step 49 ·");
    // Focus may scroll the page after the key: the tip stays, beside its chart.
    const above = async () => (await tip.boundingBox())!.y - (await chart.boundingBox())!.y;
    const before = await above();
    await page.evaluate(() => {
      scrollBy(0, 20);
      return new Promise((seen) => addEventListener("scroll", () => setTimeout(seen), { once: true }));
    });
    expect(await tip.innerText()).toContain("step 49 ·");
    expect(await above()).toBeCloseTo(before);
    await page.keyboard.press("Escape");
    expect(await tip.isVisible()).toBe(false);
    const map = page.getByRole("img", { name: "Load of each expert" });
    await map.scrollIntoViewIfNeeded();
    // By place within the map: a page that still scrolls would slip away under a place on the screen.
    const { width: mapWidth } = (await map.boundingBox())!;
    await map.hover({ position: { x: mapWidth * 0.75, y: 5 } });
    expect(await tip.innerText()).toBe("layer 0 · expert 1\n1.5 × the mean");
    expect(trouble).toEqual([]);
    await page.close();
  });

  it("the live page follows a run that grows and goes back, and finds its server again", async () => {
    watch = await watchRun({ dir, port: 0, pollMs: 20 });
    const { page, trouble } = await open(watch.url);
    await page.getByText("Step 100 ·").waitFor();
    await page.getByText(/^connected · last line/).waitFor();
    appendFileSync(join(dir, "ledger.jsonl"), steps(101, 120));
    await page.getByText("Step 120 ·").waitFor();
    truncateSync(join(dir, "ledger.jsonl"), steps(1, 40).length);
    await page.getByText("Step 40 ·").waitFor();
    expect(trouble).toEqual([]);
    const port = Number(new URL(watch.url).port);
    await watch.close();
    await page.getByText("connection lost, trying again …").waitFor();
    appendFileSync(join(dir, "ledger.jsonl"), steps(41, 60));
    watch = await watchRun({ dir, port, pollMs: 20 });
    await page.getByText("Step 60 ·").waitFor();
    await page.close();
  });
});
