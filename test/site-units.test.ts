/** The site's parts that need no browser: trees of messages, Markdown in pieces, figures, and words in two languages. */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { parse } from "svelte/compiler";
import { describe, expect, test } from "vitest";
import type { TokenInfo } from "../src/infer/engine.ts";
import { en } from "../web/src/i18n/en.ts";
import { zh } from "../web/src/i18n/zh.ts";
import { readFile } from "../web/src/lib/attachments.ts";
import { EventParser } from "../web/src/lib/event-parser.ts";
import { daysAgo, dollars, percent, short } from "../web/src/lib/format.ts";
import { Narrator, speakable } from "../web/src/lib/narrator.ts";
import { branchTo, childrenOf, isComparison, newestLeaf } from "../web/src/lib/tree.ts";
import { countExperts, heat, nextSurprise, rankOf, summarise, visible } from "../web/src/lib/xray.ts";
import { LIMITS } from "../web/src/render/limits.ts";
import { isTooMuch, renderBlocks } from "../web/src/render/markdown.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

describe("trees", () => {
  const nodes = [
    { id: "a", parentId: null, role: "user", createdAt: 0 },
    { id: "b", parentId: "a", role: "assistant", createdAt: 10 },
    { id: "c", parentId: "a", role: "assistant", createdAt: 20 },
    { id: "d", parentId: "b", role: "user", createdAt: 90 },
  ];
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const children = childrenOf(nodes);

  test("a branch runs from the first message to the leaf, whatever the leaf is", () => {
    expect(branchTo(byId, "d").map(({ id }) => id)).toEqual(["a", "b", "d"]);
    expect(branchTo(byId, "gone")).toEqual([]);
    expect(branchTo(byId, null)).toEqual([]);
    const circle = new Map([
      ["x", { id: "x", parentId: "y" }],
      ["y", { id: "y", parentId: "x" }],
    ]);
    expect(branchTo(circle, "x")).toHaveLength(2);
  });

  test("turning to a message shows the newest end below it", () => {
    expect(newestLeaf(children, "a")).toBe("c");
    expect(newestLeaf(children, "b")).toBe("d");
  });

  test("answers that came together are a comparison until one is followed", () => {
    expect(isComparison(children.get("a")!, children)).toBe(false);
    const fresh = nodes.slice(0, 3);
    expect(isComparison(childrenOf(fresh).get("a")!, childrenOf(fresh))).toBe(true);
    const late = [nodes[0], nodes[1], { ...nodes[2], createdAt: 60_000 }];
    expect(isComparison(childrenOf(late).get("a")!, childrenOf(late))).toBe(false);
  });
});

describe("Markdown", () => {
  const html = async (text: string, final = true): Promise<string> =>
    (await renderBlocks(text, final)).map((block) => block.html ?? `PLAIN(${block.length})`).join("");

  const markdown = fc
    .array(
      fc.constantFrom(
        "# ",
        "- ",
        "1. ",
        "> ",
        "`",
        "```ts\n",
        "\n",
        "\n\n",
        "word ",
        "**",
        "$x^2$",
        "$$",
        "| a | b |\n|---|---|\n",
        "<b>",
        "[x](y)",
        "    ",
        "\\(",
        "[a]: b\n",
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join(""));

  test("blocks cover the text exactly, and all but the last stay as they are when more comes", async () => {
    await fc.assert(
      fc.asyncProperty(markdown, async (text) => {
        const blocks = await renderBlocks(text, false);
        expect(blocks.reduce((sum, block) => sum + block.length, 0)).toBe(text.length);
      }),
      { numRuns: 300, seed: 5 },
    );
    const before = await renderBlocks("One.\n\n- two\n- three\n\nFour", false);
    const after = await renderBlocks("One.\n\n- two\n- three\n\nFour and more.\n\nFive", false);
    expect(after.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
  });

  test("HTML is text, pictures are links, headings stay below the page's own", async () => {
    expect(await html("a <img src=x onerror=alert(1)> b")).toBe("<p>a &lt;img src=x onerror=alert(1)&gt; b</p>\n");
    expect(await html("use <Foo> and<br>go on")).toContain("&lt;Foo&gt; and<br>go on");
    expect(await html("![cat](https://example.org/cat.png)")).toContain(
      '<a class="image" href="https://example.org/cat.png">cat</a>',
    );
    expect(await html("# Big")).toBe("<h3>Big</h3>");
  });

  test("code is coloured in the languages that are known", async () => {
    expect(await html("```ts\nconst a = 1;\n```")).toContain(
      '<pre class="language-ts"><code><span class="hljs-keyword">const</span>',
    );
    expect(await html("```klingon\nqapla <'\n```")).toBe(
      `<pre class="language-klingon"><code>qapla &lt;'</code></pre>`,
    );
    expect(await html('```"><script>\nx\n```')).not.toContain("<script");
  });

  test("formulas are found and money is not", async () => {
    expect(await html("so $a<b$ holds")).toContain('<span class="math">a&lt;b</span>');
    expect(await html("\\(x\\) and \\[y\\]")).toContain(
      '<span class="math">x</span> and <span class="math display">y</span>',
    );
    expect(await html("$$\na\n\nb\n$$\n")).toBe('<span class="math display">a\n\nb</span>');
    expect(await html("from $5 to $6 a piece")).not.toContain("math");
    expect(await html("text\n\n$$\na \\frac", false)).toContain("<code>$$\na \\frac</code>");
  });

  test("what would go too deep or is too long is not parsed", async () => {
    expect(isTooMuch(">".repeat(LIMITS.nesting))).toBe(true);
    expect(isTooMuch("- ".repeat(LIMITS.nesting))).toBe(true);
    expect(isTooMuch(`${" ".repeat(LIMITS.nesting * 2)}- x`)).toBe(true);
    expect(isTooMuch("---------------------------------------------")).toBe(false);
    expect(isTooMuch("> > > three deep")).toBe(false);
    const long = "a".repeat(LIMITS.text + 1);
    expect(await renderBlocks(long, true)).toEqual([{ length: long.length, html: null }]);
  });
});

describe("figures", () => {
  test("numbers as people read them", () => {
    expect([short(16_300_000), short(671e9), short(37), short(1_000_000)]).toEqual(["16.3M", "671B", "37", "1M"]);
    expect([dollars(0), dollars(0.0000021), dollars(0.0345), dollars(2.5)]).toEqual([
      "$0",
      "$0.0000021",
      "$0.035",
      "$2.50",
    ]);
    expect([percent(1), percent(0.925), percent(0.0123), percent(0.0001)]).toEqual([
      "100 %",
      "93 %",
      "1.2 %",
      "< 0.1 %",
    ]);
    const noon = new Date(2026, 10, 25, 12).getTime();
    expect([daysAgo(noon - 3_600_000, noon), daysAgo(noon - 13 * 3_600_000, noon)]).toEqual([0, 1]);
  });

  const token = (p: number | null, more: Partial<TokenInfo> = {}): TokenInfo => ({
    id: 1,
    text: "a",
    bytes: [97],
    logprob: p === null ? null : Math.log(p),
    top: [],
    ...more,
  });

  test("an X-ray's summary, tints and surprises", () => {
    const tokens = [token(1), token(0.25, { drafted: true }), token(0.01), token(null)];
    const { typical, perplexity, bitsPerToken, drafted } = summarise(tokens);
    expect(typical).toBeCloseTo((0.25 * 0.01) ** (1 / 3));
    expect(perplexity).toBeCloseTo(1 / typical!);
    expect(bitsPerToken).toBeCloseTo(Math.log2(1 / typical!));
    expect(drafted).toBe(1);
    expect(tokens.map(heat)).toEqual([0, 3, 5, 0]);
    expect([
      nextSurprise(tokens, 0),
      nextSurprise(tokens, 2),
      nextSurprise([token(1)], 0),
      nextSurprise([token(0.5), token(0.8)], 0),
    ]).toEqual([2, 2, -1, 0]);
    expect(summarise([token(null)]).perplexity).toBeNull();
  });

  test("experts are counted by layer; ranks and odd tokens are told", () => {
    const counted = countExperts(
      [
        token(1, {
          experts: [
            [0, 2],
            [1, 1],
          ],
        }),
        token(1, {
          experts: [
            [2, 3],
            [0, 1],
          ],
        }),
        token(1),
      ],
      5,
    )!;
    expect(counted).toEqual({
      counts: [
        [1, 0, 2, 1, 0],
        [1, 3, 0, 0, 0],
      ],
      most: 3,
      tokens: 2,
    });
    expect(countExperts([token(1)], 8)).toBeNull();
    const rival = (id: number | null, text: string) => ({ id, text, bytes: [], logprob: -1 });
    expect(rankOf(token(1, { top: [rival(7, "b"), rival(1, "a")] }))).toBe(2);
    expect(rankOf(token(1, { id: null, top: [rival(null, "x")] }))).toBeNull();
    expect([
      visible({ text: " a\n", bytes: [] }),
      visible({ text: "\uFFFD", bytes: [0xe4, 0xbd] }),
      visible({ text: "", bytes: [] }),
    ]).toEqual(["␣a↵", "‹e4 bd›", "∅"]);
  });
});

describe("streams", () => {
  test("events are whole however the bytes are cut", () => {
    const source = ': hello\n\ndata: {"a":1}\n\nevent: x\r\ndata: one\r\ndata: two\r\n\r\ndata:last\n\n';
    for (let size = 1; size < source.length; size++) {
      const parser = new EventParser();
      const events: string[] = [];
      for (let at = 0; at < source.length; at += size) events.push(...parser.push(source.slice(at, at + size)));
      // A cut between \r and \n may not make an empty event.
      expect(events).toEqual(['{"a":1}', "one\ntwo", "last"]);
    }
  });

  test("a screen reader hears sentences, not tokens", () => {
    const heard: string[] = [];
    const narrator = new Narrator((text) => heard.push(text));
    for (const [time, word] of ["The **tide** ", "comes. ", "Then it ", "goes. And", " comes"].entries())
      narrator.push(word, 10_000 + time * 1_000);
    narrator.finish();
    expect(heard).toEqual(["The tide comes.", "Then it goes.", "And comes"]);
    expect(speakable("# A\n\n- [b](c) `d`\n> e")).toBe("A b d e");
  });

  test("files that are no text, or too large, are refused", async () => {
    const none = { bytes: 0, files: 0 };
    expect(await readFile(new File(["let a = 1;"], "a.ts"), none)).toEqual({
      attachment: { name: "a.ts", text: "let a = 1;" },
    });
    expect(await readFile(new File([new Uint8Array([0x89, 0x50, 0xff])], "a.png"), none)).toEqual({
      refused: "not-text",
      name: "a.png",
    });
    expect(await readFile(new File(["a\0b"], "a.bin"), none)).toEqual({ refused: "not-text", name: "a.bin" });
    expect(await readFile(new File(["x".repeat(300_000)], "big.txt"), none)).toEqual({
      refused: "too-large",
      name: "big.txt",
    });
    expect(await readFile(new File(["x"], "b.txt"), { bytes: 0, files: 16 })).toEqual({
      refused: "too-many",
      name: "b.txt",
    });
  });
});

describe("words", () => {
  const shape = (value: unknown): unknown =>
    value !== null && typeof value === "object"
      ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]))
      : typeof value;

  test("both languages say the same things", () => {
    expect(shape(zh)).toEqual(shape(en));
    const empty = Object.entries(zh).filter(([, value]) => value === "");
    expect(empty).toEqual([]);
  });

  test("no component has words of its own", () => {
    const spoken = new Set(["aria-label", "title", "placeholder", "alt"]);
    const found: string[] = [];
    const walk = (node: unknown, path: string, attribute: string | null): void => {
      if (node === null || typeof node !== "object") return;
      const { type, name, data } = node as { type?: string; name?: string; data?: string };
      if (type === "Text" && (attribute === null || spoken.has(attribute)) && /\p{L}{2,}/u.test(data ?? ""))
        found.push(`${path}: ${data!.trim()}`);
      for (const value of Object.values(node)) {
        const inner = type === "Attribute" || type === "StyleDirective" ? (name ?? null) : attribute;
        if (Array.isArray(value)) for (const one of value) walk(one, path, inner);
        else walk(value, path, inner);
      }
    };
    const paths = globSync("web/src/**/*.svelte", { cwd: root });
    expect(paths.length).toBeGreaterThan(20);
    for (const path of paths) walk(parse(readFileSync(root + path, "utf8"), { modern: true }).fragment, path, null);
    expect(found).toEqual([]);
  });
});
