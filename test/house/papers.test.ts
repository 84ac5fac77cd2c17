import { describe, expect, it } from "vitest";
import { listFiles, readAll, readText } from "./files.ts";

/** Places of the machine on which something was written. Put together here so that this file does not hold them itself. */
const MACHINE_PATHS = ["work", "root", "tmp/briefs"].map((folder) => `/${folder}/`);

function machinePaths(texts: ReadonlyMap<string, string>): string[] {
  return [...texts].flatMap(([path, text]) =>
    MACHINE_PATHS.filter((place) => text.includes(place)).map((place) => `${path}: ${place}`),
  );
}

describe("what is written down", () => {
  it("names no machine's own paths", () => {
    // A model's tokenizer file is a list of words found in the wild, not something anybody wrote.
    const paths = listFiles(
      "",
      /\.(ts|mjs|js|cc|h|gyp|py|md|json|svelte|html|css)$|^(run|LICENSE|\.gitignore|\.npmrc)$/,
    );
    const texts = readAll(paths.filter((path) => !/\/(tokenizer|vocab)\.json$/.test(path)));
    expect(texts.has("README.md") && texts.has("package.json") && texts.has("test/house/papers.test.ts")).toBe(true);
    expect(machinePaths(texts)).toEqual([]);
    expect(machinePaths(new Map([["a.md", `see /${"work"}/x`]]))).toHaveLength(1);
  });

  const manifest = JSON.parse(readText("package.json")) as { dependencies: object; devDependencies: object };
  const lock = JSON.parse(readText("package-lock.json")) as {
    packages: Record<string, { version: string; license?: string; dev?: boolean; resolved?: string }>;
  };

  it("ties the lock file to no registry", () => {
    const tied = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined);
    expect(tied.map(([name]) => name)).toEqual([]);
  });

  it("gives a reason for every dependency, and for nothing else", () => {
    const listed = [...readText("docs/dependencies.md").matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1]);
    expect(listed.toSorted()).toEqual(
      Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).toSorted(),
    );
  });

  it("lists every package that an installation runs, with its licence", () => {
    const shipped = Object.entries(lock.packages).filter(([path, entry]) => path !== "" && !entry.dev);
    const expected = shipped.map(([path, entry]) => `${path.replace(/^.*node_modules\//, "")} ${entry.license}`);
    const listed = [...readText("THIRD_PARTY.md").matchAll(/^\| `([^`]+)` \| ([^|]+?) \|/gm)].map(
      (match) => `${match[1]} ${match[2]}`,
    );
    expect(listed.toSorted()).toEqual([...new Set(expected)].toSorted());
  });

  it("dates every entry of the log, with its result and verdict, and lists it in the index", () => {
    const log = readText("docs/log.md");
    const [index, ...entries] = log.split(/^### /m);
    const heads = entries.map((entry) => entry.slice(0, entry.indexOf("\n")));
    expect(heads.length).toBeGreaterThan(50);
    const problems = entries.flatMap((entry, i) => {
      const head = /^(\d{4}-\d\d-\d\d) · \S+ · (.+)$/.exec(heads[i]);
      if (!head) return [`${heads[i]}: a heading is "date · subject · title"`];
      const missing = ["**Result:**", "**Verdict:**"].filter((part) => !entry.includes(part));
      if (!index.includes(`[${head[2]}](`)) missing.push("a line in the index");
      if (i > 0 && head[1] < heads[i - 1].slice(0, 10)) missing.push("its place by date");
      return missing.map((part) => `${heads[i]}: lacks ${part}`);
    });
    expect(problems).toEqual([]);
  });
});
