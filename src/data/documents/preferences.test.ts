/** Pairs of replies in the forms that data sets have: each becomes the same pair, or is refused with the reason. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, expect, it } from "vitest";
import { DEEPSEEK_TEMPLATE, trainBpe } from "../../text/index.ts";
import { readPreferences } from "../index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-pairs-"));
afterAll(() => rmSync(dir, { recursive: true }));
const tokenizer = trainBpe({ texts: ["good or bad"], vocabSize: 270, digits: 1, chatTemplate: DEEPSEEK_TEMPLATE });

async function read(name: string, content: string | Uint8Array) {
  const path = join(dir, name);
  writeFileSync(path, content);
  const pairs = await readPreferences(path, tokenizer, 200);
  return pairs.map(({ chosen, rejected }) =>
    [chosen, rejected].map(({ ids, replyStart }) => [
      tokenizer.decode([...ids.subarray(0, replyStart)]),
      tokenizer.decode([...ids.subarray(replyStart)]),
    ]),
  );
}

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const before = "<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜>";
const pair = [
  [before, "Good<｜end▁of▁sentence｜>"],
  [before, "Bad<｜end▁of▁sentence｜>"],
];
const texts = { prompt: "Hi", chosen: "Good", rejected: "Bad" };

it.each<[string, unknown]>([
  ["texts", texts],
  ["a prompt of messages", { ...texts, prompt: [user("Hi")] }],
  ["replies as messages", { prompt: "Hi", chosen: [assistant("Good")], rejected: [assistant("Bad")] }],
  ["whole conversations", { chosen: [user("Hi"), assistant("Good")], rejected: [user("Hi"), assistant("Bad")] }],
  [
    "whole conversations beside their prompt",
    { prompt: "Hi", chosen: [user("Hi"), assistant("Good")], rejected: [user("Hi"), assistant("Bad")] },
  ],
  [
    "ShareGPT's",
    {
      conversations: [{ from: "human", value: "Hi" }],
      chosen: { from: "gpt", value: "Good" },
      rejected: { from: "gpt", value: "Bad" },
    },
  ],
  [
    "OpenAI's",
    {
      input: { messages: [user("Hi")] },
      preferred_output: [assistant("Good")],
      non_preferred_output: [assistant("Bad")],
    },
  ],
  ["transcripts", { chosen: "\n\nHuman: Hi\n\nAssistant: Good", rejected: "\n\nHuman: Hi\n\nAssistant: Bad" }],
  ["a question", { question: "Hi", chosen: "Good", rejected: "Bad" }],
  [
    "JSON in texts",
    { prompt: "Hi", chosen: JSON.stringify([assistant("Good")]), rejected: JSON.stringify([assistant("Bad")]) },
  ],
])("%s", async (_, record) => {
  expect(await read("pairs.jsonl", JSON.stringify(record))).toEqual([pair]);
  expect(await read("pairs.json", JSON.stringify([record], null, 1))).toEqual([pair]);
});

it("rows of Parquet", async () => {
  const columnData = Object.entries(texts).map(([name, text]) => ({ name, data: [text, text] }));
  expect(await read("pairs.parquet", new Uint8Array(parquetWriteBuffer({ columnData })))).toEqual([pair, pair]);
});

it.each<[unknown, RegExp]>([
  [{ chosen: "Good", rejected: "Bad" }, /\(1 needs a prompt and after it the assistant's reply\)/],
  [{ prompt: "Hi", chosen: "Good" }, /\(1 needs prompt, chosen and rejected, as text or messages\)/],
  [{ ...texts, rejected: "Good" }, /\(1 chosen and rejected are the same\)/],
  [{ ...texts, chosen: "" }, /\(1 an empty reply\)/],
  [{ ...texts, chosen: "long ".repeat(100) }, /\(1 longer than 200 tokens\)/],
  [3, /\(1 needs prompt, chosen and rejected/],
  ["", /\(1 needs prompt/],
])("%j is refused, and the reason is told", async (record, why) => {
  await expect(read("bad.jsonl", JSON.stringify(record))).rejects.toThrow(why);
});
