/** Pages that speak of the code name files and commands that are there. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { listFiles, ROOT, readAll, readText } from "./files.ts";
import { ROOMS } from "./rules.ts";

/** The log speaks of the past. */
const PAST = new Set(["docs/log.md", "CHANGELOG.md"]);

/** Pages that are written for readers of the code, by path. */
const pages = readAll(
  listFiles("", /\.md$/).filter((path) => !/^(models|test|recipes)\//.test(path) && !PAST.has(path)),
);

/** Paths of the repository that a page names: `src/x.ts`, `docs/`, and targets of its links. NAME stands for any name. */
function pathsIn(page: string, text: string): string[] {
  const named = [...text.matchAll(/`((?:src|test|native|web|docs|bench|scripts|recipes)\/[\w./-]*)`/g)];
  const linked = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)];
  return [
    ...named.map((match) => match[1]),
    ...linked.map((match) => join(dirname(page), match[1]).replaceAll("\\", "/")),
  ].filter((path) => !path.includes("NAME"));
}

describe("pages about the code", () => {
  it("name files that are there", () => {
    expect(pages.has("CONTRIBUTING.md") && pages.has("docs/architecture.md")).toBe(true);
    const missing = [...pages].flatMap(([page, text]) =>
      pathsIn(page, text).flatMap((path) =>
        [path, join(dirname(page), path)].some((place) => existsSync(join(ROOT, place))) ? [] : `${page}: ${path}`,
      ),
    );
    expect([...new Set(missing)]).toEqual([]);
    expect(pathsIn("docs/a.md", "see `src/x.ts`, `src/NAME.ts` and [b](b.md#c)")).toEqual(["src/x.ts", "docs/b.md"]);
  });

  it("name scripts of package.json", () => {
    const { scripts } = JSON.parse(readText("package.json")) as { scripts: Record<string, string> };
    const asked = [...pages].flatMap(([page, text]) =>
      [...text.matchAll(/npm run (?:-s )?([a-z][\w:]*)/g)].map((match) => ({ page, script: match[1] })),
    );
    expect(asked.length).toBeGreaterThan(10);
    expect(asked.filter(({ script }) => !(script in scripts))).toEqual([]);
  });

  it("list the rooms from the ground up, as they stand in src/", () => {
    const listed = [...pages.get("docs/architecture.md")!.matchAll(/^\| `src\/([a-z]+)\/`/gm)].map((match) => match[1]);
    expect(listed).toEqual(ROOMS.filter((room) => listed.includes(room)));
    const rooms = new Set(listFiles("src", /\.ts$/).flatMap((path) => /^src\/([^/]+)\//.exec(path)?.[1] ?? []));
    expect(listed.toSorted()).toEqual([...rooms].toSorted());
  });
});
