import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer as Oracle } from "@huggingface/tokenizers";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { DEEPSEEK_TEMPLATE, loadTokenizer, saveTokenizer, trainBpe } from "../index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-bpe-"));
afterAll(() => rmSync(dir, { recursive: true }));

const TEXT =
  "The shoal turned in the green water, and the smallest fish turned with it. Öl für 2024 Fische! 魚が泳ぐ。\n".repeat(
    30,
  );
const train = (texts: string[], vocabSize = 400, digits: 1 | 3 = 1) =>
  trainBpe({ texts, vocabSize, digits, chatTemplate: DEEPSEEK_TEMPLATE });

/** The textbook's algorithm: count all pairs anew for every merge; of equals the pair with the lowest ids. */
function merges(words: string[], wanted: number): [number, number][] {
  const sequences = words.map((word) => [...new TextEncoder().encode(word)].map((byte) => byte + 5));
  const done: [number, number][] = [];
  while (done.length < wanted) {
    const counts = new Map<string, number>();
    for (const ids of sequences)
      for (let i = 0; i + 1 < ids.length; i++)
        counts.set(`${ids[i]} ${ids[i + 1]}`, (counts.get(`${ids[i]} ${ids[i + 1]}`) ?? 0) + 1);
    const order = [...counts].map(([key, count]) => [count, ...key.split(" ").map(Number)] as [number, number, number]);
    order.sort((a, b) => b[0] - a[0] || a[1] - b[1] || a[2] - b[2]);
    if (order.length === 0 || order[0][0] < 2) break;
    const [, left, right] = order[0];
    for (const ids of sequences)
      for (let i = 0; i + 1 < ids.length; i++)
        if (ids[i] === left && ids[i + 1] === right) ids.splice(i, 2, 261 + done.length);
    done.push([left, right]);
  }
  return done;
}

describe("trainBpe", () => {
  it("makes the merges of the textbook's algorithm", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 2, maxLength: 12 }), {
          minLength: 1,
          maxLength: 30,
        }),
        (words) => {
          // A letter run after a line end is one word; line ends stand alone.
          const text = words.join("\n");
          const { mergeList } = train([text], 261 + 12).parts;
          const pieces: string[] = [];
          train([text], 261).parts.preTokenize(text, (word) => pieces.push(word));
          expect(mergeList.map(([left, right]) => [left, right])).toEqual(merges(pieces, 12));
        },
      ),
      { seed: 8, numRuns: 200 },
    );
  });

  it("is deterministic, and merges a pair of equals (aaaa) without losing count", () => {
    expect(train([TEXT]).parts.mergeList).toEqual(train([TEXT]).parts.mergeList);
    const { parts } = train(["aaaa ".repeat(10)], 264);
    expect(parts.bytes.slice(261).map((bytes) => new TextDecoder().decode(bytes))).toEqual(["aa", "aaaa", " aaaa"]);
  });

  it("saved and loaded it gives the same ids, and so does the oracle from its file", () => {
    const trained = train([TEXT]);
    saveTokenizer(trained, dir);
    const loaded = loadTokenizer(dir);
    const read = (name: string) => JSON.parse(readFileSync(join(dir, name), "utf8"));
    const oracle = new Oracle(read("tokenizer.json"), read("tokenizer_config.json"));
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.constantFrom(...TEXT.split(" "))),
        (text) => {
          const ids = [...trained.encode(text)];
          expect([...loaded.encode(text)]).toEqual(ids);
          expect(oracle.encode(text, { add_special_tokens: false }).ids).toEqual(ids);
          expect(loaded.decode(ids)).toBe(text.toWellFormed());
        },
      ),
      { seed: 6, numRuns: 1_000 },
    );
    expect([loaded.bosId, loaded.eosId, loaded.vocabSize]).toEqual([0, 1, trained.vocabSize]);
    expect(loaded.parts.chatTemplate).toBe(DEEPSEEK_TEMPLATE);
  });

  it("splits numbers into digits, or into threes", () => {
    const digits = (n: 1 | 3) => {
      const tokenizer = train(["2024 2024 2024 ".repeat(50)], 300, n);
      return [...tokenizer.encode("2024")].map((id) => tokenizer.decode([id]));
    };
    expect(digits(1)).toEqual(["2", "0", "2", "4"]);
    expect(digits(3)).toEqual(["202", "4"]);
  });

  it("stops early where the text has no more pairs", () => {
    const tokenizer = train(["ab ab"], 1000);
    expect(tokenizer.parts.mergeList.length).toBeLessThan(5);
    expect(tokenizer.decode(tokenizer.encode("abc ☃"))).toBe("abc ☃");
  });

  it("refuses a vocabulary without room for the bytes, and no text", () => {
    expect(() => train([TEXT], 260)).toThrow(/vocabSize 260 is too small: 5 special tokens and 256 bytes need 261/);
    expect(() => train([""])).toThrow(/no text to train on/);
  });
});
