/**
 * A conversation of 500 messages of 2 KB in Chromium: what is typed while an answer streams in arrives, and what stands is not made again.
 * `SHOAL_VERBOSE=1` prints how long tasks and keys took; docs/log.md keeps the figures, which a shared machine cannot promise.
 */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEMO } from "../web/mock/model.ts";
import { type Mock, startMock } from "../web/mock/server.ts";
import { buildSite, hasChromium, launch, SITE, say, visit } from "../web/testing/harness.ts";

const MESSAGES = 500;
const TYPED = "the quick brown fish swims over the lazy crab ";

let browser: Browser;
let mock: Mock;

interface Measured {
  tasks: { start: number; duration: number }[];
  keys: number[];
}

describe.skipIf(!hasChromium)("long chats", () => {
  beforeAll(async () => {
    buildSite();
    [browser, mock] = await Promise.all([launch(), startMock(SITE)]);
  });
  afterAll(async () => {
    await browser?.close();
    await mock?.close();
  });

  test("500 messages of 2 KB scroll and stream without losing a key", async () => {
    const long = mock.store.create({ title: "A long talk" });
    const answer = `${DEMO}\n\n${"Tides follow the moon, and the moon follows the earth. ".repeat(18)}`.slice(0, 2_048);
    let parentId: string | null = null;
    for (let index = 0; index < MESSAGES; index++) {
      const own = index % 2 === 0;
      const content = own
        ? `Question ${index}. ${"Why do tides come and go? ".repeat(78)}`.slice(0, 2_048)
        : `Answer ${index}.\n\n${answer}`;
      parentId = mock.store.add(long, {
        parentId,
        role: own ? "user" : "assistant",
        content,
        model: own ? null : "minnow",
      }).id;
    }
    const { page, trouble } = await visit(browser, `${mock.url}/#/c/${long.id}`);
    const articles = page.locator("article");
    await expect.poll(() => articles.count()).toBe(MESSAGES);

    await page.evaluate(() => {
      const measured: Measured = { tasks: [], keys: [] };
      Object.assign(globalThis, { measured });
      new PerformanceObserver((list) =>
        measured.tasks.push(...list.getEntries().map(({ startTime, duration }) => ({ start: startTime, duration }))),
      ).observe({ type: "longtask" });
      new PerformanceObserver((list) =>
        measured.keys.push(
          ...list
            .getEntries()
            .filter(({ name }) => name === "keydown")
            .map(({ duration }) => duration),
        ),
      ).observe({ type: "event", durationThreshold: 16 } as PerformanceObserverInit);
    });
    const stream = `/slow ${DEMO}`;
    await say(page, stream);
    // By its place: until the question is there, the last is an old answer.
    const reply = articles.nth(MESSAGES + 1);
    await reply.locator(".block").nth(1).waitFor();
    const standing = await reply.locator(".block").first().elementHandle();
    // Typing while it streams …
    await page.locator("#composer").pressSequentially(TYPED.repeat(2), { delay: 12 });
    expect(await page.locator("#composer").inputValue()).toBe(TYPED.repeat(2));
    // A block that is closed is the same element as before.
    expect(await standing!.evaluate((element) => element.isConnected)).toBe(true);
    // … and scrolling through all of it.
    const scroller = page.locator("[data-scroller]");
    await scroller.hover();
    const top = () => scroller.evaluate((element) => element.scrollTop);
    const before = await top();
    for (let turn = 0; turn < 40; turn++) await page.mouse.wheel(0, -3_000);
    await expect.poll(top).toBeLessThan(before - 20_000);
    await scroller.evaluate((element) => element.scrollTo(0, 0));
    await page.getByText("Question 0.").waitFor();
    await page.getByRole("button", { name: "Jump to the latest" }).click();
    await page.keyboard.press("Escape");
    await reply.getByText("Stopped.").waitFor();

    const { tasks, keys } = await page.evaluate(() => (globalThis as unknown as { measured: Measured }).measured);
    const sorted = keys.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    if (process.env.SHOAL_VERBOSE)
      process.stderr.write(
        `long tasks ${tasks.length}, longest ${Math.round(Math.max(0, ...tasks.map(({ duration }) => duration)))} ms; keys slower than 16 ms: ${keys.length} of ${TYPED.length * 2}, median ${at(0.5)} ms, 99 % ${at(0.99)} ms, slowest ${at(1)} ms\n`,
      );
    expect(trouble).toEqual([]);
    await page.context().close();
  });
});
