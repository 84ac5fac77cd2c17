import { describe, expect, it } from "vitest";
import { listFiles, readAll, readText } from "./files.ts";
import {
  circles,
  fileProblems,
  functionProblems,
  importProblems,
  importsOf,
  MAX_FUNCTION_LINES,
  MAX_LINES,
  MAX_PARAMETERS,
  ROOMS,
  roomOf,
  tableProblems,
} from "./rules.ts";

describe("the house", () => {
  const sources = readAll(listFiles("src", /\.ts$/));
  const everything = readAll(
    ["src", "test", "scripts", "bench", "native"].flatMap((folder) => listFiles(folder, /\.(ts|mjs|cc|h)$/)),
  );

  it("is read at all", () => {
    expect(sources.has("src/tensor/kernels.ts")).toBe(true);
    expect(everything.has("scripts/setup.mjs")).toBe(true);
    expect(everything.has("native/addon/addon.cc")).toBe(true);
    expect(importsOf(sources.get("src/tensor/index.ts")!).length).toBeGreaterThan(0);
  });

  it("imports only rooms below, through their index", () => {
    expect(importProblems(sources)).toEqual([]);
  });

  it("has no circles, of types either", () => {
    expect(circles(sources)).toEqual([]);
  });

  it(`has functions of at most ${MAX_PARAMETERS} parameters and ${MAX_FUNCTION_LINES} lines`, () => {
    const web = readAll(listFiles("web", /\.ts$/));
    const problems = functionProblems(new Map([...everything, ...web]));
    // For now: what the reference of these kernels still takes one by one. Nothing is to be added here.
    const allowed = /^src\/tensor\/kernels\/(attention|fused|gemm)\/reference\.ts:/;
    expect(problems.filter((problem) => !allowed.test(problem))).toEqual([]);
  });

  it("has the rooms that docs/architecture.md shows, in that order", () => {
    const folders = [...new Set([...sources.keys()].map(roomOf).filter((room) => room !== null))];
    const architecture = readText("docs/architecture.md");
    expect(tableProblems(architecture, folders)).toEqual([]);
    const listed = [...architecture.matchAll(/`src\/(\w+)\/`(?=[^|\n]*\|)/g)].map((match) => ROOMS.indexOf(match[1]));
    expect(listed).toEqual(listed.toSorted((a, b) => a - b));
  });

  it(`has files of at most ${MAX_LINES} lines with kebab-case names`, () => {
    expect(fileProblems(everything)).toEqual([]);
  });
});

describe("the rules catch", () => {
  const house = (files: Record<string, string>) =>
    new Map(
      Object.entries({ "src/tensor/index.ts": "", "src/model/index.ts": "", "src/tensor/dtype.ts": "", ...files }),
    );

  it("every form of import", () => {
    const text = [
      `import "./effect.ts";`,
      `import { a } from "./a.ts";`,
      `import {\n  b,\n  type C,\n} from "./b.ts";`,
      `import type { D } from "./d.ts";`,
      `export * from "./e.ts";`,
      `export type { F } from './f.ts';`,
      `const g = await import("./g.ts");`,
      ` * import { not } from "./comment.ts";`,
      `export const h = "./string.ts";`,
    ].join("\n");
    const found = importsOf(text);
    expect(found.map((one) => one.specifier)).toEqual(
      ["a", "b", "d", "e", "f", "g"].map((name) => `./${name}.ts`).toSpliced(0, 0, "./effect.ts"),
    );
    expect(found.filter((one) => one.typeOnly).map((one) => one.specifier)).toEqual(["./d.ts", "./f.ts"]);
  });

  it.each([
    ["a room above", { "src/tensor/a.ts": `import { x } from "../model/index.ts";` }, "model stands above tensor"],
    [
      "a room above, as a type",
      { "src/tensor/a.ts": `import type { X } from "../model/index.ts";` },
      "model stands above tensor",
    ],
    [
      "a way around the index",
      { "src/model/a.ts": `import { x } from "../tensor/dtype.ts";` },
      "go through src/tensor/index.ts",
    ],
    [
      "the roof's way around the index",
      { "src/index.ts": `export { x } from "./tensor/dtype.ts";` },
      "go through src/tensor/index.ts",
    ],
    [
      "the roof from inside",
      { "src/index.ts": "", "src/model/a.ts": `import { x } from "../index.ts";` },
      "not the roof",
    ],
    ["code outside src", { "src/model/a.ts": `import { x } from "../../test/x.ts";` }, "no source file under src/"],
    ["a room nobody knows", { "src/attic/a.ts": "" }, "src/attic is not a room"],
  ])("%s", (_, files, problem) => {
    expect(importProblems(house(files as Record<string, string>)).join("\n")).toContain(problem);
  });

  it("nothing in a good house", () => {
    const files = {
      "src/model/a.ts": `import { x } from "../tensor/index.ts";\nimport { y } from "./index.ts";\nimport { z } from "zod";`,
    };
    expect(importProblems(house(files))).toEqual([]);
  });

  it("circles, of types too", () => {
    const files = (kind: string) => ({
      "src/model/a.ts": `import { b } from "./b.ts";`,
      "src/model/b.ts": `${kind} { A } from "./a.ts";`,
    });
    expect(circles(house(files("import")))).toEqual(["src/model/a.ts → src/model/b.ts → src/model/a.ts"]);
    expect(circles(house(files("import type")))).toHaveLength(1);
  });

  it("long files and odd names", () => {
    expect(fileProblems(new Map([["src/model/a.ts", "\n".repeat(MAX_LINES)]]))).toEqual([]);
    expect(fileProblems(new Map([["src/model/a.ts", "\n".repeat(MAX_LINES + 1)]]))).toEqual([
      `src/model/a.ts: 401 lines; split it (at most 400)`,
    ]);
    expect(fileProblems(new Map([["src/model/goodName.ts", ""]]))).toEqual([
      "src/model/goodName.ts: name it in kebab-case",
    ]);
  });

  it("long functions and long lists of parameters", () => {
    const lines = "\n".repeat(MAX_FUNCTION_LINES);
    const text = `function a(b, c, d, e, f, g) {}\nconst h = () => {${lines}};\nclass I { j(k) {} }`;
    expect(functionProblems(new Map([["src/model/a.ts", text]]))).toEqual([
      "src/model/a.ts:1: a has 6 parameters; group them (at most 5)",
      "src/model/a.ts:2: a function has 101 lines; divide it (at most 100)",
    ]);
    expect(functionProblems(new Map([["src/model/a.test.ts", text]]))).toEqual([]);
  });

  it("rooms without a line in the table, and lines without a room", () => {
    const table = "| `src/model/` | models |\n| `src/attic/` | old things |";
    expect(tableProblems(table, ["model", "cellar"])).toEqual([
      "src/cellar/ is not in the table of docs/architecture.md",
      "docs/architecture.md lists src/attic/, which is not there",
    ]);
  });
});
