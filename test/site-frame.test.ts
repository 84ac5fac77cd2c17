/** The chat site in Chromium: what is around a conversation. The list, settings, keys, languages, small windows, and who cannot see or point. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Mock, startMock } from "../web/mock/server.ts";
import { buildSite, hasChromium, launch, SITE, say, settled, type Visit, visit } from "../web/testing/harness.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let browser: Browser;
let mock: Mock;

describe.skipIf(!hasChromium)("around the chat", () => {
  beforeAll(async () => {
    buildSite();
    [browser, mock] = await Promise.all([launch(), startMock(SITE)]);
  });
  afterAll(async () => {
    await browser?.close();
    await mock?.close();
  });

  const on = (
    name: string,
    run: (page: Page, visit: Visit) => Promise<void>,
    options: Parameters<typeof visit>[2] = {},
  ): void =>
    test(name, async () => {
      mock.store.conversations.clear();
      const opened = await visit(browser, mock.url, options);
      await run(opened.page, opened);
      expect(opened.trouble).toEqual([]);
      await opened.page.context().close();
    });
  const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });
  const link = (page: Page, name: string) => page.getByRole("navigation").getByRole("link", { name, exact: true });

  on("conversations are renamed, deleted and brought back", async (page) => {
    await say(page, "/say one");
    await settled(page);
    await link(page, "one").hover();
    await button(page, "Rename “one”").click();
    await page.getByRole("textbox", { name: "New title" }).fill("The first");
    await page.keyboard.press("Enter");
    await link(page, "The first").waitFor();
    await expect.poll(() => [...mock.store.conversations.values()].map(({ title }) => title)).toEqual(["The first"]);
    await link(page, "The first").hover();
    await button(page, "Delete “The first”").click();
    await link(page, "The first").waitFor({ state: "detached" });
    await page.getByText("What shall we talk about?").waitFor();
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe("search");
    await button(page, "Undo").click();
    await link(page, "The first").waitFor();
    await page.locator("article.assistant").getByText("one").waitFor();
  });

  on("full-text search shows where a word was found and leads there", async (page) => {
    const old = mock.store.create({ title: "Old talk" });
    let parentId: string | null = null;
    for (let index = 0; index < 60; index++) {
      const role = index % 2 ? "assistant" : "user";
      const content = index === 7 ? "The word is anemone, far up." : `line ${index}\n\n${"filler ".repeat(60)}`;
      parentId = mock.store.add(old, { parentId, role, content, model: role === "assistant" ? "minnow" : null }).id;
    }
    await page.keyboard.press("Control+k");
    await page.keyboard.type("anemone");
    const hit = page.getByRole("navigation").getByRole("link", { name: /Old talk/ });
    await hit.locator("mark", { hasText: "anemone" }).waitFor();
    await page.keyboard.press("Enter");
    const found = page.locator("article", { hasText: "The word is anemone" });
    await expect.poll(() => found.evaluate((element) => element === document.activeElement)).toBe(true);
    await expect.poll(() => found.evaluate((element) => element.getBoundingClientRect().top)).toBeLessThan(400);
    await page.getByRole("searchbox").fill("nowhere at all");
    await page.getByText("Nothing found.").waitFor();
    await page.getByRole("searchbox").press("Escape");
    await link(page, "Old talk").waitFor();
  });

  on("everything can be exported, deleted and imported again", async (page) => {
    await say(page, "/say treasure");
    await settled(page);
    await page.keyboard.press("Control+,");
    const [download] = await Promise.all([page.waitForEvent("download"), button(page, "Export all").click()]);
    expect(download.suggestedFilename()).toMatch(/^shoal-\d{4}-\d\d-\d\d\.json$/);
    const path = await download.path();
    await button(page, "Delete all").click();
    await page.getByRole("alert").getByRole("button", { name: "Delete all" }).click();
    await page.getByText("Deleted 1 conversation.").waitFor();
    expect(mock.store.conversations.size).toBe(0);
    const picker = page.locator("dialog input[type=file]");
    await picker.setInputFiles({ name: "x.json", mimeType: "application/json", buffer: Buffer.from("{}") });
    await page.getByText("This file is no export of Shoal.").waitFor();
    await picker.setInputFiles(path);
    await page.getByText("Imported 1 conversation; 0 updated, 0 here already.").waitFor();
    await picker.setInputFiles(path);
    await page.getByText("Imported 0 conversations; 0 updated, 1 here already.").waitFor();
    // What new chats begin with is a person's own choice.
    await page.getByRole("combobox", { name: "Model" }).selectOption("deepseek-chat");
    await page.getByRole("dialog").getByRole("textbox", { name: "System prompt" }).fill("Be brief.");
    await page.getByRole("dialog").getByRole("textbox", { name: "System prompt" }).blur();
    await expect.poll(() => mock.store.defaults).toEqual({ model: "deepseek-chat", system: "Be brief." });
    await button(page, /^Choose a model: deepseek-chat/).waitFor();
    mock.store.defaults = {};
    await page.keyboard.press("Escape");
    await link(page, "treasure").click();
    await page.locator("article.assistant").getByText("treasure").waitFor();
  });

  on("each chat has its system prompt and sampling, and presets keep them", async (page) => {
    await page.keyboard.press("Control+.");
    const panel = page.getByRole("complementary", { name: "Chat settings" });
    await panel.getByRole("textbox", { name: "System prompt" }).fill("Answer like a pirate.");
    await panel.getByRole("spinbutton", { name: "Temperature" }).fill("0.2");
    await panel.getByRole("slider", { name: "Top-p" }).fill("0.5");
    await panel.getByRole("textbox", { name: /^Stop at/ }).fill("END\n\nFIN");
    await panel.getByRole("textbox", { name: /^Stop at/ }).blur();
    await panel.getByRole("button", { name: "Save as preset" }).click();
    await panel.getByRole("textbox", { name: "Name of the preset" }).fill("Pirate");
    await page.keyboard.press("Enter");
    await expect.poll(() => panel.getByRole("combobox", { name: "Presets" }).inputValue()).toBe("Pirate");
    await say(page, "/say ahoy");
    await settled(page);
    const wanted = { system: "Answer like a pirate.", temperature: 0.2, topP: 0.5, stop: ["END", "FIN"] };
    expect([...mock.store.conversations.values()][0].settings).toEqual(wanted);
    await expect.poll(() => mock.store.presets).toEqual([{ name: "Pirate", settings: wanted }]);
    await panel.getByRole("button", { name: "Reset to the model's own" }).click();
    await button(page, "Chat settings (changed)").waitFor({ state: "detached" });
    await expect.poll(() => [...mock.store.conversations.values()][0].settings).toEqual({});
    expect(await panel.getByRole("spinbutton", { name: "Temperature" }).getAttribute("placeholder")).toBe("0.7");
    await panel.getByRole("combobox", { name: "Presets" }).selectOption("Pirate");
    await expect.poll(() => [...mock.store.conversations.values()][0].settings).toEqual(wanted);
    await panel.getByRole("button", { name: "Delete preset" }).click();
    await expect.poll(() => mock.store.presets).toEqual([]);
  });

  on("the keyboard is enough, and there is a list of its shortcuts", async (page) => {
    await say(page, "/say one");
    await settled(page);
    await page.keyboard.press("Tab");
    await page.locator("[data-scroller]").focus();
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    const focused = () => page.evaluate(() => document.activeElement?.className ?? "");
    await expect.poll(focused).toMatch(/assistant/);
    await page.keyboard.press("x");
    await page.getByRole("region", { name: "X-ray of the answer" }).waitFor();
    await page.keyboard.press("x");
    await page.keyboard.press("r");
    await page.getByRole("group", { name: "Version 2 of 2" }).waitFor();
    await settled(page);
    await page.keyboard.press("k");
    await page.keyboard.press("j");
    await page.keyboard.press("[");
    await page.getByRole("group", { name: "Version 1 of 2" }).waitFor();
    await page.keyboard.press("k");
    await expect.poll(focused).toMatch(/user/);
    await page.keyboard.press("e");
    await page.getByRole("textbox", { name: "Edit message" }).waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+b");
    await page.getByRole("navigation").waitFor({ state: "detached" });
    await page.keyboard.press("/");
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe("composer");
    await page.keyboard.type("a?b/");
    expect(await page.locator("#composer").inputValue()).toBe("a?b/");
    await page.keyboard.press("Control+Shift+O");
    await page.getByText("What shall we talk about?").waitFor();
    // Single letters can be switched off (WCAG 2.1.4).
    await page.keyboard.press("Control+,");
    await page.getByRole("checkbox", { name: "Shortcuts of a single letter" }).uncheck();
    await page.keyboard.press("Escape");
    await button(page, "Chat settings").focus();
    await page.keyboard.press("?");
    expect(await page.getByRole("dialog").count()).toBe(0);
  });

  test("a server with keys asks for one and keeps it", async () => {
    const guarded = await startMock(SITE, { key: "sk-shoal-1" });
    const { page, trouble } = await visit(browser, guarded.url);
    const field = page.getByRole("dialog", { name: "API key" }).getByLabel("API key").last();
    await field.fill("sk-shoal-wrong");
    await page.keyboard.press("Enter");
    await page.getByText("The server does not know this key, or it was revoked.").waitFor();
    await expect.poll(() => field.evaluate((element) => element === document.activeElement)).toBe(true);
    await field.fill("sk-shoal-1");
    await button(page, "Use this key").click();
    await page.getByText("knows little").waitFor();
    await say(page, "/say open");
    await page.locator("article.assistant").getByText("open").waitFor();
    expect(trouble).toEqual([]);
    await page.context().close();
    await guarded.close();
  });

  on("what happens in another window is taken in", async (page) => {
    await say(page, "/say here");
    await settled(page);
    const { id, leafId } = [...mock.store.conversations.values()][0];
    const elsewhere = await fetch(`${mock.url}/api/conversations/${id}/messages`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ parentId: leafId, content: "/say there" }),
    });
    expect(elsewhere.status).toBe(200);
    await page.evaluate(() => dispatchEvent(new Event("focus")));
    await page.locator("article.assistant").getByText("there").waitFor();
  });

  on(
    "the interface speaks Chinese, and remembers language and theme",
    async (page) => {
      await page.getByText("想聊点什么？").waitFor();
      expect(await page.evaluate(() => document.documentElement.lang)).toBe("zh-CN");
      await say(page, "/say 潮汐");
      await settled(page);
      await button(page, "透视").click();
      await page.getByRole("region", { name: "回答的透视" }).waitFor();
      await page.keyboard.press("Control+,");
      await page.getByRole("combobox", { name: "主题" }).selectOption("dark");
      await page.getByRole("combobox", { name: "语言" }).selectOption("en");
      await page.getByRole("dialog", { name: "Preferences" }).waitFor();
      await page.reload();
      await page.getByRole("textbox", { name: "Message" }).waitFor();
      expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe("dark");
      expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe("rgb(10, 21, 25)");
    },
    { locale: "zh-CN" },
  );

  on("a server that is away is waited for", async (page, { trouble }) => {
    await page.route("**/api/info", (route) => route.abort());
    await page.reload();
    await page.getByText("The Shoal server cannot be reached.").waitFor();
    await page.unroute("**/api/info");
    await page.getByText("knows little").waitFor();
    trouble.length = 0;
  });

  on(
    "a phone of 360 pixels has everything in its width",
    async (page) => {
      const fits = async (): Promise<void> => {
        const wide = await page.evaluate(() =>
          [...document.querySelectorAll("body *")]
            .filter(
              (element) =>
                element.getBoundingClientRect().right > innerWidth + 1 &&
                !element.closest(".table, pre, .columns, .scroll, .katex, svg, .sr-only"),
            )
            .map((element) => element.outerHTML.slice(0, 120)),
        );
        expect(wide).toEqual([]);
      };
      await fits();
      await say(page, "variance");
      await settled(page);
      await page.locator(".katex-display").waitFor();
      await fits();
      await button(page, "X-ray").click();
      await page.getByRole("option").first().waitFor();
      await fits();
      await button(page, "Compare").click();
      await fits();
      await page.keyboard.press("Escape");
      await button(page, "Show or hide conversations").click();
      await link(page, "variance").click();
      await page.getByRole("navigation").waitFor({ state: "detached" });
      await button(page, "Chat settings").click();
      await fits();
    },
    { viewport: { width: 360, height: 740 }, hasTouch: true },
  );

  for (const colorScheme of ["light", "dark"] as const)
    on(
      `axe finds nothing to object to (${colorScheme === "light" ? "all rules" : "contrast in the dark"})`,
      async (page) => {
        const check = async (view: string): Promise<void> => {
          // What fades in is judged when it is there.
          await page.evaluate(() =>
            Promise.all(
              document
                .getAnimations()
                .filter((animation) => animation.effect?.getComputedTiming().iterations === 1)
                .map((animation) => animation.finished),
            ),
          );
          await page.evaluate(axe);
          const { violations } = await page.evaluate(
            (options) =>
              (globalThis as unknown as { axe: { run: (options: object) => Promise<AxeResults> } }).axe.run(options),
            colorScheme === "light" ? {} : { runOnly: ["color-contrast"] },
          );
          expect(
            violations.map(
              ({ id, nodes }) => `${view}: ${id}: ${nodes[0].html.slice(0, 160)}: ${nodes[0].failureSummary}`,
            ),
          ).toEqual([]);
        };
        await check("empty");
        await say(page, "variance");
        await settled(page);
        await page.locator(".katex-display").waitFor();
        await check("chat");
        await button(page, "X-ray").click();
        await page.getByRole("option").nth(100).click();
        await check("X-ray");
        await button(page, "X-ray").click();
        await button(page, "Chat settings").click();
        await check("settings");
        await page.keyboard.press("Control+,");
        await check("preferences");
        await page.keyboard.press("Escape");
        await button(page, "Compare").click();
        await check("menu");
        await page.getByRole("menuitemradio", { name: /deepseek/ }).click();
        await say(page, "/think /say yes");
        await settled(page);
        await check("comparison");
        await page.locator("[data-scroller]").focus();
        await page.keyboard.press("?");
        await check("shortcuts");
      },
      { colorScheme },
    );
});
