/** What is read otherwise than marked does: emphasis, and where a bare address ends. Both suit texts without spaces. */
import { Tokenizer, type TokenizerObject, type TokenizerThis, type Tokens } from "marked";
import { CJK, emphases, type Pair } from "./emphasis.ts";

/** Pairs of the lines that are being read: a line within emphasis is read before the one around it goes on. */
const read = new Map<string, Map<number, Pair>>();
const MAX_LINES = 64;

function pairsOf(masked: string): Map<number, Pair> {
  const known = read.get(masked);
  if (known) return known;
  if (read.size >= MAX_LINES) read.clear();
  const pairs = emphases(masked);
  read.set(masked, pairs);
  return pairs;
}

/** @param source what is left of the line, @param masked the whole line, with code and links hidden */
function emphasis(
  { lexer }: TokenizerThis,
  source: string,
  masked: string,
): { raw: string; text: string; size: number; tokens: () => Tokens.Em["tokens"] } | undefined {
  const at = masked.length - source.length;
  const pair = pairsOf(masked).get(at);
  if (!pair) return undefined;
  const raw = source.slice(0, pair.end - at);
  const text = raw.slice(pair.size, -pair.size);
  return { raw, text, size: pair.size, tokens: () => lexer.inlineTokens(text) };
}

/** What an address in a text cannot hold: Chinese, Japanese and Korean letters and punctuation, and quotation marks. */
const BEYOND_ADDRESS = new RegExp(`[\u2018-\u201F\u2026\u00AB\u00BB]|${CJK.source}`, "u");

export const tokenizer: TokenizerObject = {
  emStrong(source, masked) {
    if (source[0] !== "*" && source[0] !== "_") return undefined;
    const found = emphasis(this, source, masked);
    if (!found) return undefined;
    const { raw, text, size, tokens } = found;
    return { type: size === 1 ? "em" : "strong", raw, text, tokens: tokens() };
  },

  del(source, masked) {
    if (source[0] !== "~") return undefined;
    const found = emphasis(this, source, masked);
    return found && { type: "del", raw: found.raw, text: found.text, tokens: found.tokens() };
  },

  url(source) {
    const address = /^(?:https?:\/\/|ftp:\/\/|www\.)\S*/i.exec(source)?.[0];
    const end = address?.search(BEYOND_ADDRESS) ?? -1;
    return Tokenizer.prototype.url.call(this, end < 0 ? source : source.slice(0, end));
  },
};
