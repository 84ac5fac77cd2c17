/** The house keeps its shape: rooms import downwards, through each other's front door, without circles; files stay small and well named. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const src = fileURLToPath(new URL("../../src", import.meta.url));
/** From the ground up; a room imports rooms before it. */
const ROOMS = ["tensor", "model", "checkpoint", "text", "data", "plan", "train", "infer", "serve", "eval", "audit", "cli"];
const MOST_LINES = 400;

const files = readdirSync(src, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => join(src, name));
const roomOf = (path: string) => relative(src, path).split("/")[0];

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

const imports: Import[] = files.flatMap((from) =>
  [...readFileSync(from, "utf8").matchAll(/^(?:import|export)\s+(type\s+)?(?:[^;"']*?\bfrom\s+)?["'](\.[^"']+)["']/gm)].map(([, type, path]) => ({
    from,
    to: resolve(dirname(from), path),
    typeOnly: type !== undefined,
  })),
);

const show = ({ from, to }: Import) => `${relative(src, from)} → ${relative(src, to)}`;

describe("the house", () => {
  it("has files and imports to look at", () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.length).toBeGreaterThan(100);
    expect(imports.filter(({ to }) => !files.includes(to)).map(show)).toEqual([]);
  });

  it("has only known rooms", () => {
    const rooms = new Set(files.map(roomOf).filter((room) => room !== "index.ts"));
    for (const room of rooms) expect(ROOMS).toContain(room);
  });

  it("imports downwards only", () => {
    const upwards = imports.filter(({ from, to }) => roomOf(from) !== "index.ts" && ROOMS.indexOf(roomOf(to)) > ROOMS.indexOf(roomOf(from)));
    expect(upwards.map(show)).toEqual([]);
  });

  it("enters other rooms by their index.ts", () => {
    const windows = imports.filter(({ from, to }) => roomOf(from) !== roomOf(to) && relative(src, to) !== `${roomOf(to)}/index.ts`);
    expect(windows.map(show)).toEqual([]);
  });

  it("has no circles", () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports) if (!typeOnly) edges.set(from, [...(edges.get(from) ?? []), to]);
    const done = new Set<string>();
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) throw new Error(`circle: ${[...path.slice(path.indexOf(file)), file].map((f) => relative(src, f)).join(" → ")}`);
      if (done.has(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    expect(() => files.forEach((file) => visit(file, []))).not.toThrow();
  });

  it("has small files with kebab-case names", () => {
    for (const file of files) {
      expect(readFileSync(file, "utf8").split("\n").length, relative(src, file)).toBeLessThanOrEqual(MOST_LINES);
      expect(relative(src, file).split("/").at(-1)).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/);
    }
  });
});
