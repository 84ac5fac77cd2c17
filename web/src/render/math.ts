/** Formulas in Markdown: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` on their own. */
import type { TokenizerAndRendererExtension, TokenizerThis, Tokens } from "marked";
import { LIMITS } from "./limits.ts";

export const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

interface MathToken extends Tokens.Generic {
  tex: string;
  display: boolean;
  /** Its end has not come yet. */
  open?: boolean;
}

/** The formula's source stands in the element until KaTeX, which is loaded on demand, takes its place. */
function renderer(token: Tokens.Generic): string {
  const { tex, display, open } = token as MathToken;
  if (open) return `<code>${escapeHtml(tex)}</code>`;
  return `<span class="math${display ? " display" : ""}">${escapeHtml(tex)}</span>`;
}

// A dollar opens only before a non-space and closes only after one and before no digit, so that "$5 and $6" stays money.
// Nobody looks for the end of a formula further than a formula may be long: many beginnings without an end would cost their square.
const MAX = LIMITS.tex;
const INLINE = new RegExp(
  String.raw`^(?:\$(?![\s$])((?:\\.|[^\\\n$]){0,${MAX}}?(?:\\.|[^\\\s$]))\$(?!\d)|\\\(([^\n]{1,${MAX}}?)\\\))`,
);
const INLINE_DISPLAY = new RegExp(String.raw`^(?:\$\$((?:\\.|[^\\$]){1,${MAX}}?)\$\$|\\\[([\s\S]{1,${MAX}}?)\\\])`);
const BLOCK = new RegExp(String.raw`^ {0,3}(?:\$\$([\s\S]{1,${MAX}}?)\$\$|\\\[([\s\S]{1,${MAX}}?)\\\])[ \t]*(?:\n+|$)`);
const BLOCK_OPEN = /^ {0,3}(?:\$\$|\\\[)/;

function inline(this: TokenizerThis, source: string): MathToken | undefined {
  const display = INLINE_DISPLAY.exec(source);
  const found = display ?? INLINE.exec(source);
  if (!found) return undefined;
  return { type: "math", raw: found[0], tex: (found[1] ?? found[2]).trim(), display: display !== null };
}

const MARKS = ["$", "\\(", "\\["];

/** Whether a text may hold formulas at all: of most texts, no piece needs to be searched for the next one. */
export const hasFormulas = (text: string): boolean => MARKS.some((mark) => text.includes(mark));

export interface MathState {
  /** More text is to come: then a formula without an end is one that has not ended yet. */
  growing: boolean;
  formulas: boolean;
}

/** @param state of the text that is being read */
export function mathExtensions(state: MathState): TokenizerAndRendererExtension[] {
  return [
    {
      name: "mathBlock",
      level: "block",
      start: (source) => (state.formulas ? source.match(/(?:^|\n) {0,3}(?:\$\$|\\\[)/)?.index : undefined),
      tokenizer(source): MathToken | undefined {
        const found = BLOCK.exec(source);
        if (found) return { type: "mathBlock", raw: found[0], tex: (found[1] ?? found[2]).trim(), display: true };
        if (state.growing && BLOCK_OPEN.test(source) && !/\$\$|\\\]/.test(source.replace(BLOCK_OPEN, "")))
          return { type: "mathBlock", raw: source, tex: source, display: true, open: true };
        return undefined;
      },
      renderer,
    },
    {
      name: "math",
      level: "inline",
      start: (source) => (state.formulas ? source.match(/\$|\\[([]/)?.index : undefined),
      tokenizer: inline,
      renderer,
    },
  ];
}
