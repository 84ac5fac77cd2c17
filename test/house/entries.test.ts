/** The library's entries: what they export can be named, importing one loads nothing of the others, and their examples run. */
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../tiny.ts";
import { ROOT, readText } from "./files.ts";
import { unnamedTypes } from "./public-types.ts";

/** Rooms and packages that an entry never loads. "." is all of them. */
const NEVER: Record<string, readonly string[]> = {
  ".": ["bench", "cli", "commander"],
  "./infer": ["data", "plan", "train", "report", "serve", "hono", "prom-client", "hyparquet", "quickjs-emscripten"],
  "./train": ["serve", "hono", "prom-client"],
  "./serve": ["data", "plan", "train", "report", "hyparquet", "quickjs-emscripten"],
  "./data": ["plan", "infer", "train", "report", "serve", "hono", "prom-client"],
  "./plan": ["checkpoint", "text", "data", "infer", "train", "serve", "hono", "hyparquet"],
};

const entries = Object.keys((JSON.parse(readText("package.json")) as { exports: object }).exports);
/** The source of an entry: "./infer" is src/infer.ts. */
const sourceOf = (entry: string) => `src/${entry === "." ? "index" : entry.slice(2)}.ts`;

describe("the library's entries", () => {
  const dir = temporaryFolder();

  it("are those of package.json, which point at what the build makes", () => {
    expect(entries.toSorted()).toEqual(Object.keys(NEVER).toSorted());
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

  it.each(entries)("%s loads nothing of the others", (entry) => {
    const script = join(ROOT, "test/house/loaded.mjs");
    const { stdout } = spawnSync(process.execPath, [script, join(ROOT, sourceOf(entry))], { encoding: "utf8" });
    const loaded = JSON.parse(stdout) as string[];
    const names = loaded.map((url) =>
      url.includes("/node_modules/")
        ? /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)![1]
        : url.slice(pathToFileURL(join(ROOT, "src")).href.length + 1).split("/")[0],
    );
    expect(names).toContain("base");
    expect(NEVER[entry].filter((name) => names.includes(name))).toEqual([]);
  });

  // A folder like the repository's, so that what the examples write goes with it.
  const place = join(dir, "place");
  mkdirSync(join(place, "runs"), { recursive: true });
  for (const name of ["README.md", "THIRD_PARTY.md", "docs", "models", "recipes"])
    symlinkSync(join(ROOT, name), join(place, name));
  const page = readText("docs/library.md");
  const examples = [...page.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => match[1]);

  it("each have an example", () => {
    const shown = examples.flatMap((example) => /from "shoal(\/\w+)"/.exec(example)?.[1] ?? []);
    expect([...new Set(shown)].map((name) => `.${name}`).toSorted()).toEqual(
      entries.filter((entry) => entry !== ".").toSorted(),
    );
  });

  it.each(examples.map((example) => [/import (.*) from/.exec(example)![1], example]))("run as shown: %s", (_, code) => {
    const file = join(dir, "example.ts");
    const here = (_: string, name: string) => `from "${pathToFileURL(join(ROOT, `src/${name}.ts`)).href}"`;
    writeFileSync(file, code.replace(/from "shoal\/(\w+)"/g, here));
    const { status, stderr, stdout } = spawnSync(process.execPath, [file], { cwd: place, encoding: "utf8" });
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).not.toBe("");
  });
});
