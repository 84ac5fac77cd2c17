/**
 * The rules of the house as pure functions of (path, text), so that a test can show that each of them catches what it should.
 * Paths are relative to the repository's root, with forward slashes. A problem is one line that names the file and what to do.
 */
import { posix } from "node:path";
import ts from "typescript";

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

/** The most parameters of a function: beyond that, what belongs together becomes an object. */
export const MAX_PARAMETERS = 5;

/** The most lines of a function, its signature included. */
export const MAX_FUNCTION_LINES = 100;

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

/** Circles of imports, those of types included, each as "a.ts → b.ts → a.ts", found once. */
export function circles(sources: Sources): string[] {
  const edges = new Map<string, string[]>();
  for (const [path, text] of sources) {
    const targets = importsOf(text).filter((found) => found.specifier.startsWith("."));
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

/** Functions with too many parameters or lines. Tests are not looked at: their bodies are lists of examples. */
export function functionProblems(sources: Sources): string[] {
  const problems: string[] = [];
  for (const [path, text] of sources) {
    if (!path.endsWith(".ts") || path.endsWith(".test.ts")) continue;
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line + 1;
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) && "body" in node && node.body) {
        const first = lineOf(node.getStart());
        const name = node.name?.getText() ?? "a function";
        const lines = lineOf(node.end) - first + 1;
        if (node.parameters.length > MAX_PARAMETERS)
          problems.push(
            `${path}:${first}: ${name} has ${node.parameters.length} parameters; group them (at most ${MAX_PARAMETERS})`,
          );
        if (lines > MAX_FUNCTION_LINES)
          problems.push(`${path}:${first}: ${name} has ${lines} lines; divide it (at most ${MAX_FUNCTION_LINES})`);
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return problems;
}

/** Rooms that docs/architecture.md does not list, or lists though there is no such folder. */
export function tableProblems(architecture: string, folders: readonly string[]): string[] {
  const listed = [...architecture.matchAll(/`src\/(\w+)\/`(?=[^|\n]*\|)/g)].map((match) => match[1]);
  return [
    ...folders
      .filter((room) => !listed.includes(room))
      .map((room) => `src/${room}/ is not in the table of docs/architecture.md`),
    ...listed
      .filter((room) => !folders.includes(room))
      .map((room) => `docs/architecture.md lists src/${room}/, which is not there`),
  ];
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
