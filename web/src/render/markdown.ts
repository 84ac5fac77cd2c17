/**
 * Markdown to blocks of HTML. Runs in the worker; knows no DOM. Its HTML is still not trusted: the page cleans each block before it shows it.
 * A text that is still growing is rendered from the end of its last closed block on, so that the work does not grow with the text.
 */
import { Marked, type Token, type Tokens } from "marked";
import { highlight, prepare } from "./highlight.ts";
import { LIMITS } from "./limits.ts";
import { unstack } from "./marks.ts";
import { escapeHtml, hasFormulas, type MathState, mathExtensions } from "./math.ts";
import { tokenizer } from "./tokenizer.ts";

export interface Block {
  /** Characters of the source that this block covers. */
  length: number;
  /** Null: show the source as it is. */
  html: string | null;
}

/** The only HTML in Markdown that is taken as HTML; the rest is shown as text, which is what people who talk about code mean. */
const HARMLESS = /^<\/?(?:br|sub|sup|kbd)\s*\/?>$/i;

/** Of the text that is being read. */
const state: MathState = { growing: false, formulas: false };

const markdown = (breaks: boolean): Marked =>
  new Marked({
    gfm: true,
    breaks,
    tokenizer,
    extensions: mathExtensions(state),
    renderer: {
      html: ({ text }) => (HARMLESS.test(text.trim()) ? text : escapeHtml(text)),
      // Nothing is fetched from elsewhere because a model said so: an image is a link that a person may follow.
      image: ({ href, text }) => `<a class="image" href="${escapeHtml(href)}">${escapeHtml(text || href)}</a>`,
      heading({ tokens, depth }) {
        const level = Math.min(6, depth + 2);
        return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
      },
      checkbox: ({ checked }) => `<span class="task">${checked ? "☑" : "☐"}</span>`,
      code({ text, lang }) {
        const language = languageOf(lang);
        const body = highlight(text, language) ?? escapeHtml(text);
        return `<pre class="language-${escapeHtml(language.replace(/[^\w+#.-]/g, ""))}"><code>${body}</code></pre>`;
      },
    },
  });

/** An answer's line ends are meant; those of a document that a person wrapped are not. */
const parsers = { answer: markdown(true), document: markdown(false) };

export type Kind = keyof typeof parsers;

function languageOf(lang: string | undefined): string {
  return /^\S+/.exec(lang ?? "")?.[0] ?? "";
}

/** Quotes and lists that stand inside each other in one line, as a bound of how deep the parser would go. */
const DEEP = new RegExp(`^(?:[ \\t]*(?:>|[-*+](?=\\s)|\\d{1,9}[.)])){${LIMITS.nesting}}`, "m");
/** Lists nested by indentation. */
const INDENTED = new RegExp(`^[ \\t]{${LIMITS.nesting * 2},}(?:[-*+]|\\d{1,9}[.)])\\s`, "m");

export function isTooMuch(text: string): boolean {
  return text.length > LIMITS.text || DEEP.test(text) || INDENTED.test(text);
}

function languages(marked: Marked, tokens: Token[]): Set<string> {
  const found = new Set<string>();
  marked.walkTokens(tokens, (token) => {
    if (token.type === "code") found.add(languageOf((token as Tokens.Code).lang));
  });
  return found;
}

/**
 * @param text line ends must be \n
 * @param final no more is to come
 * @returns blocks whose lengths sum to the text's; unless final, the last one may still change
 */
export async function renderBlocks(text: string, final: boolean, kind: Kind = "answer"): Promise<Block[]> {
  if (isTooMuch(text)) return [{ length: text.length, html: null }];
  const marked = parsers[kind];
  state.growing = !final;
  state.formulas = hasFormulas(text);
  const tokens = marked.lexer(text);
  await prepare(languages(marked, tokens));
  const blocks: Block[] = [];
  for (const token of tokens) {
    const last = blocks.at(-1);
    // Empty lines and link definitions show nothing: they belong to the block before.
    if (last && (token.type === "space" || token.type === "def")) last.length += token.raw.length;
    else {
      const html = unstack(marked.parser([token]));
      blocks.push({ length: token.raw.length, html: html.length > LIMITS.html ? null : html });
    }
  }
  return blocks;
}
