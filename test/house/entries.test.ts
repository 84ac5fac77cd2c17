/** The library's entries: where the package finds them, and that what they take and give can be named. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../tiny.ts";
import { ROOT, readText } from "./files.ts";
import { unnamedTypes } from "./public-types.ts";

const entries = Object.keys((JSON.parse(readText("package.json")) as { exports: object }).exports);
/** The source of an entry: "./infer" is src/infer.ts. */
const sourceOf = (entry: string) => `src/${entry === "." ? "index" : entry.slice(2)}.ts`;

describe("the library's entries", () => {
  const dir = temporaryFolder();

  it("are those of package.json, which point at what the build makes", () => {
    const { exports } = JSON.parse(readText("package.json")) as { exports: Record<string, string> };
    for (const entry of entries)
      expect(exports[entry]).toBe(sourceOf(entry).replace("src/", "./dist/").replace(".ts", ".js"));
  });

  it("export every type that a function of theirs takes or gives", () => {
    writeFileSync(join(dir, "types.ts"), "export interface Known {}\nexport interface Unknown {}\n");
    const lines = [
      `import type { Known, Unknown } from "./types.ts";`,
      `export type { Known } from "./types.ts";`,
      "export class Thing { private a(b: Unknown) { return b; } made(known: Known) { return known; } }",
      "export interface Taken { inside: Known; also?: readonly Unknown[] }",
      "export function inferred() { return { found: null as Promise<Unknown> | null, known: null as Known | null }; }",
    ];
    const bad = join(dir, "bad.ts");
    writeFileSync(bad, lines.join("\n"));
    const found = unnamedTypes([...entries.map((entry) => join(ROOT, sourceOf(entry))), bad]);
    expect(found.filter((line) => !line.startsWith("bad.ts"))).toEqual([]);
    expect(found.map((line) => line.replace(/ \(.*/, ""))).toEqual([
      "bad.ts: Taken refers to Unknown",
      "bad.ts: inferred refers to Unknown",
    ]);
  });
});
