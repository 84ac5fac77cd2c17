/** Where a folder keeps its chat templates; what transformers prefers is preferred. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { InputError, isThere, readRegularJson, readRegularText } from "../../base/index.ts";

/** Templates in Jinja; null where there is none of that kind. */
export interface ChatTemplates {
  chat: string | null;
  /** In place of `chat` where tools are given. */
  tools: string | null;
}

const TEMPLATE_FILE = "chat_template.jinja";
const PROCESSOR_FILE = "chat_template.json";
/** Holds further templates, each named by its file. */
const TEMPLATE_FOLDER = "additional_chat_templates";
const MAX_BYTES = 2 ** 22;
const MAX_TEMPLATES = 100;

/**
 * The templates of a folder: `chat_template.jinja` and `additional_chat_templates/*.jinja`, else the `chat_template` of its tokenizer_config.json
 * (text, or a list or object of named ones), else that of chat_template.json.
 * @param config the parsed tokenizer_config.json
 * @throws InputError naming file and field
 */
export function templatesOf(dir: string, config: Record<string, unknown>): ChatTemplates {
  const named = new Map(namedTemplates(config.chat_template, `${join(dir, "tokenizer_config.json")}: chat_template`));
  const processor = join(dir, PROCESSOR_FILE);
  if (named.size === 0 && isThere(processor)) {
    const { chat_template } = readRegularJson(processor, MAX_BYTES);
    for (const [name, text] of namedTemplates(chat_template, `${processor}: chat_template`)) named.set(name, text);
  }
  for (const name of templateFiles(dir)) {
    const key = name === TEMPLATE_FILE ? "default" : name.slice(TEMPLATE_FOLDER.length + 1, -".jinja".length);
    named.set(key, readRegularText(join(dir, name), MAX_BYTES));
  }
  return { chat: named.get("default") ?? null, tools: named.get("tool_use") ?? null };
}

/** Files of templates in a folder, by their paths in it. */
export function templateFiles(dir: string): string[] {
  const own = [TEMPLATE_FILE].filter((name) => isThere(join(dir, name)));
  const folder = join(dir, TEMPLATE_FOLDER);
  if (!isThere(folder)) return own;
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(".jinja"));
  } catch (error) {
    throw new InputError(`${folder}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (names.length > MAX_TEMPLATES) throw new InputError(`${folder}: holds more than ${MAX_TEMPLATES} templates`);
  return [...own, ...names.sort().map((name) => `${TEMPLATE_FOLDER}/${name}`)];
}

/** A template, or a list of {name, template}, or an object of them by name. */
export function namedTemplates(value: unknown, where: string): [string, string][] {
  if (value === undefined || value === null) return [];
  if (typeof value === "string") return [["default", value]];
  const entries: [unknown, unknown][] = Array.isArray(value)
    ? value.map((entry: { name?: unknown; template?: unknown } | null) => [entry?.name, entry?.template])
    : typeof value === "object"
      ? Object.entries(value)
      : [[null, null]];
  if (entries.length > MAX_TEMPLATES || !entries.every((entry) => entry.every((part) => typeof part === "string")))
    throw new InputError(`${where} must be text, or a list of at most ${MAX_TEMPLATES} {name, template}`);
  return entries as [string, string][];
}
