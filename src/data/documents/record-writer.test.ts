import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readRecords } from "../index.ts";
import { writeRecords } from "./record-writer.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-writer-"));
afterAll(() => rmSync(dir, { recursive: true }));

async function* rows(count: number, failAt = -1): AsyncGenerator<unknown> {
  for (let i = 0; i < count; i++) {
    if (i === failAt) throw new Error("stopped");
    yield { text: `row ${i} 🐟`, licence: "CC0" };
  }
}

it.each(["a.jsonl", "a.jsonl.gz", "a.ndjson.zst"])("%s is read as it was written", async (name) => {
  const path = join(dir, name);
  await writeRecords(path, rows(20_000));
  const back: unknown[] = [];
  for await (const { json } of readRecords(path)) back.push(json);
  expect(back.length).toBe(20_000);
  expect(back[19_999]).toEqual({ text: "row 19999 🐟", licence: "CC0" });
});

it("what was there stays where writing fails, and nothing is left beside it", async () => {
  const path = join(dir, "kept.jsonl");
  await writeRecords(path, rows(1));
  const before = readFileSync(path, "utf8");
  await expect(writeRecords(path, rows(20_000, 15_000))).rejects.toThrow("stopped");
  expect(readFileSync(path, "utf8")).toBe(before);
  expect(readdirSync(dir).filter((name) => name.includes("tmp"))).toEqual([]);
});

it("other names and folders that are not there are refused", async () => {
  await expect(writeRecords(join(dir, "a.csv"), rows(1))).rejects.toThrow(/a\.csv: records are written as \.jsonl/);
  await expect(writeRecords(join(dir, "no", "a.jsonl"), rows(1))).rejects.toThrow(
    /a\.jsonl: cannot be written: its folder is not there; make it first$/,
  );
});
