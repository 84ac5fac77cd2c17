import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
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
  expect(printed.at(-2)).toBe(`${path}: 2 documents (1 conversations), 0.0 MB of text, longest 8 bytes`);
  expect(printed.at(-1)).toMatch(/^2 documents skipped: 1 /);
  await expect(data("stats", path, "--on-bad", "refuse")).rejects.toThrow(/a\.jsonl:3: not valid JSON/);
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
