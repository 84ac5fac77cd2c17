/** Hostile answers in Chromium: whatever a model writes, nothing runs, nothing is fetched, and the page goes on reacting. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Mock, startMock } from "../web/mock/server.ts";
import { buildSite, hasChromium, launch, SITE, say, settled, visit } from "../web/testing/harness.ts";

/** Each would call `pwned` or fetch from `evil.example` if it could. */
const HOSTILE: Record<string, string> = {
  "an image that fails": 'a <img src="x" onerror="pwned()"> <img src=https://evil.example/a.png>',
  "Markdown pictures":
    '![a](https://evil.example/p.png) ![b](data:image/svg+xml,<svg/onload=pwned()>) ![c](x"onerror="pwned())',
  scripts:
    "<script>pwned()</script>\n\n<script src=https://evil.example/x.js></script>\n\n<scr<script>ipt>pwned()</script>",
  "links that run":
    "[a](javascript:pwned()) [b](JaVaScRiPt:pwned()) [c](&#106;avascript:pwned()) [d](java\tscript:pwned()) [e](data:text/html,<script>pwned()</script>) [f](vbscript:x) <javascript:pwned()>",
  "attributes in links":
    '[a](https://ok.example "onclick=pwned()") [b](https://ok.example/"onmouseover="pwned()") <a href="javascript:pwned()" onclick="pwned()">c</a>',
  "SVG and MathML":
    '<svg onload="pwned()"><script>pwned()</script><a xlink:href="javascript:pwned()"><text>x</text></a></svg><math><mtext><table><mglyph><style><img src=x onerror=pwned()></style></mglyph></table></mtext></math>',
  "frames, forms, styles":
    '<iframe srcdoc="<script>parent.pwned()</script>"></iframe><form action=https://evil.example><input name=a autofocus onfocus=pwned()><button formaction=javascript:pwned()>go</button></form><style>body{display:none}@import "https://evil.example/a.css"</style><link rel=stylesheet href=https://evil.example/b.css><base href=https://evil.example><meta http-equiv=refresh content="0;url=https://evil.example">',
  mutations:
    '<noscript><p title="</noscript><img src=x onerror=pwned()>"><p id="</title><img src=x onerror=pwned()>"></noscript><xmp><p title="</xmp><img src=x onerror=pwned()>"></xmp><!--><img src=x onerror=pwned()>-->',
  "code that breaks out":
    '```html"><img src=x onerror=pwned()>\n</code></pre><img src=x onerror=pwned()>\n```\n\n`</code><img src=x onerror=pwned()>`\n\n```"onload="pwned()\nx\n```',
  "tables that break out":
    '| <img src=x onerror=pwned()> | b |\n|:-:|--|\n| "onclick="pwned() | [x](javascript:pwned()) |',
  "formulas that lead away":
    "$\\href{javascript:pwned()}{x}$ $\\url{javascript:pwned()}$ $\\htmlData{onclick=pwned()}{x}$ $\\htmlStyle{background:url(https://evil.example)}{x}$ $\\includegraphics{https://evil.example/a.png}$ $\\htmlClass{a}{b}$ $<img src=x onerror=pwned()>$",
  "clobbered names": "<a id=composer>x</a> <img name=getElementById> <form id=document><input name=cookie></form>",
  "styles in attributes":
    '<p style="position:fixed;inset:0;background:red;z-index:9999">over</p> <a class="go stop" id="x" href="https://ok.example">ok</a>',
};

const big = (text: string, size: number): string => text.repeat(Math.ceil(size / text.length));
/** Each would take a naive renderer seconds, minutes, or its stack. */
const HEAVY: Record<string, string> = {
  "a megabyte of nested quotes": big("> ", 1_000_000),
  "a megabyte of nested lists": Array.from({ length: 1_400 }, (_, depth) => `${" ".repeat(depth)}- a`).join("\n"),
  "brackets without end": big("[", 150_000),
  "emphasis without end": big("*a **b ", 150_000),
  "backticks of every length": Array.from({ length: 550 }, (_, length) => "`".repeat(length)).join(" "),
  "links inside links": `${big("[a](", 100_000)}`,
  "a table of a thousand columns": `${big("|a", 20_000)}|\n${big("|-", 20_000)}|\n${big(`${big("|a", 2_000)}|\n`, 160_000)}`,
  "macros that explode": `$\\def\\a{xxxxxxxxxx}\\def\\b{\\a\\a\\a\\a\\a\\a\\a\\a\\a\\a}\\def\\c{\\b\\b\\b\\b\\b\\b\\b\\b\\b\\b}\\def\\d{\\c\\c\\c\\c\\c\\c\\c\\c\\c\\c}\\def\\e{\\d\\d\\d\\d\\d\\d\\d\\d\\d\\d}\\e\\e\\e\\e$ $\\def\\x{\\x\\x}\\x$`,
  "a formula of a mile": "$\\rule{100000em}{100000em}$ $\\kern{100000em}x$ $$\\hspace{-99999em}over everything$$",
  "ten thousand formulas": big("$x^2$ ", 60_000),
  "braces in a formula": `$$${"{".repeat(1_400)}x${"}".repeat(1_400)}$$`,
  "one word of a megabyte": big("a", 1_000_000),
  "marks upon marks": `a${big("\u0301", 60_000)}`,
  "a code block of a megabyte": `\`\`\`js\n${big("let a = '\\'\\\\';/*", 1_000_000)}`,
};

/** What no answer may leave on the page. */
const FORBIDDEN =
  "script, iframe, form, input, style, link, base, meta, img, svg:not(.katex svg), object, embed, video, audio, [onerror], [onclick], [onload], [onfocus], [id], [name]";

let browser: Browser;
let mock: Mock;

describe.skipIf(!hasChromium)("hostile answers", () => {
  beforeAll(async () => {
    buildSite();
    [browser, mock] = await Promise.all([launch(), startMock(SITE)]);
  });
  afterAll(async () => {
    await browser?.close();
    await mock?.close();
  });

  /** A conversation with these answers, as if they had been given before. */
  function conversation(title: string, answers: string[]): string {
    const made = mock.store.create({ title });
    let parentId: string | null = null;
    for (const content of answers) {
      parentId = mock.store.add(made, { parentId, content: "say it" }).id;
      parentId = mock.store.add(made, {
        parentId,
        role: "assistant",
        model: "minnow",
        content,
        reasoning: content.length < 5_000 ? content : null,
        status: "done",
      }).id;
    }
    return `${mock.url}/#/c/${made.id}`;
  }

  const rendered = (page: Page, count: number) =>
    expect.poll(() => page.locator("article.assistant").count()).toBe(count);

  test("nothing runs and nothing is fetched", async () => {
    const url = conversation("hostile", Object.values(HOSTILE));
    const { page, trouble } = await visit(browser, url);
    await page.exposeFunction("pwned", () => trouble.push("a script of the answer ran"));
    await page.reload();
    await rendered(page, Object.keys(HOSTILE).length);
    // Into sight, one after the other; thoughts too.
    for (const message of await page.locator("article.assistant").all()) {
      await message.scrollIntoViewIfNeeded();
      await message.getByRole("button", { name: "Reasoning" }).click();
      await message.locator(".md .block:not(.plain)").first().waitFor();
    }
    await page.waitForTimeout(300);
    const answers = page.locator(".md");
    expect(
      await answers
        .locator(FORBIDDEN)
        .evaluateAll((elements) => elements.map((element) => element.outerHTML.slice(0, 200))),
    ).toEqual([]);
    const links = await answers
      .locator("a")
      .evaluateAll((elements) =>
        elements.map((element) => [element.getAttribute("href"), element.getAttribute("rel")]),
      );
    for (const [href, rel] of links)
      if (href !== null)
        expect([href, rel]).toEqual([expect.stringMatching(/^https?:\/\//), "noopener noreferrer nofollow"]);
    expect(links.filter(([href]) => href?.startsWith("https://evil.example/p.png"))).toHaveLength(2);
    // What an answer's own style would have moved or covered is where it was.
    expect(await page.locator("#composer").isVisible()).toBe(true);
    expect(trouble).toEqual([]);
    await page.context().close();
  });

  test("nothing runs while it streams in, cut at any place", async () => {
    const { page, trouble } = await visit(browser, mock.url);
    await page.exposeFunction("pwned", () => trouble.push("a script of the answer ran"));
    await page.evaluate((forbidden) => {
      const seen: string[] = [];
      Object.assign(globalThis, { seen });
      new MutationObserver(() => {
        for (const element of document.querySelectorAll(".md")) {
          const bad = element.querySelector(forbidden);
          if (bad) seen.push(bad.outerHTML);
        }
      }).observe(document.body, { subtree: true, childList: true });
    }, FORBIDDEN);
    await say(page, `/say ${Object.values(HOSTILE).join("\n\n")}`);
    await settled(page);
    await page.locator("article.assistant .md a.image").first().waitFor();
    expect(await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen)).toEqual([]);
    expect(trouble).toEqual([]);
    await page.context().close();
  });

  test("a message that cannot be shown leaves the rest as it is", async () => {
    const broken = mock.store.create({ title: "broken" });
    const first = mock.store.add(broken, { content: "before", attachments: null as never });
    mock.store.add(broken, { parentId: first.id, role: "assistant", model: "minnow", content: "after" });
    const { page } = await visit(browser, `${mock.url}/#/c/${broken.id}`);
    await page.getByText("after").waitFor();
    await page.locator("article", { hasText: "before" }).getByRole("button", { name: "Try again" }).waitFor();
    await page.context().close();
  });

  test("nothing freezes the page, whatever it is asked to show", async () => {
    const { page, trouble } = await visit(browser, mock.url);
    await page.evaluate(() => {
      const tasks: number[] = [];
      Object.assign(globalThis, { tasks });
      new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({
        type: "longtask",
      });
    });
    for (const [name, content] of Object.entries(HEAVY)) {
      // Only the fragment changes: the page, its worker and its observer stay.
      await page.goto(conversation(name, [content]));
      await page.locator("article.assistant .md .block").first().waitFor();
      await expect.poll(() => page.locator("article.assistant .md > .block.plain").count(), { message: name }).toBe(0);
      await page.locator("#composer").fill("still there");
      const longest = await page.evaluate(() =>
        Math.max(0, ...(globalThis as unknown as { tasks: number[] }).tasks.splice(0)),
      );
      if (process.env.SHOAL_VERBOSE) process.stderr.write(`${name}: longest task ${Math.round(longest)} ms\n`);
      // Seconds would be a freeze; the bound leaves room for a machine under load.
      expect([name, longest < 3_000]).toEqual([name, true]);
      expect(trouble.map((line) => `${name}: ${line}`)).toEqual([]);
    }
    await page.context().close();
  });

  test("formulas stay inside their bounds", async () => {
    const { page } = await visit(browser, conversation("bounds", [HEAVY["a formula of a mile"]]));
    await page.locator(".math.rendered").first().waitFor();
    const widest = await page
      .locator(".math *")
      .evaluateAll((elements) => Math.max(...elements.map((element) => element.getBoundingClientRect().width)));
    expect(widest).toBeLessThan(2_000);
    const composer = await page.locator("#composer").boundingBox();
    const covering = await page.evaluate(({ x, y }) => document.elementFromPoint(x + 50, y + 10)?.id, composer!);
    expect(covering).toBe("composer");
    await page.context().close();
  });
});
