/** The chat site in Chromium, against a server with a pretended model: each thing that can be done in a conversation. */

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DEMO } from "../web/mock/model.ts";
import { type Mock, startMock } from "../web/mock/server.ts";
import { buildSite, hasChromium, launch, SITE, say, settled, type Visit, visit } from "../web/testing/harness.ts";

let browser: Browser;
let mock: Mock;

describe.skipIf(!hasChromium)("the chat site", () => {
  beforeAll(async () => {
    buildSite();
    [browser, mock] = await Promise.all([launch(), startMock(SITE)]);
  });
  afterAll(async () => {
    await browser?.close();
    await mock?.close();
  });

  /** Runs on a page of its own and sees to it that nothing went wrong there. */
  const on = (
    name: string,
    run: (page: Page, visit: Visit) => Promise<void>,
    options: Parameters<typeof visit>[2] = {},
  ): void =>
    test(name, async () => {
      const opened = await visit(browser, mock.url, options);
      await run(opened.page, opened);
      expect(opened.trouble).toEqual([]);
      await opened.page.context().close();
    });
  const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true });
  const focused = (page: Page) => page.evaluate(() => document.activeElement?.id);
  const lastReply = (page: Page) => page.locator("article.assistant").last();

  on("a first visit explains, links the card, and offers prompts that are sent with a click", async (page) => {
    await page.getByText("knows little, cannot be relied on").waitFor();
    await page.getByText("minnow runs on this computer: nothing you type to it leaves it.").waitFor();
    await page.getByRole("link", { name: "Read its card" }).click();
    await page.getByRole("heading", { name: "Minnow", exact: true }).waitFor();
    // A document's own line ends are no breaks; what it would run or fetch is text or a link.
    await page.getByText("A very small DeepSeek-V3, trained on two cores. Its recipe").waitFor();
    await page.getByRole("cell", { name: "16" }).waitFor();
    await page.reload();
    await page.getByRole("link", { name: "Back to the chat" }).click();
    // What is said of the model that is chosen is true of it, and of both where two are.
    await button(page, /^Choose a model/).click();
    await page.getByRole("menuitemradio", { name: /deepseek-chat/ }).click();
    await page.getByText("deepseek-chat answers from upstream.example: what you type to it is sent there.").waitFor();
    expect(await page.locator(".lines").textContent()).not.toMatch(/Minnow|leaves/);
    // What was chosen before the first message outlives the page.
    await page.reload();
    await button(page, "Choose a model: deepseek-chat").waitFor();
    await button(page, /^Choose a model/).click();
    await page.getByRole("menuitemradio", { name: /minnow/ }).click();
    await expect.poll(() => focused(page)).toBe("composer");
    await button(page, "What is a tide?").click();
    await expect.poll(() => focused(page)).toBe("composer");
    // Within the reply: once it is whole, it is read out as well.
    await lastReply(page).getByText("Welford's method computes").waitFor();
    await settled(page);
    expect(page.url()).toMatch(/#\/c\/[\w-]+$/);
    await expect.poll(() => page.title()).toBe("What is a tide? · Shoal");
    await page.getByRole("navigation").getByRole("link", { name: "What is a tide?" }).waitFor();
  });

  on("answers are typeset: Markdown, formulas, coloured code with a copy button, tables", async (page) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await say(page, "variance");
    await settled(page);
    const reply = lastReply(page);
    await reply.locator(".katex-display").waitFor();
    await expect.poll(() => reply.locator(".math:not(.rendered)").count()).toBe(0);
    expect(await reply.locator(".hljs-keyword").first().textContent()).toBe("def");
    expect(await reply.locator("td[align=right]").first().textContent()).toBe("1");
    await reply.getByRole("listitem").nth(2).waitFor();
    await reply.getByRole("button", { name: "Copy" }).first().click();
    await reply.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^def mean_and_variance\(values\):\n/);
    await expect.poll(() => reply.locator("text=/\\d+ tokens · .*tokens\\/s · \\$0\\.0/").count()).toBe(1);
    expect(await page.getByRole("meter").getAttribute("aria-label")).toMatch(/of 4,096 tokens of context used/);
  });

  on("an answer can be stopped and continued", async (page) => {
    const words = Array.from({ length: 50 }, (_, index) => `word${index}`).join(" ");
    await say(page, `/hold ${words}`);
    await lastReply(page).getByText("word12 word13").waitFor();
    await page.keyboard.press("Escape");
    const reply = lastReply(page);
    await reply.getByText("Stopped.").waitFor();
    expect(await reply.textContent()).not.toContain("word49");
    await reply.getByRole("button", { name: "Continue" }).click();
    await reply.getByText("word49").waitFor();
    expect((await reply.locator(".md").textContent())?.trim()).toBe(words);
    await expect.poll(() => focused(page)).toBe("composer");
  });

  on("a tool that a model calls is shown with its arguments, as it comes and when it is opened again", async (page) => {
    await say(page, "/tool Let me look up the weather.");
    const call = lastReply(page).getByRole("region", { name: "Called get_weather" });
    await call.getByText('"city": "Paris",').waitFor();
    await settled(page);
    await call.getByText("It was not run here").waitFor();
    await page.reload();
    await call.getByText('"days": 3').waitFor();
  });

  on("every script is read as it is written, and copied as what it says", async (page) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const text =
      "**重要：**请看https://example.com/a，然后\nشكرا\n\n- שלום\n- two\n\nSo $x^2$ holds:\n\n$$y=\\frac{1}{2}$$\n\n```js\nlet a;\n```";
    await say(page, `/say ${text}`);
    await settled(page);
    const md = lastReply(page).locator(".md");
    await md.locator("strong", { hasText: "重要：" }).waitFor();
    expect(await md.getByRole("link").textContent()).toBe("https://example.com/a");
    await md.locator("ul[dir=rtl]").waitFor();
    await expect.poll(() => md.locator(".math.rendered").count()).toBe(2);
    await md.evaluate((element) => getSelection()!.selectAllChildren(element));
    await page.keyboard.press("ControlOrMeta+c");
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toContain("So $x^2$ holds:\n");
    expect(copied).toContain("$$y=\\frac{1}{2}$$");
    expect(copied).toContain("let a;");
    expect(copied).not.toContain("Copy");
    // Without a formula the browser copies by itself.
    await md.locator(".code").evaluate((element) => getSelection()!.selectAllChildren(element));
    await page.keyboard.press("ControlOrMeta+c");
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("let a;");
    // Enter that ends the composition of a word sends nothing, in Safari too, where only its code tells.
    await page.locator("#composer").fill("你好");
    for (const field of ["#composer", "input[type=search]"])
      await page.locator(field).evaluate((element) => {
        element.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }));
        element.dispatchEvent(
          new KeyboardEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true, cancelable: true }),
        );
      });
    expect(await page.locator("#composer").inputValue()).toBe("你好");
    expect(await page.locator("#composer").getAttribute("dir")).toBe("auto");
    expect([...mock.store.messages.values()].some(({ content }) => content === "你好")).toBe(false);
  });

  on("reasoning folds away when the answer begins", async (page) => {
    mock.replies.holdThoughts = true;
    await say(page, "/think The answer.");
    await page.getByRole("button", { name: "Thinking …", expanded: true }).waitFor();
    mock.replies.holdThoughts = false;
    await settled(page);
    const toggle = lastReply(page).getByRole("button", { name: "Reasoning", expanded: false });
    await expect.poll(() => page.getByText("recall the definition").count()).toBe(0);
    await toggle.click();
    await page.getByText("recall the definition").waitFor();
  });

  on("messages can be edited and answered again; versions are paged through; a branch can be forked", async (page) => {
    await say(page, "/say first");
    await settled(page);
    await page.locator("article.user").hover();
    await button(page, "Edit").click();
    await page.getByRole("textbox", { name: "Edit message" }).fill("/say second");
    await page.keyboard.press("Enter");
    await lastReply(page).getByText("second").waitFor();
    await settled(page);
    await page.getByRole("group", { name: "Version 2 of 2" }).waitFor();
    await button(page, "Previous version").click();
    await lastReply(page).getByText("first").waitFor();
    await button(page, "Regenerate").click();
    await lastReply(page).getByRole("group", { name: "Version 2 of 2" }).waitFor();
    await settled(page);
    const before = page.url();
    await button(page, "Fork into a new chat").click();
    await page.waitForURL((url) => url.href !== before);
    await lastReply(page).getByText("first").waitFor();
    // The copy has the branch and nothing else.
    expect(await page.getByRole("group", { name: /Version/ }).count()).toBe(0);
    await page.goto(before);
    await lastReply(page).getByText("first").waitFor();
    await page.getByRole("group", { name: "Version 1 of 2" }).waitFor();
  });

  on("two models answer side by side, and one is chosen to go on with", async (page) => {
    await button(page, "Compare").click();
    await page.getByRole("menuitemradio", { name: /deepseek-chat/ }).click();
    await say(page, "/say hello");
    await settled(page);
    const columns = page.getByRole("region", { name: "Answers side by side" });
    await expect.poll(() => columns.locator(".column").count()).toBe(2);
    // Each goes on from its own answers, and both are in sight.
    await say(page, "/say hello again");
    await settled(page);
    await expect.poll(() => page.locator(".column").count()).toBe(4);
    expect([...mock.store.messages.values()].slice(-2).map(({ model, slot }) => [model, slot])).toEqual([
      ["minnow", 1],
      ["deepseek-chat", 2],
    ]);
    await columns
      .last()
      .locator(".column", { hasText: "deepseek-chat" })
      .getByRole("button", { name: "Go on with this one" })
      .click();
    await expect.poll(() => columns.count()).toBe(1);
    await expect.poll(() => lastReply(page).textContent()).toContain("deepseek-chat");
    await button(page, "Compare with deepseek-chat").click();
    await page.getByRole("menuitemradio", { name: "One model" }).click();
    await say(page, "/say more");
    await lastReply(page).getByText("more").waitFor();
    await settled(page);
    const messages = [...mock.store.messages.values()];
    const asked = messages.findLast(({ content }) => content === "/say more")!;
    expect(mock.store.messages.get(asked.parentId!)!.model).toBe("deepseek-chat");
    expect(messages.filter(({ parentId }) => parentId === asked.id)).toHaveLength(1);
  });

  on("an X-ray shows each token's chance, its rivals and experts, by pointer and by keyboard", async (page) => {
    await say(page, "variance");
    await settled(page);
    await button(page, "X-ray").click();
    const xray = page.getByRole("region", { name: "X-ray of the answer" });
    const tokens = xray.getByRole("option");
    await tokens.nth(300).waitFor();
    await expect.poll(() => xray.getByRole("listbox").textContent()).toBe(DEMO);
    await tokens.nth(14).hover();
    await xray.getByText("Token 15 of").waitFor();
    await tokens.nth(3).click();
    await page.keyboard.press("ArrowRight");
    await xray.getByText("Token 5 of").waitFor();
    await page.keyboard.press("End");
    await page.keyboard.press("Home");
    await page.keyboard.press("n");
    await expect.poll(() => xray.getByRole("option", { selected: true }).getAttribute("class")).toMatch(/h[45]/);
    await xray.getByRole("heading", { name: "Rivals" }).waitFor();
    await xray.getByText("Layer 6").waitFor();
    const map = xray.getByRole("group", { name: /Experts of the whole answer/ });
    await map.focus();
    await page.keyboard.press("ArrowDown");
    await xray.getByText(/Layer 2, expert 0: .*of the tokens/).waitFor();
    expect(await xray.locator(".drafted").count()).toBeGreaterThan(10);
    await button(page, "X-ray").click();
    await lastReply(page).locator(".katex-display").waitFor();
  });

  on("an upstream's X-ray shows what it gives", async (page) => {
    await button(page, /^Choose a model/).click();
    await page.getByRole("menuitemradio", { name: /deepseek-chat/ }).click();
    await say(page, "/say The tide comes and goes.");
    await settled(page);
    await button(page, "X-ray").click();
    await page.getByText("does not tell which experts fired").waitFor();
    await page.getByRole("heading", { name: "Rivals" }).waitFor();
  });

  on("the end stays in sight until the reader scrolls up, and a button leads back", async (page) => {
    await say(page, "variance");
    await settled(page);
    const scroller = page.locator("[data-scroller]");
    const distance = () =>
      scroller.evaluate((element) => element.scrollHeight - element.clientHeight - element.scrollTop);
    await expect.poll(distance).toBeLessThan(2);
    await say(page, `/slow ${"line of words\n\n".repeat(40)}`);
    await page.getByText("line of words").nth(8).waitFor();
    await expect.poll(distance).toBeLessThan(60);
    await scroller.hover();
    await page.mouse.wheel(0, -400);
    const latest = button(page, "Jump to the latest");
    await latest.waitFor();
    const top = await scroller.evaluate((element) => element.scrollTop);
    await page.waitForTimeout(300);
    expect(Math.abs((await scroller.evaluate((element) => element.scrollTop)) - top)).toBeLessThan(3);
    await latest.click();
    await latest.waitFor({ state: "detached" });
    await expect.poll(distance).toBeLessThan(60);
    await page.keyboard.press("Escape");
  });

  on("text and code are attached by button, drop and paste; what is no text is refused", async (page) => {
    await page
      .locator("input[type=file]")
      .setInputFiles([{ name: "tide.ts", mimeType: "text/plain", buffer: Buffer.from("export const tide = 1;") }]);
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(["a,b\n1,2\n"], "table.csv"));
      data.items.add(new File([new Uint8Array([0xff, 0xfe, 0x00])], "photo.png"));
      dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
      const pasted = new DataTransfer();
      pasted.setData("text/plain", "long ".repeat(1_000));
      document
        .querySelector("#composer")!
        .dispatchEvent(new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true, cancelable: true }));
    });
    await page.getByText("photo.png is not text.").waitFor();
    for (const name of ["tide.ts", "table.csv", "pasted.txt"]) await button(page, `Show ${name}`).waitFor();
    await button(page, "Remove table.csv").click();
    await button(page, "Show tide.ts").click();
    await page.getByRole("dialog").getByText("export const tide = 1;").waitFor();
    await page.keyboard.press("Escape");
    await say(page, "/say seen");
    // A long message is counted before it goes off.
    const sent = () => [...mock.store.messages.values()].findLast(({ content }) => content === "/say seen");
    await expect.poll(() => sent()?.attachments.map(({ name }) => name)).toEqual(["tide.ts", "pasted.txt"]);
    await settled(page);
    await page.locator("article.user").getByRole("button", { name: "Show pasted.txt" }).waitFor();
  });

  on("what is being written is kept for each conversation", async (page) => {
    await say(page, "/say one");
    await settled(page);
    const composer = page.locator("#composer");
    await composer.fill("half a thou");
    await page.getByRole("navigation").getByRole("link", { name: "New chat" }).click();
    await expect.poll(() => composer.inputValue()).toBe("");
    await composer.fill("something new");
    await page.goBack();
    await expect.poll(() => composer.inputValue()).toBe("half a thou");
    await expect.poll(() => page.evaluate(() => Object.values(localStorage).join())).toContain("half a thou");
    await page.reload();
    await expect.poll(() => composer.inputValue()).toBe("half a thou");
  });

  on("what is too long is said before it is sent, and a model that is gone is not asked", async (page) => {
    await say(page, "/say one");
    await settled(page);
    const before = mock.store.messages.size;
    await page.locator("#composer").fill("word ".repeat(5_000).trim());
    await page.getByText("This message alone is longer than the context of minnow").waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "Notifications" }).getByText("longer than the context").waitFor();
    expect(mock.store.messages.size).toBe(before);
    await page.locator("#composer").fill("word ".repeat(4_094).trim());
    await page.getByText("The context has no room for the oldest message").waitFor();
    await page.locator("#composer").fill("short");
    await page.getByText("The context has no room").waitFor({ state: "detached" });
    const { MODELS } = await import("../web/mock/model.ts");
    const upstreams = [{ name: "up", url: "http://127.0.0.1:1/v1", error: "it answered 401: Incorrect API key" }];
    mock.store.info = { models: MODELS.slice(1), upstreams };
    try {
      const conversations = mock.store.conversations.size;
      await page.getByRole("navigation").getByRole("link", { name: "New chat" }).click();
      await say(page, "hello");
      await page.getByText("minnow is not in the list of models any more; choose another.").waitFor();
      expect(await page.locator("#composer").inputValue()).toBe("hello");
      expect(mock.store.conversations.size).toBe(conversations);
      await button(page, /^Choose a model/).click();
      await page.getByText("up does not answer: it answered 401: Incorrect API key").waitFor();
    } finally {
      mock.store.info = {};
    }
  });

  on("a failed answer says why, and a screen reader hears whole sentences", async (page) => {
    await say(page, "/fail");
    await lastReply(page).getByText("the upstream answered 503: no capacity").waitFor();
    await settled(page);
    await say(page, "/say The tide comes. Then it goes.");
    await settled(page);
    const heard = async () => (await page.locator(".sr-only[aria-live=polite] p").allTextContents()).join(" ");
    await expect.poll(heard).toMatch(/The answer begins\. The tide comes\. Then it goes\. The answer is complete\.$/);
  });

  on("a reply goes on when the page is loaded anew, and a killed server is waited for", async (page) => {
    const words = Array.from({ length: 70 }, (_, index) => `word${index}`).join(" ");
    await say(page, `/hold ${words}`);
    await lastReply(page).getByText("word3 word4").waitFor();
    await page.reload();
    await lastReply(page).getByText("word16 word17").waitFor();
    await mock.kill();
    await page.getByText(/Connection lost/).waitFor();
    await mock.start();
    await lastReply(page).getByText("The server ended in the middle of this reply. What had come is kept.").waitFor();
    await button(page, "Continue").click();
    await lastReply(page).getByText("word69").waitFor();
    expect((await lastReply(page).locator(".md").textContent())?.trim()).toBe(words);
  });
});
