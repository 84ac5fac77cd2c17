/** The interface's words in the reader's language: `t().send`. */
import { prefs } from "../state/prefs.svelte.ts";
import type { Strings } from "./en.ts";
import { en } from "./en.ts";
import { zh } from "./zh.ts";

export const LANGUAGES = { en: "English", zh: "中文" } as const;

export function t(): Strings {
  return prefs.language === "zh" ? zh : en;
}

/** For Intl. */
export function locale(): string {
  return prefs.language === "zh" ? "zh-CN" : "en";
}
