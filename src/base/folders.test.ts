import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { InputError, makeFolder, whyNotWritten } from "./index.ts";

const dir = mkdtempSync(join(tmpdir(), "shoal-folders-"));
afterAll(() => rmSync(dir, { recursive: true }));

it("a folder is made with those above it, and again; a file in its way is named in one line", () => {
  makeFolder(join(dir, "a", "b"));
  makeFolder(join(dir, "a", "b"));
  writeFileSync(join(dir, "file"), "");
  for (const path of [join(dir, "file"), join(dir, "file", "below")])
    expect(() => makeFolder(path)).toThrow(new InputError(`${path}: cannot be made: a file stands in the way`));
});

it("a full disk and missing permission are said in words, anything else as the system says it", () => {
  expect(whyNotWritten({ code: "ENOSPC", message: "x" })).toBe("the disk is full");
  expect(whyNotWritten({ code: "EACCES", message: "x" })).toBe("no permission");
  expect(whyNotWritten({ code: "toString", message: "odd\nmore" })).toBe("odd");
});
