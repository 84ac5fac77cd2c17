import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { expandPath, explainPassedOver, findFiles } from "../index.ts";
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
    expect(() => under("hollow")).toThrow(/hollow: holds no \.txt, \.md, \.jsonl, \.json or \.parquet/);
    expect(() => under("nowhere")).toThrow(/nowhere: there is no such file or folder/);
    expect(() => under("tree/*.csv")).toThrow(/\*\.csv: no file matches/);
    expect(() => under("nowhere/**/*.txt")).toThrow(/no file matches/);
  });
});

it("formatOf goes by the name below the compression", () => {
  expect(
    ["a.ndjson.gz", "a.parquet", "a.txt.zst", "a.JSON", "A.JSONL.ZST", "a.jsonlines", "a.rst"].map(formatOf),
  ).toEqual(["jsonl", "parquet", "text", "json", "jsonl", "jsonl", "text"]);
});

describe("folders as people have them", () => {
  const put = (name: string, content = "x") => {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), content);
  };
  const found = (path: string, include?: string[]) => {
    const { files, passedOver } = findFiles(join(dir, path), include);
    return { files: files.map((file) => file.slice(dir.length + 1)), passedOver };
  };

  it("folders named like files are folders, links are followed once, and what leads nowhere is passed over", () => {
    for (const name of ["odd/x.jsonl/a.txt", "odd/data.parquet/b.md", "odd/c.txt"]) put(name);
    symlinkSync("nowhere.jsonl", join(dir, "odd/dead.jsonl"));
    symlinkSync(".", join(dir, "odd/self"));
    symlinkSync("c.txt", join(dir, "odd/again.txt"));
    mkdirSync(join(dir, "beyond"));
    put("beyond/d.txt");
    symlinkSync("../beyond", join(dir, "odd/out"));
    symlinkSync("../odd", join(dir, "beyond/back"));
    expect(found("odd")).toEqual({
      files: ["odd/c.txt", "odd/data.parquet/b.md", "odd/out/d.txt", "odd/x.jsonl/a.txt"],
      passedOver: {
        "links to nothing": { files: 1, bytes: 0 },
        "links to what is read anyway": { files: 3, bytes: 0 },
      },
    });
    expect(found("odd/**/*.txt").files).toEqual(["odd/c.txt", "odd/out/d.txt", "odd/x.jsonl/a.txt"]);
    expect(() => found("odd/dead.jsonl")).toThrow(/dead\.jsonl: is a link to nothing$/);
  });

  it("hidden files and folders are passed over, and other files are named; include reads them", () => {
    for (const name of [
      ".git/a.txt",
      ".ipynb_checkpoints/b.jsonl",
      "._c.jsonl",
      "__MACOSX/d.txt",
      "e.txt",
      "f.rst",
      "g/h.rst",
      "i.py",
      "j",
    ])
      put(`mixed/${name}`);
    const { files, passedOver } = found("mixed");
    expect(files).toEqual(["mixed/e.txt"]);
    expect(explainPassedOver(passedOver)).toBe("2 .rst (2 B), 1 .py (1 B), 1 without an ending (1 B), 4 hidden");
    expect(found("mixed", ["*.rst", "i.*"]).files).toEqual([
      "mixed/e.txt",
      "mixed/f.rst",
      "mixed/g/h.rst",
      "mixed/i.py",
    ]);
    expect(found("mixed", ["g/*"]).files).toEqual(["mixed/e.txt", "mixed/g/h.rst"]);
    expect(found("mixed/**/*.rst").files).toEqual(["mixed/f.rst", "mixed/g/h.rst"]);
    expect(found("mixed/.git").files).toEqual(["mixed/.git/a.txt"]);
    put("others/a.rst");
    expect(() => found("others")).toThrow(/but 1 \.rst \(1 B\); --include '\*\.rst' .* reads such files as text$/);
  });

  it.each(["a.csv", "b.TSV", "c.csv.gz", "d.xlsx", "e.pdf", "f.zip", "g.txt.bz2", "h.jsonl.xz"])(
    "%s is refused by name, with what to do, and passed over in a folder",
    (name) => {
      put(`tables/${name}/x.txt`.replace(`${name}/`, ""));
      put(`tables/${name}`);
      expect(() => found(`tables/${name}`)).toThrow(/cannot be read: [^\n]+$/);
      expect(() => found("tables", [name])).toThrow(/cannot be read/);
      expect(found("tables").files).toEqual(["tables/x.txt"]);
    },
  );

  it.skipIf(process.platform === "win32")("named pipes are refused, and passed over in a folder", () => {
    put("pipes/a.txt");
    execFileSync("mkfifo", [join(dir, "pipes/b.jsonl")]);
    expect(found("pipes")).toEqual({
      files: ["pipes/a.txt"],
      passedOver: { "pipes, sockets and devices": { files: 1, bytes: 0 } },
    });
    expect(() => found("pipes/b.jsonl")).toThrow(/b\.jsonl: is a named pipe, and no file/);
  });
});
