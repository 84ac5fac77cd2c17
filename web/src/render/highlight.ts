/** Colours for code. The languages are loaded when a text first uses them. */
import type { HLJSApi, LanguageFn } from "highlight.js";
import { LIMITS } from "./limits.ts";

type Loader = () => Promise<{ default: LanguageFn }>;

const LOADERS: Record<string, Loader> = {
  bash: () => import("highlight.js/lib/languages/bash"),
  c: () => import("highlight.js/lib/languages/c"),
  cpp: () => import("highlight.js/lib/languages/cpp"),
  css: () => import("highlight.js/lib/languages/css"),
  diff: () => import("highlight.js/lib/languages/diff"),
  go: () => import("highlight.js/lib/languages/go"),
  java: () => import("highlight.js/lib/languages/java"),
  javascript: () => import("highlight.js/lib/languages/javascript"),
  json: () => import("highlight.js/lib/languages/json"),
  markdown: () => import("highlight.js/lib/languages/markdown"),
  python: () => import("highlight.js/lib/languages/python"),
  rust: () => import("highlight.js/lib/languages/rust"),
  sql: () => import("highlight.js/lib/languages/sql"),
  typescript: () => import("highlight.js/lib/languages/typescript"),
  xml: () => import("highlight.js/lib/languages/xml"),
  yaml: () => import("highlight.js/lib/languages/yaml"),
};

const ALIASES: Record<string, string> = {
  sh: "bash",
  shell: "bash",
  zsh: "bash",
  console: "bash",
  "c++": "cpp",
  cc: "cpp",
  h: "c",
  patch: "diff",
  golang: "go",
  js: "javascript",
  jsx: "javascript",
  mjs: "javascript",
  md: "markdown",
  py: "python",
  python3: "python",
  rs: "rust",
  ts: "typescript",
  tsx: "typescript",
  html: "xml",
  svg: "xml",
  svelte: "xml",
  yml: "yaml",
};

let core: HLJSApi | null = null;
const loading = new Map<string, Promise<void>>();

function canonical(language: string): string | null {
  const name = language.toLowerCase();
  const known = ALIASES[name] ?? name;
  return Object.hasOwn(LOADERS, known) ? known : null;
}

async function load(language: string): Promise<void> {
  core ??= (await import("highlight.js/lib/core")).default;
  core.registerLanguage(language, (await LOADERS[language]()).default);
}

/** Makes the languages ready that are known; a language that cannot be loaded leaves its code plain. */
export async function prepare(languages: Iterable<string>): Promise<void> {
  const wanted = [...languages].map(canonical).filter((language) => language !== null);
  for (const language of wanted)
    if (!loading.has(language))
      loading.set(
        language,
        load(language).catch(() => {}),
      );
  await Promise.all(wanted.map((language) => loading.get(language)));
}

/** HTML of coloured code, or null where it stays plain. */
export function highlight(code: string, language: string): string | null {
  const name = canonical(language);
  if (!name || !core?.getLanguage(name) || code.length > LIMITS.highlight) return null;
  return core.highlight(code, { language: name, ignoreIllegals: true }).value;
}
