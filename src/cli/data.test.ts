import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ITEM_FIELDS } from "../data/index.ts";
import { MINNOW } from "./common.ts";
import { dataCommand } from "./data.ts";

let dir: string;
const printed: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "shoal-data-"));
  printed.length = 0;
  vi.spyOn(console, "log").mockImplementation((text) => printed.push(text));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

const data = (...args: string[]) => dataCommand.exitOverride().parseAsync(args, { from: "user" });
const result = () => JSON.parse(printed.at(-1)!);
const at = (name: string) => join(dir, name);

function lines(name: string, rows: unknown[]): string {
  writeFileSync(at(name), rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));
  return at(name);
}

const read = (name: string): unknown[] => {
  const bytes = readFileSync(at(name));
  const text = (name.endsWith(".zst") ? zstdDecompressSync(bytes) : bytes).toString();
  return text === ""
    ? []
    : text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
};

const story = Array.from({ length: 400 }, (_, i) => `word${(i * i) % 97} thing${i % 31}`).join(" ");
const question = "How many red fish swim past the old boat in the harbour on a quiet Sunday morning in spring?";

it("stats: counts of each input, and what was skipped by reason", async () => {
  const path = lines("a.jsonl", [
    { text: "one fish" },
    { messages: [{ role: "user", content: "Hi" }] },
    "{",
    { text: "" },
  ]);
  await data("stats", path, "--json");
  expect(result()).toEqual({
    inputs: [
      {
        input: path,
        documents: 2,
        conversations: 1,
        bytes: 10,
        longest: 8,
        skipped: { "not valid JSON": 1, empty: 1 },
      },
    ],
    skipped: { "not valid JSON": 1, empty: 1 },
  });
  await data("stats", path);
  expect(printed.splice(-4)).toEqual([
    `${path}: 2 documents (1 conversation), 10 B of text, longest 8 bytes`,
    expect.stringMatching(/^2 documents skipped: 1 /),
    expect.stringMatching(/^ {2}first: .*a\.jsonl:3: not valid JSON \(/),
    `  first: ${path}:4: empty`,
  ]);
  await expect(data("stats", path, "--on-bad", "refuse")).rejects.toThrow(/a\.jsonl:3: not valid JSON/);
});

it("stats: what a folder passes over, what is not used, and how fields are named", async () => {
  mkdirSync(at("mixed"));
  lines("mixed/chat.jsonl", [
    { messages: [{ role: "user", content: "Hi", name: "Ann" }] },
    { headline: "x", body: "y" },
  ]);
  writeFileSync(at("mixed/page.rst"), "A page.");
  writeFileSync(at("mixed/table.csv"), "a,b");
  await data("stats", at("mixed"));
  expect(printed).toEqual([
    `${at("mixed")}: 1 document (1 conversation), 2 B of text, longest 2 bytes`,
    `${at("mixed")}: not read: 1 .rst (7 B), 1 .csv (3 B); --include '*.rst' reads such files as text`,
    "1 times fields of messages not used: name",
    "1 documents skipped: 1 has no text or messages",
    `  first: ${at("mixed/chat.jsonl")}:2: has no text or messages (but headline, body; its fields are named by field, or promptField and replyField)`,
  ]);
  await data("stats", at("mixed"), "--include", "*.rst", "--json");
  expect(result().inputs[0]).toMatchObject({ documents: 2, passedOver: { ".csv": { files: 1 } } });
});

describe("what is written is never what is read", () => {
  const spellings = (name: string) => {
    symlinkSync(name, at("link.jsonl"));
    linkSync(at(name), at("hard.jsonl"));
    symlinkSync(".", at("folder"));
    return [
      at(name),
      join(dir, "folder", name),
      `${dir}/./${name}`,
      at("link.jsonl"),
      at("hard.jsonl"),
      relative(process.cwd(), at(name)),
    ];
  };

  it("nor an evaluation set, nor another output, by whatever link or spelling", async () => {
    const path = lines("in.jsonl", [{ text: story }]);
    const items = lines("eval.jsonl", [{ prompt: question }]);
    const before = [readFileSync(path, "utf8"), readFileSync(items, "utf8")];
    const aside = at("aside.jsonl");
    for (const output of spellings("in.jsonl")) {
      await expect(data("dedupe", path, "--out", output)).rejects.toThrow(
        /^--out .*: is read, too .*; name another file$/,
      );
      await expect(data("decontaminate", path, "--against", items, "--out", output)).rejects.toThrow(
        /^--out .*is read, too/,
      );
      await expect(data("decontaminate", aside, "--against", path, "--out", output)).rejects.toThrow();
      for (const [train, validation] of [
        [output, aside],
        [aside, output],
      ])
        await expect(
          data("split", path, "--share", "0.3", "--train", train, "--validation", validation),
        ).rejects.toThrow(/^--(train|validation) .*is read, too/);
    }
    await expect(data("decontaminate", path, "--against", items, "--out", items)).rejects.toThrow(/is read, too/);
    for (const same of [aside, join(dir, "folder", "aside.jsonl")])
      await expect(data("split", path, "--share", "0.3", "--train", aside, "--validation", same)).rejects.toThrow(
        /^--validation .*: is --train, too; name another file$/,
      );
    expect([readFileSync(path, "utf8"), readFileSync(items, "utf8"), existsSync(aside)]).toEqual([...before, false]);
  });
});

describe("preview", () => {
  const chats = () =>
    lines("chats.jsonl", [
      {
        messages: [
          { role: "user", content: "Hi\u001b[31m" },
          { role: "assistant", content: "Bad", weight: 0 },
          { role: "user", content: "And?" },
          { role: "assistant", content: "Good fish" },
        ],
      },
      {
        messages: [
          { role: "user", content: "x".repeat(900) },
          { role: "assistant", content: "late" },
        ],
      },
      {
        messages: [
          { role: "user", content: "Hi" },
          { role: "assistant", content: "" },
        ],
      },
      { messages: [{ role: "user", content: "Only me", name: "Ann" }] },
    ]);

  it("shows what is learnt, what is cut and what is left out, without anything that a terminal would act on", async () => {
    await data("preview", chats(), "--count", "3", "--sequence-length", "64", "--no-color");
    const text = printed.join("\n");
    expect(text).toMatch(/document 1: conversation, \d+ tokens, \d+ learnt$/m);
    expect(text).toMatch(/<U\+001B>/);
    expect(text).not.toContain("\x1b");
    const learnt = [...text.matchAll(/«([^»]*)»/g)].map(([, tokens]) => tokens.replaceAll("|", ""));
    expect(learnt).toEqual(["Good fish<｜end▁of▁sentence｜>"]);
    expect(text).toMatch(/document 2: conversation, \d+ tokens, 0 learnt \(nothing to learn\)$/m);
    expect(text).toMatch(/^✂ \d+ tokens do not fit and are cut$/m);
    expect(text).toMatch(/3 documents \(3 conversations\), [\d,]+ tokens, \d+ of them learnt/);
    expect(text).toMatch(/^ {2}1 are longer than 64 tokens and lose \d+ of them$/m);
    expect(text).toMatch(/^ {2}2 have nothing to learn in them$/m);
    expect(text).toMatch(/^ {2}1 documents skipped: 1 an empty reply$/m);
    expect(text).toMatch(/^ {2}1 times fields of messages not used: name$/m);
  });

  it("as JSON: each token with its use, and the counts", async () => {
    await data("preview", chats(), "--count", "1", "--seed", "3", "--sequence-length", "64", "--json");
    const [shown, counts] = printed.map((line) => JSON.parse(line));
    expect(shown.tokens[0]).toEqual({ id: 0, text: "<｜begin▁of▁sentence｜>", use: "read" });
    expect(counts).toMatchObject({
      documents: 3,
      conversations: 3,
      cut: 1,
      nothingToLearn: 2,
      skipped: { "an empty reply": 1 },
    });
  });

  it("of a recipe: each source of each stage, with the passes over it", async () => {
    chats();
    lines("pairs.jsonl", [{ prompt: "Hi", chosen: "Good", rejected: "Bad" }]);
    const recipe = {
      name: "small",
      from: MINNOW,
      stages: [
        {
          name: "chat",
          tokens: 5000,
          lr: 1e-3,
          packing: "chats",
          loss: "assistant",
          sequenceLength: 64,
          mixture: [{ path: "chats.jsonl" }],
        },
        { name: "prefer", tokens: 1000, lr: 1e-3, preference: { path: "pairs.jsonl" } },
      ],
    };
    const path = at("small.json");
    writeFileSync(path, JSON.stringify(recipe));
    await data("preview", path, "--data", dir, "--count", "2", "--no-color");
    const text = printed.join("\n");
    expect(text).toMatch(/^stage chat, .*chats\.jsonl: 3 documents .*; read [\d.]+ times$/m);
    expect(text).toMatch(/^stage prefer, .*pairs\.jsonl: 1 pair, \d+ tokens, \d+ of them learnt .*; read \d+ times$/m);
    expect(text).toMatch(/pair 1: chosen, \d+ tokens, \d+ learnt$/m);
    expect(text).toMatch(/«G\|ood\|<｜end▁of▁sentence｜>»/);
  });
});

it("sample: as many as are asked for, always the same, in order", async () => {
  const path = lines(
    "many.jsonl",
    Array.from({ length: 50 }, (_, i) => ({ text: `document ${i}`, id: i })),
  );
  await data("sample", path, "--count", "3", "--json");
  const first = printed.splice(0).map((line) => JSON.parse(line));
  expect(first.length).toBe(3);
  expect(first.map(({ id }) => id)).toEqual(first.map(({ id }) => id).sort((a, b) => a - b));
  await data("sample", path, "--count", "3", "--json");
  expect(printed.map((line) => JSON.parse(line))).toEqual(first);
});

it("sample: of a conversation who says what, which tools are called, and what is not learnt", async () => {
  const call = { function: { name: "add", arguments: '{"a":1}' } };
  const path = lines("calls.jsonl", [
    {
      messages: [
        { role: "user", content: "1 + 1?\u001b[2J" },
        { role: "assistant", content: "3", weight: 0 },
        { role: "user", content: "Sure?" },
        { role: "assistant", content: "", tool_calls: [call] },
        { role: "tool", content: "2" },
      ],
    },
  ]);
  await data("sample", path);
  expect(printed).toEqual([
    `── ${path}:1\nuser: 1 + 1?<U+001B>[2J\nassistant (not learnt): 3\nuser: Sure?\nassistant: \n  calls add {"a":1}\ntool: 2\n`,
  ]);
});

it("dedupe: conversations that differ in their tool calls alone are two", async () => {
  const calling = (a: number) => ({
    messages: [
      { role: "user", content: "Add." },
      { role: "assistant", content: "", tool_calls: [{ function: { name: "add", arguments: `{"a":${a}}` } }] },
    ],
  });
  await data("dedupe", lines("tools.jsonl", [calling(1), calling(2), calling(1)]), "--out", at("two.jsonl"), "--json");
  expect(result()).toMatchObject({ kept: 2, exact: 1 });
});

it("split: every record goes whole to one side, the same text always to the same", async () => {
  const rows = Array.from({ length: 300 }, (_, i) => ({ text: `document ${i % 200}`, licence: "CC0" }));
  const path = lines("all.jsonl", rows);
  await data(
    "split",
    path,
    "--share",
    "0.2",
    "--train",
    at("train.jsonl.zst"),
    "--validation",
    at("val.jsonl"),
    "--json",
  );
  const [train, validation] = [read("train.jsonl.zst"), read("val.jsonl")] as { text: string }[][];
  expect(result()).toMatchObject({ training: train.length, validation: validation.length });
  expect(train.length + validation.length).toBe(300);
  expect(validation.length / 300).toBeCloseTo(0.2, 1);
  expect(train[0]).toEqual({ text: train[0].text, licence: "CC0" });
  const held = new Set(validation.map(({ text }) => text));
  expect(train.filter(({ text }) => held.has(text))).toEqual([]);
});

it("dedupe: leaves out what repeats, and lists it", async () => {
  const rows = [
    { text: story, id: 1 },
    { text: "short" },
    { text: `New title. ${story}` },
    { text: "short" },
    { text: question },
  ];
  await data("dedupe", lines("twice.jsonl", rows), "--out", at("once.jsonl"), "--sample", "4", "--list", "--json");
  expect(read("once.jsonl")).toEqual([rows[0], rows[1], rows[4]]);
  expect(result()).toEqual({ kept: 3, exact: 1, near: 1, skipped: {} });
  expect(printed.slice(0, -1).map((line) => JSON.parse(line).kind)).toEqual(["near", "exact"]);
});

describe("decontaminate", () => {
  it("names document, item and words, and writes the others", async () => {
    const items = lines("gsm.jsonl", [{ id: "q7", prompt: question, answer: "4" }]);
    const path = lines("web.jsonl", [{ text: "clean" }, { text: `Before. ${question.toUpperCase()} After.` }]);
    await data("decontaminate", path, "--against", items, "--out", at("safe.jsonl"), "--json");
    expect(read("safe.jsonl")).toEqual([{ text: "clean" }]);
    expect(JSON.parse(printed[0])).toMatchObject({ where: `${path}:2`, item: "gsm#q7" });
    expect(result()).toMatchObject({ documents: 2, contaminated: 1, bySet: { gsm: 1 }, items: 1 });
  });

  it("takes items in JSON and Parquet, short questions with numbers, and tells which it cannot compare and why", async () => {
    writeFileSync(
      at("eval.parquet"),
      new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "question", data: ["What is 24 x 51?", "Why?"] }] })),
    );
    writeFileSync(
      at("list.json"),
      JSON.stringify([{ problem: question }, { riddle: question }, { solution: "return a + b" }]),
    );
    const path = lines("web.jsonl", [
      { text: "So what is 24 x 51? Well." },
      { text: "What is 24 x 52?" },
      { text: question },
    ]);
    await data("decontaminate", path, "--against", at("eval.parquet"), at("list.json"), "--json");
    expect(printed.slice(0, -1).map((line) => JSON.parse(line).item)).toEqual(["eval#1", "list#1"]);
    expect(result()).toMatchObject({
      documents: 3,
      contaminated: 2,
      items: 2,
      uncompared: { "are too short to be compared": 2, [`have none of the fields ${ITEM_FIELDS.join(", ")}`]: 1 },
    });
    await data("decontaminate", path, "--against", at("list.json"));
    expect(printed.at(-2)).toMatch(
      /^1 other items have none of the fields prompt, .*\(list#2 has riddle; --item-fields names others\)$/,
    );
    await expect(
      data("decontaminate", path, "--against", lines("tiny.jsonl", [{ text: "Too short" }])),
    ).rejects.toThrow(/all items are too short to be compared \(tiny#1\)/);
  });

  it("refuses evaluation sets that hold nothing to compare", async () => {
    const items = lines("odd.jsonl", [{ words: "none" }]);
    await expect(data("decontaminate", items, "--against", items)).rejects.toThrow(
      /no item has any of the fields prompt,/,
    );
  });
});

it("tasks: kinds in turn, and those that are apart", async () => {
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => Boolean(printed.push(String(text))));
  await data("tasks", "arithmetic", "bug", "--count", "2", "--split", "test", "--apart");
  write.mockRestore();
  expect(printed.map((line) => JSON.parse(line).kind)).toEqual(["arithmetic", "bug", "arithmetic", "bug"]);
});
