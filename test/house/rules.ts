/**
 * The rules of the house as pure functions of (path, text), so that a test can show that each of them catches what it should.
 * Paths are relative to the repository's root, with forward slashes. A problem is one line that names the file and what to do.
 */
import { posix } from "node:path";

/** Rooms from the ground up: a room imports only rooms that stand before it. */
export const ROOMS = [
  "base",
  "tensor",
  "model",
  "checkpoint",
  "text",
  "hub",
  "data",
  "sandbox",
  "plan",
  "infer",
  "train",
  "report",
  "eval",
  "audit",
  "launch",
  "serve",
  "bench",
  "cli",
];

/** The most lines a source file may have. There are no exceptions. */
export const MAX_LINES = 400;

export type Sources = ReadonlyMap<string, string>;

export interface Import {
  /** What the file names: "./rope.ts", "../tensor/index.ts", "zod". */
  specifier: string;
  /** `import type` and `export type … from` leave nothing behind at run time. */
  typeOnly: boolean;
}

/** Every static and literal dynamic import of a TypeScript source. Comments and strings inside a line's code are not looked into. */
export function importsOf(text: string): Import[] {
  const statements = /^\s*(?:import|export)\s+(type\s+(?!from\b))?(?:[^;"'`]*?\bfrom\s*)?["']([^"'\n]+)["']/gm;
  const calls = /\bimport\(\s*["']([^"'\n]+)["']\s*\)/g;
  return [
    ...[...text.matchAll(statements)].map((match) => ({ specifier: match[2], typeOnly: match[1] !== undefined })),
    ...[...text.matchAll(calls)].map((match) => ({ specifier: match[1], typeOnly: false })),
  ];
}

/** The room of a path; null for the roof (src/index.ts and the other entries of the library) and for everything outside src/. */
export function roomOf(path: string): string | null {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? null;
}

function resolve(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

/** Imports that go up the house, around a room's index.ts, or to a file that is not there. */
export function importProblems(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [path, text] of sources) {
    const room = roomOf(path);
    if (room !== null && !ROOMS.includes(room))
      problems.push(`${path}: src/${room} is not a room; add it to ROOMS in its place`);
    for (const { specifier } of importsOf(text)) {
      if (!specifier.startsWith(".")) continue;
      const target = resolve(path, specifier);
      const targetRoom = roomOf(target);
      if (!sources.has(target)) problems.push(`${path}: imports ${specifier}, which is no source file under src/`);
      else if (targetRoom === null && room === null) continue;
      else if (targetRoom === null)
        problems.push(`${path}: imports ${specifier}; a room imports rooms below it, not the roof`);
      else if (targetRoom === room) continue;
      else if (target !== `src/${targetRoom}/index.ts`)
        problems.push(`${path}: imports ${specifier}; go through src/${targetRoom}/index.ts`);
      else if (room !== null && ROOMS.indexOf(targetRoom) > ROOMS.indexOf(room))
        problems.push(`${path}: imports ${specifier}; ${targetRoom} stands above ${room}`);
    }
  }
  return problems;
}

/** Circles of imports that exist at run time, each as "a.ts → b.ts → a.ts", found once. */
export function circles(sources: Sources): string[] {
  const edges = new Map<string, string[]>();
  for (const [path, text] of sources) {
    const targets = importsOf(text).filter((found) => !found.typeOnly && found.specifier.startsWith("."));
    edges.set(
      path,
      targets.map((found) => resolve(path, found.specifier)).filter((target) => sources.has(target)),
    );
  }
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      found.push([...trail.slice(start), path].join(" → "));
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path)!) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return found;
}

/** Files that are too long, or whose names are not kebab-case. */
export function fileProblems(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [path, text] of sources) {
    const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
    if (lines > MAX_LINES) problems.push(`${path}: ${lines} lines; split it (at most ${MAX_LINES})`);
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.bench)?\.[a-z]+$/.test(posix.basename(path)))
      problems.push(`${path}: name it in kebab-case`);
  }
  return problems;
}
