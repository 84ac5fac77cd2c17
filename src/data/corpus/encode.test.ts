import { expect, it } from "vitest";
import { Tokenizer, trainBpe } from "../../text/index.ts";
import { Encoders, encodeDocuments } from "./encode.ts";

const CHATML =
  "{% for m in messages %}<|im_start|>{{ m.role }}: {{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant: {% endif %}";
const tokenizer = trainBpe({
  texts: ["what is it? it is this."],
  vocabSize: 280,
  specialTokens: ["<s>", "</s>", "<|im_start|>", "<|im_end|>"],
  chatTemplate: CHATML,
});
const documents = [
  {
    messages: [
      { role: "user" as const, content: "what?" },
      { role: "assistant" as const, content: "this." },
    ],
  },
];

it("conversations are learnt as the folder's own template writes them, in other threads too", async () => {
  const { tokens, mask } = encodeDocuments(documents, tokenizer);
  expect(tokenizer.decode(tokens)).toBe("<|im_start|>user: what?<|im_end|>\n<|im_start|>assistant: this.<|im_end|>\n");
  expect(tokenizer.decode([...tokens].filter((_, i) => mask[i]))).toBe("this.<|im_end|>");
  const encoders = new Encoders(tokenizer, 2, 0);
  const there = await encoders.encode(documents, 10);
  await encoders.close();
  expect([[...there.tokens], [...there.mask]]).toEqual([[...tokens], [...mask]]);
});

it("a template in which the assistant's words cannot be found is refused in one line", () => {
  const odd = new Tokenizer({ ...tokenizer.parts, chatTemplate: "{{ messages | length }}{{ messages[0].content }}" });
  expect(() => encodeDocuments(documents, odd)).toThrow(/^chat_template: [^\n]*cannot be told from the rest[^\n]*$/);
});
