/** Flags in an error of wrong usage, where commander sees none that differs by a few letters: those of which a part was said, or more than they have. */
import { didYouMean } from "../base/index.ts";

const MAX_HINTS = 3;

/**
 * " (did you mean --data-dir?)" for `--data`, `--dir` and `--data-directory`; "" where no flag is near, or the message names one already.
 * @param flags every long flag of the command
 */
export function flagHint(message: string, flags: readonly string[]): string {
  const said = /unknown option '(--[\w-]+)/.exec(message)?.[1];
  if (said === undefined || /did you mean/i.test(message)) return "";
  const wordsOf = (flag: string) => flag.slice(2).split("-");
  const words = wordsOf(said);
  const near = flags.filter(
    (flag) =>
      flag.startsWith(said) ||
      said.startsWith(flag) ||
      words.every((word) => word !== "" && wordsOf(flag).includes(word)),
  );
  const shown = near.sort((a, b) => a.length - b.length).slice(0, MAX_HINTS);
  return shown.length > 0 ? ` (did you mean ${shown.join(" or ")}?)` : "";
}

/**
 * "; '--promt' is no option (did you mean --prompt?)" beside the complaint that an option is missing, which commander looks at first.
 * @param said the command line
 * @param flags every flag of the command
 */
export function misspeltHint(message: string, said: readonly string[], flags: readonly string[]): string {
  if (!message.includes("required option")) return "";
  const names = said.filter((word) => /^--\w/.test(word)).map((word) => word.split("=")[0]);
  const unknown = names.find((name) => !flags.includes(name));
  return unknown === undefined ? "" : `; '${unknown}' is no option${didYouMean(unknown, flags)}`;
}
