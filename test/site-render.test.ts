/** How answers are read: emphasis and addresses in every script, line ends, formulas; and that no text takes more time than its length. */
import fc from "fast-check";
import { Marked } from "marked";
import { describe, expect, test } from "vitest";
import { directionOf } from "../web/src/lib/direction.ts";
import { emphases } from "../web/src/render/emphasis.ts";
import { renderBlocks } from "../web/src/render/markdown.ts";

const html = async (text: string): Promise<string> =>
  (await renderBlocks(text, true))
    .map((block) => block.html ?? "PLAIN")
    .join("")
    .trim();
const inline = async (text: string): Promise<string> => (await html(text)).replace(/^<p>|<\/p>$/g, "");

describe("emphasis", () => {
  test.each([
    ["**重要：**请注意。", "<strong>重要：</strong>请注意。"],
    ["这是**“粗体”**文字。", "这是<strong>“粗体”</strong>文字。"],
    ["**重要：**请注意。这是**“粗体”**文字。", "<strong>重要：</strong>请注意。这是<strong>“粗体”</strong>文字。"],
    ["**「重要」**です", "<strong>「重要」</strong>です"],
    ["これは**重要です。**次に", "これは<strong>重要です。</strong>次に"],
    ["**스크립트(script)**를 쓴다", "<strong>스크립트(script)</strong>를 쓴다"],
    ["*强调，*后面", "<em>强调，</em>后面"],
    ["***全部：***后面", "<em><strong>全部：</strong></em>后面"],
    ["~~删除。~~保留", "<del>删除。</del>保留"],
    ["**（一）**第一，**（二）**第二", "<strong>（一）</strong>第一，<strong>（二）</strong>第二"],
    ["请看**`code`**的值", "请看<strong><code>code</code></strong>的值"],
    ["参见**[链接](https://a.example)**。然后", '参见<strong><a href="https://a.example">链接</a></strong>。然后'],
    ["**重要🎉**请看", "<strong>重要🎉</strong>请看"],
    ["**𠮷：**下", "<strong>𠮷：</strong>下"],
    ["２**３**４ and 2 ** 3 ** 4", "２<strong>３</strong>４ and 2 ** 3 ** 4"],
    ["snake_case_name 和 _强调_ 词", "snake_case_name 和 <em>强调</em> 词"],
    ["a\\*b\\*c `*d*` *e*", "a*b*c <code>*d*</code> <em>e</em>"],
    ["*a **b** c*", "<em>a <strong>b</strong> c</em>"],
    ["**a*", "*<em>a</em>"],
    ["~a~ ~~b~~ ~~~c~~~", "<del>a</del> <del>b</del> ~~~c~~~"],
  ])("%s", async (text, expected) => expect(await inline(text)).toBe(expected));

  test("of texts with spaces is CommonMark's", async () => {
    // marked's own rules, which hold to the specification's examples, on texts of one nesting, where nobody differs.
    const plain = new Marked({ gfm: true, breaks: true });
    const word = fc.constantFrom("word", "two", "x.", "(y)", "3", '"q"');
    const marked = fc.tuple(fc.constantFrom("*", "**", "_", "__"), word).map(([mark, text]) => `${mark}${text}${mark}`);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(word, marked), { minLength: 1, maxLength: 8 }), async (parts) => {
        const text = parts.join(" ");
        expect((await html(text)).replaceAll("&quot;", '"')).toBe(
          String(plain.parse(text)).trim().replaceAll("&quot;", '"'),
        );
      }),
      { numRuns: 200, seed: 9 },
    );
  });

  test("around any Chinese words and punctuation is emphasis", async () => {
    const words = fc.array(fc.constantFrom("重要", "，", "：", "（", "）", "“", "”", "。", "文字", "a", "1"), {
      minLength: 1,
    });
    await fc.assert(
      fc.asyncProperty(words, fc.constantFrom("*", "**"), async (parts, mark) => {
        const text = parts.join("");
        const tag = mark === "*" ? "em" : "strong";
        expect(await inline(`这是${mark}${text}${mark}文字`)).toBe(`这是<${tag}>${text}</${tag}>文字`);
      }),
      { numRuns: 200, seed: 9 },
    );
  });

  test("pairs never overlap by half, whatever the marks", () => {
    const text = fc.array(fc.constantFrom("*", "**", "***", "_", "__", "~", "~~", "a", "文", "，", ".", " "), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(text, (parts) => {
        const source = parts.join("");
        const pairs = [...emphases(source)].sort(([a], [b]) => a - b);
        for (const [start, { end, size }] of pairs) {
          expect(source.slice(start, start + size)).toBe(source.slice(end - size, end));
          expect(end - size).toBeGreaterThan(start + size);
          for (const [other, { end: otherEnd }] of pairs)
            if (other > start && other < end) expect(otherEnd).toBeLessThanOrEqual(end - size);
        }
      }),
      { numRuns: 1000, seed: 4 },
    );
  });
});

describe("addresses", () => {
  test.each([
    ["请看https://example.com/path，然后继续。", "https://example.com/path"],
    ["（见 https://example.com/a?b=c）。", "https://example.com/a?b=c"],
    ["“https://example.com”是", "https://example.com"],
    ["https://example.com/a然后", "https://example.com/a"],
    ["「https://example.com/a#b」を見る", "https://example.com/a#b"],
    ["https://example.com/a，https://example.org/b", "https://example.com/a"],
    ["https://example.com/ａ", "https://example.com/"],
    ["https://example.com:8080/x에서", "https://example.com:8080/x"],
    ["see https://example.com/a_(b), or", "https://example.com/a_(b)"],
  ])("%s", async (text, address) => {
    const links = [...(await html(text)).matchAll(/<a href="([^"]+)">([^<]+)<\/a>/g)];
    expect(links[0].slice(1)).toEqual([address, address]);
  });
});

describe("line ends", () => {
  test("of an answer are kept, those of a wrapped document are not", async () => {
    expect(await inline("24 x 1 = 24.\n24 x 50 = 1200.")).toBe("24 x 1 = 24.<br>24 x 50 = 1200.");
    expect(await html("- one\n  and\n> a\n> b")).toMatch(/one<br>and[\s\S]*a<br>b/);
    expect((await renderBlocks("one\ntwo", true, "document"))[0].html).toBe("<p>one\ntwo</p>\n");
    expect(await html("```\na\nb\n```")).toContain("a\nb");
  });
});

describe("directions", () => {
  test.each([
    ["مرحبا hello", "rtl"],
    ["  12. שלום", "rtl"],
    ["hello שלום", "ltr"],
    ["123 …", null],
    ["", null],
    ["܀ܐ", "rtl"],
    ["你好", "ltr"],
  ])("of %j is %s", (text, direction) => expect(directionOf(text)).toBe(direction));
});

describe("no text takes more than its length in time", () => {
  test.each([
    "*a ",
    "**a",
    "_a*",
    "a**b",
    "~~a",
    "\\(",
    "$a",
    "$$ ",
    "\\[",
    "[",
    "![",
    "[^",
    "`a",
    "<a",
    "http://a，",
    "**重要：",
    "文*，_",
  ])("%s", async (piece) => {
    // Time of this process, whatever else the machine does; the best of three.
    const time = async (length: number): Promise<number> => {
      const text = piece.repeat(Math.ceil(length / piece.length)).slice(0, length);
      let best = Infinity;
      for (let i = 0; i < 3; i++) {
        const before = process.cpuUsage();
        await renderBlocks(text, true);
        best = Math.min(best, process.cpuUsage(before).user / 1000);
      }
      return best;
    };
    const [short, long] = [await time(2_500), await time(20_000)];
    // Eight times as long; its square would be 64 times.
    expect(long).toBeLessThan(Math.max(250, 30 * short));
  });
});
