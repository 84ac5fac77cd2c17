/** The forms of chat data that people have: each becomes the conversation that its makers meant, or is refused with the reason. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type Document, type ReadOptions, readDocuments } from "../index.ts";
import { splitJson } from "./json-values.ts";
import { documentOf } from "./records.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-formats-"));
afterAll(() => rmSync(dir, { recursive: true }));

async function read(name: string, content: string, options: ReadOptions = {}): Promise<[Document[], string[]]> {
  const path = join(dir, name);
  writeFileSync(path, content);
  const documents: Document[] = [];
  const skipped: string[] = [];
  const onSkipped = (where: string, why: string) => skipped.push(`${where.slice(dir.length + 1)}: ${why}`);
  for await (const document of readDocuments(path, { ...options, onSkipped })) documents.push(document);
  return [documents, skipped];
}

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const system = (content: string) => ({ role: "system", content });
const chat = { messages: [user("Hi"), assistant("Hello")] };

describe("records that are conversations", () => {
  const sharegpt = [
    { from: "human", value: "Hi" },
    { from: "gpt", value: "Hello" },
  ];
  it.each<[string, unknown]>([
    ["OpenAI's messages", { messages: chat.messages }],
    ["ShareGPT's conversations", { conversations: sharegpt }],
    ["ShareGPT's turns in messages", { messages: sharegpt }],
    ["messages as a text of JSON", { messages: JSON.stringify(chat.messages) }],
    ["conversations as a text of JSON", { conversations: JSON.stringify(sharegpt) }],
    ["a bare list of messages", chat.messages],
    ["Alpaca", { instruction: "Hi", input: "", output: "Hello" }],
    ["prompt and response", { prompt: "Hi", response: "Hello" }],
    ["prompt and completion", { prompt: "Hi", completion: "Hello" }],
    ["prompt and completion as messages", { prompt: [user("Hi")], completion: [assistant("Hello")] }],
    ["question and answer", { question: "Hi", answer: "Hello" }],
    ["problem and solution, with a short answer beside", { problem: "Hi", solution: "Hello", answer: "1" }],
    ["query and response", { query: "Hi", response: "Hello" }],
    ["input and output", { input: "Hi", output: "Hello" }],
    ["parts of text", { messages: [{ role: "user", content: [{ type: "text", text: "Hi" }] }, assistant("Hello")] }],
    [
      "roles in other cases and names",
      {
        messages: [
          { role: "Human", content: "Hi" },
          { role: "MODEL", content: "Hello" },
        ],
      },
    ],
  ])("%s", (_, record) => {
    expect(documentOf(record, {})).toEqual(chat);
  });

  it("what stands beside them is part of them: input, context, history, system, developer, tools, slice", () => {
    expect(documentOf({ instruction: "Add.", input: "1 + 1", output: "2" }, {})).toEqual({
      messages: [user("Add.\n\n1 + 1"), assistant("2")],
    });
    expect(documentOf({ instruction: "Who?", context: "Anna.", response: "Anna", slice: "qa" }, {})).toEqual({
      messages: [user("Who?\n\nAnna."), assistant("Anna")],
      slice: "qa",
    });
    expect(documentOf({ question: "Who?", context: "Anna.", answer: "Anna" }, {})).toEqual({
      messages: [user("Who?\n\nAnna."), assistant("Anna")],
    });
    expect(documentOf({ instruction: "Hi", input: null, context: " ", output: "Hello", weight: 1 }, {})).toEqual(chat);
    expect(
      documentOf({ instruction: "And?", output: "So.", history: [["Hi", "Hello"]], system: "Be brief." }, {}),
    ).toEqual({
      messages: [system("Be brief."), ...chat.messages, user("And?"), assistant("So.")],
    });
    expect(documentOf({ conversations: sharegpt, system: "Be brief." }, {})).toEqual({
      messages: [system("Be brief."), ...chat.messages],
    });
    expect(documentOf({ messages: [{ role: "developer", content: "Be brief." }, ...chat.messages] }, {})).toEqual({
      messages: [system("Be brief."), ...chat.messages],
    });
    const tool = { name: "add", description: "Adds.", parameters: { type: "object" } };
    for (const tools of [[{ type: "function", function: tool }], JSON.stringify([tool])])
      expect(documentOf({ ...chat, tools }, {})).toEqual({ ...chat, tools: [tool] });
  });

  it("tool calls and what tools gave are kept, in OpenAI's and ShareGPT's form", () => {
    const call = { name: "add", arguments: '{"a":1}' };
    const openai = [
      user("1 + 1?"),
      { role: "assistant", content: null, tool_calls: [{ id: "c1", type: "function", function: call }] },
      { role: "tool", name: "add", tool_call_id: "c1", content: "2" },
      assistant("2"),
    ];
    const kept = [
      user("1 + 1?"),
      { role: "assistant", content: "", toolCalls: [{ id: "c1", ...call }] },
      { role: "tool", content: "2", toolCallId: "c1" },
      assistant("2"),
    ];
    expect(documentOf({ messages: openai }, {})).toEqual({ messages: kept });
    const shared = [
      { from: "human", value: "1 + 1?" },
      { from: "function_call", value: JSON.stringify({ name: "add", arguments: { a: 1 } }) },
      { from: "observation", value: "2" },
      { from: "gpt", value: "2" },
    ];
    expect(documentOf({ conversations: shared }, {})).toEqual({
      messages: [
        user("1 + 1?"),
        { role: "assistant", content: "", toolCalls: [call] },
        { role: "tool", content: "2" },
        assistant("2"),
      ],
    });
  });

  it("turns that are not to be learnt are marked, and reasoning stands before the last reply", () => {
    for (const no of [{ weight: 0 }, { train: false }, { loss: false }, { training: 0 }])
      expect(
        documentOf({ messages: [user("Hi"), { ...assistant("Bad"), ...no }, user("?"), assistant("Good")] }, {}),
      ).toEqual({
        messages: [user("Hi"), { ...assistant("Bad"), learn: false }, user("?"), assistant("Good")],
      });
    expect(documentOf({ messages: [user("Hi"), { ...assistant("Hello"), weight: 1, train: true }] }, {})).toEqual(chat);
    const notes: string[] = [];
    const thinking = { ...assistant("2"), reasoning_content: "1 + 1" };
    expect(
      documentOf({ messages: [user("a"), thinking, user("b"), thinking] }, {}, (note) => notes.push(note)),
    ).toEqual({
      messages: [user("a"), { ...assistant("2"), learn: false }, user("b"), assistant("<think>\n1 + 1\n</think>\n\n2")],
    });
    expect(notes).toEqual(["replies before the last that reasoned: read, and not learnt"]);
  });

  it("what is not used is told", () => {
    const notes: string[] = [];
    const note = (text: string) => notes.push(text);
    documentOf({ messages: [{ ...user("Hi"), name: "Ann", mood: 3 }, assistant("Hello")] }, {}, note);
    documentOf({ messages: [system("A"), ...chat.messages], system: "B" }, {}, note);
    documentOf({ text: "a", ...chat, conversations: [], weight: 0.5 }, {}, note);
    documentOf({ prompt: [user("Hi")], input: "x", completion: "Hello" }, {}, note);
    expect(notes).toEqual([
      "fields of messages not used: name",
      "fields of messages not used: mood",
      "a system prompt beside the messages' own: not used",
      "weight of a record: not used",
      "messages beside text: not used",
      "an input beside messages: not used",
    ]);
  });

  it.each<[unknown, RegExp]>([
    [{ messages: [user("Hi"), assistant("")] }, /^an empty reply$/],
    [{ messages: [user("Hi"), { ...assistant(" "), reasoning_content: "Hm." }] }, /^an empty reply$/],
    [{ messages: [user("Hi"), { role: "narrator", content: "x" }] }, /^a message of the unknown role narrator \(/],
    [{ messages: [user(" "), assistant("Hello")] }, /^an empty message$/],
    [{ ...chat, weight: 0 }, /^a record of weight 0$/],
    [{ text: "a", train: false }, /^a record of train false$/],
    [{ prompt: "Hi", completion: "Hello", label: false }, /^a reply that is labelled false$/],
    [{ instruction: "Double it.", input: 21, output: "42" }, /^an input that is not text$/],
    [{ messages: [user("Hi"), { ...assistant("x"), weight: 0.5 }] }, /^a weight of a message that is neither 0 nor 1/],
    [{ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }, /^content that is not text/],
    [{ messages: [user("Hi"), { role: "assistant", tool_calls: [{ function: {} }] }] }, /^a tool call without a name/],
    [{ messages: [{ ...user("Hi"), tool_calls: [{ function: { name: "f" } }] }] }, /^tool calls of somebody else/],
    [{ messages: "Hello there" }, /^messages that is text, and no list of messages/],
    [{ ...chat, tools: ["hammer"] }, /^tools that are no list of functions/],
    [{ prompt: "a", chosen: "b", rejected: "c" }, /^a pair of replies/],
    [{ question: "Which?", choices: ["a", "b"], answer: "B" }, /^a question with choices \(but question, choices/],
    [{ question: "Hi", answer: 4 }, /^has no text or messages \(but question, answer; its fields are named by field/],
    [{ instruction: "Hi", output: "" }, /^empty$/],
    [[{ text: "a" }, { text: "b" }], /^a list of records in place of one/],
    [{ messages: [user("Hi")], conversations: [] }, /^$/],
  ])("%j", (record, why) => {
    const document = documentOf(record, {});
    if (why.source === "^$") expect(document).toEqual({ messages: [user("Hi")] });
    else expect(document).toMatch(why);
  });
});

describe("JSON files", () => {
  const records = [
    { text: 'a[{,}]\\"' },
    {
      conversations: [
        { from: "human", value: "Hi" },
        { from: "gpt", value: "Hello" },
      ],
    },
  ];
  const documents = [{ text: 'a[{,}]\\"' }, chat];

  it.each<[string, string]>([
    ["an array", JSON.stringify(records)],
    ["an array over many lines", JSON.stringify(records, null, 2)],
    ["an object of data", JSON.stringify({ version: "1", info: { rows: [1] }, data: records, license: "CC0" })],
    ["an object of rows over many lines", `\n${JSON.stringify({ rows: records }, null, 4)}\n`],
    ["lines of JSON", records.map((record) => JSON.stringify(record)).join("\n")],
    ["two arrays, one behind the other", `[${JSON.stringify(records[0])}]\n[${JSON.stringify(records[1])}]`],
  ])("%s", async (_, content) => {
    expect(await read("x.json", content, { onBad: "refuse" })).toEqual([documents, []]);
    expect(await read("X.JSON", content, { onBad: "refuse" })).toEqual([documents, []]);
  });

  it("one record over many lines is one; what holds no data is refused, never taken as text", async () => {
    expect(await read("one.json", JSON.stringify(chat, null, 2))).toEqual([[chat], []]);
    expect(await read("package.json", JSON.stringify({ name: "x", version: "1" }, null, 2))).toEqual([
      [],
      [expect.stringMatching(/^package\.json \(record 1\): has no text or messages \(but name, version;/)],
    ]);
    expect(await read("words.json", "Only words.")).toEqual([[], ["words.json: not JSON (at byte 0)"]]);
    expect(await read("list.json", '["a", "b", 3, null, [1]]')).toEqual([[], expect.arrayContaining([])]);
    expect((await read("list.json", '["a", "b", 3, null, [1]]'))[1].length).toBe(5);
    expect(await read("void.json", "[]")).toEqual([[], ["void.json: empty"]]);
  });

  it("what is cut off, broken, too long or too deep is named with its place, and the rest is read", async () => {
    const content = JSON.stringify(records);
    const [before, skipped] = await read("cut.json", content.slice(0, -30));
    expect([before, skipped]).toEqual([
      [documents[0]],
      [expect.stringMatching(/^cut\.json after record 1: JSON that is cut off/)],
    ]);
    expect(await read("long.json", content, { mostBytes: 40 })).toEqual([
      [documents[0]],
      ["long.json (record 2): record too long (more than 40 bytes)"],
    ]);
    const deep = `[{"text": "a"}, {"x": ${"[".repeat(200_000)}${"]".repeat(200_000)}}, {"text": "b"}]`;
    expect(await read("deep.json", deep)).toEqual([
      [{ text: "a" }, { text: "b" }],
      ["deep.json (record 2): JSON nested more than 256 levels deep"],
    ]);
    expect(await read("deep.jsonl", `{"x": ${"[".repeat(200_000)}${"]".repeat(200_000)}}\n{"text": "b"}`)).toEqual([
      [{ text: "b" }],
      ["deep.jsonl:1: JSON nested more than 256 levels deep"],
    ]);
    expect((await read("pretty.jsonl", JSON.stringify(records, null, 2)))[1]).toEqual([
      "pretty.jsonl: one JSON value over several lines (name it .json)",
    ]);
  });

  it("records are the same however the stream is cut, and whatever they hold", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())), {
          minLength: 1,
          maxLength: 5,
        }),
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom("array", "data", "lines"),
        fc.constantFrom(0, 2),
        async (values, size, form, indent) => {
          // A bare object or array at the top of a file of lines is a record or a file of them: arrays are kept to arrays.
          const kept = form === "lines" ? values.map((value) => ({ x: value })) : values;
          const text =
            form === "lines"
              ? kept.map((value) => JSON.stringify(value)).join("\n")
              : JSON.stringify(form === "data" ? { n: 1, data: kept } : kept, null, indent);
          const bytes = Buffer.from(text);
          const pieces = async function* () {
            for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
          };
          const found: unknown[] = [];
          for await (const record of splitJson(pieces(), 2 ** 20)) found.push(JSON.parse(record!.toString()));
          expect(found).toEqual(JSON.parse(JSON.stringify(kept)));
        },
      ),
      { seed: 16, numRuns: 200 },
    );
  });
});
