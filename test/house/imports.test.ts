import { describe, expect, it } from "vitest";
import { listFiles, readAll } from "./files.ts";
import { circles, fileProblems, importProblems, importsOf, MAX_LINES } from "./rules.ts";

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

  it("has no circles", () => {
    expect(circles(sources)).toEqual([]);
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

  it("circles at run time, not those of types", () => {
    const files = (kind: string) => ({
      "src/model/a.ts": `import { b } from "./b.ts";`,
      "src/model/b.ts": `${kind} { A } from "./a.ts";`,
    });
    expect(circles(house(files("import")))).toEqual(["src/model/a.ts → src/model/b.ts → src/model/a.ts"]);
    expect(circles(house(files("import type")))).toEqual([]);
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
});
