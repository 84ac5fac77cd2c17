import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DEEPSEEK_TEMPLATE, trainBpe } from "../text/index.ts";
import { tokenise } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-corpus-"));
afterAll(() => rmSync(dir, { recursive: true }));
const cache = join(dir, "cache");

const tokenizer = trainBpe({
  texts: ["the red fish and the blue boat ".repeat(20)],
  vocabSize: 290,
  digits: 1,
  chatTemplate: DEEPSEEK_TEMPLATE,
});

function jsonl(name: string, rows: unknown[]): string {
  const path = join(dir, name);
  writeFileSync(path, rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));
  return path;
}

describe("tokenise", () => {
  const rows = [{ text: "the red fish" }, { text: "<｜end▁of▁sentence｜>" }, "{broken", { text: "blue 🐟" }];

  it("a document is bos, its text, eos; special tokens in the text are only text", async () => {
    const corpus = await tokenise({ path: jsonl("a.jsonl", rows) }, tokenizer, cache);
    const documents = [...corpus.starts.subarray(0, -1)].map((start, i) => [
      ...corpus.tokens.subarray(start, corpus.starts[i + 1]),
    ]);
    expect(documents.map((ids) => tokenizer.decode(ids.slice(1, -1)))).toEqual([
      "the red fish",
      "<｜end▁of▁sentence｜>",
      "blue 🐟",
    ]);
    for (const ids of documents) {
      expect(ids[0]).toBe(tokenizer.bosId);
      expect(ids.indexOf(tokenizer.eosId!)).toBe(ids.length - 1);
    }
    expect(corpus.skipped).toBe(1);
    expect(corpus.textBytes).toBe(Buffer.byteLength("the red fish<｜end▁of▁sentence｜>blue 🐟"));
    expect(corpus.mask.every((bit) => bit === 1)).toBe(true);
  });

  it("in a chat only the assistant's words and its end count", async () => {
    const messages = [
      { role: "user", content: "the fish" },
      { role: "assistant", content: "the boat" },
    ];
    const { tokens, mask } = await tokenise({ path: jsonl("chat.jsonl", [{ messages }]) }, tokenizer, cache);
    const counted = [...tokens].filter((_, i) => mask[i]);
    expect(counted.at(-1)).toBe(tokenizer.eosId);
    expect(tokenizer.decode(counted.slice(0, -1))).toBe("the boat");
  });

  it("keeps what it did: the second time nothing is tokenised, a changed file is", async () => {
    const path = jsonl("kept.jsonl", [{ text: "red" }]);
    const files = () => readdirSync(cache).filter((name) => name.startsWith("kept"));
    const first = await tokenise({ path }, tokenizer, cache);
    const [name] = files();
    expect(await tokenise({ path }, tokenizer, cache)).toEqual(first);
    expect(files()).toEqual([name]);
    jsonl("kept.jsonl", [{ text: "red boat" }]);
    expect((await tokenise({ path }, tokenizer, cache)).tokens.length).toBeGreaterThan(first.tokens.length);
  });

  it("a file with no text is an error", async () => {
    await expect(tokenise({ path: jsonl("none.jsonl", ["{", "[]"]) }, tokenizer, cache)).rejects.toThrow(
      /none\.jsonl: there is no text in it \(2 documents skipped\)/,
    );
  });
});
