import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { expandPath } from "../index.ts";
import { formatOf } from "./files.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-files-"));
afterAll(() => rmSync(dir, { recursive: true }));

for (const name of ["b.txt", "a.jsonl", "deep/c.md.gz", "deep/er/d.jsonl", "picture.png", "x+1.txt", "e.parquet"]) {
  mkdirSync(dirname(join(dir, "tree", name)), { recursive: true });
  writeFileSync(join(dir, "tree", name), "");
}
const under = (path: string) => expandPath(join(dir, path)).map((found) => found.slice(dir.length + 6));

describe("expandPath", () => {
  it("takes a file, or a folder with all below it, in order of name", () => {
    expect(under("tree/b.txt")).toEqual(["b.txt"]);
    expect(under("tree")).toEqual(["a.jsonl", "b.txt", "deep/c.md.gz", "deep/er/d.jsonl", "e.parquet", "x+1.txt"]);
  });

  it("* is any part of a name, ** any folders", () => {
    expect(under("tree/*.txt")).toEqual(["b.txt", "x+1.txt"]);
    expect(under("tree/x+*")).toEqual(["x+1.txt"]);
    expect(under("tree/*/*.gz")).toEqual(["deep/c.md.gz"]);
    expect(under("tree/**/*.jsonl")).toEqual(["a.jsonl", "deep/er/d.jsonl"]);
    expect(under("tree/**/er/*")).toEqual(["deep/er/d.jsonl"]);
  });

  it("says what it did not find", () => {
    mkdirSync(join(dir, "hollow"));
    expect(() => under("hollow")).toThrow(/hollow: holds no \.txt, \.md, \.jsonl or \.parquet/);
    expect(() => under("nowhere")).toThrow(/nowhere: there is no such file or folder/);
    expect(() => under("tree/*.csv")).toThrow(/\*\.csv: no file matches/);
    expect(() => under("nowhere/**/*.txt")).toThrow(/no file matches/);
  });
});

it("formatOf goes by the name below the compression", () => {
  expect(["a.ndjson.gz", "a.parquet", "a.txt.zst", "a.json"].map(formatOf)).toEqual([
    "jsonl",
    "parquet",
    "text",
    "text",
  ]);
});
