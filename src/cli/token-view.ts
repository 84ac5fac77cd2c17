/** Tokens of a document, to be looked at: which are learnt, which only read, and which do not fit. */
import type { Corpus } from "../data/index.ts";
import type { Tokenizer } from "../text/index.ts";

export interface ShownToken {
  id: number;
  /** Its text; bytes of half a character as <0xE2>. */
  text: string;
  use: "learnt" | "read" | "cut";
}

interface How {
  packing: "documents" | "chats";
  loss: "all" | "assistant";
  sequenceLength: number;
}

/** The tokens of one document, and what becomes of each when it is packed so. */
export function tokensOf(
  { tokens, mask, starts }: Corpus,
  document: number,
  how: How,
  tokenizer: Tokenizer,
): ShownToken[] {
  const [from, to] = [starts[document], starts[document + 1]];
  const chats = how.packing === "chats";
  return Array.from(tokens.subarray(from, to), (id, i): ShownToken => {
    const isLearnt = (how.loss === "all" || mask[from + i] === 1) && !(chats && i === 0);
    const use = chats && i >= how.sequenceLength ? "cut" : isLearnt ? "learnt" : "read";
    return { id, text: textOfToken(id, tokenizer), use };
  });
}

function textOfToken(id: number, tokenizer: Tokenizer): string {
  const bytes = tokenizer.tokenBytes(id);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`).join("");
  }
}

/** Neighbours differ in shade, so that the borders of tokens are seen. */
const SHADES = {
  learnt: ["\x1b[92m", "\x1b[32m"],
  read: ["\x1b[37m", "\x1b[90m"],
  cut: ["\x1b[31m", "\x1b[91m"],
} as const;
const RESET = "\x1b[0m";

/** What a terminal would act on, made visible: data are strangers' words. With `breaks` whatever else is not seen, too. */
export const visible = (text: string, breaks = true): string =>
  (breaks ? text.replaceAll("\n", "⏎\n").replaceAll("\t", "⇥") : text).replace(
    breaks ? /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu : /[\p{Cc}\u202A-\u202E\u2066-\u2069]/gu,
    (char) =>
      char === "\n" || (char === "\t" && !breaks)
        ? char
        : `<U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}>`,
  );

/** A title and the tokens: coloured, or parted by | with what is learnt between « and ». */
export function documentLines(
  tokens: readonly ShownToken[],
  { title, maxTokens, color }: { title: string; maxTokens: number; color: boolean },
): string[] {
  const of = (use: ShownToken["use"]) => tokens.filter((token) => token.use === use).length;
  const kept = tokens.filter(({ use }) => use !== "cut");
  const shown = kept.slice(0, maxTokens);
  let text = "";
  for (const [i, { text: own, use }] of shown.entries()) {
    if (color)
      text += `${SHADES[use][i % 2]}${visible(own).replaceAll("\n", `${RESET}\n${SHADES[use][i % 2]}`)}${RESET}`;
    else {
      const before = shown[i - 1]?.use;
      const opens = use === "learnt" && before !== "learnt";
      const closes = use !== "learnt" && before === "learnt";
      text += `${closes ? "»" : ""}${i === 0 || opens || closes ? "" : "|"}${opens ? "«" : ""}${visible(own)}`;
      if (i === shown.length - 1 && use === "learnt") text += "»";
    }
  }
  const rest = kept.length - shown.length;
  return [
    `── ${visible(title)}, ${tokens.length} tokens, ${of("learnt")} learnt${of("learnt") === 0 ? " (nothing to learn)" : ""}`,
    text,
    ...(rest > 0 ? [`… ${rest} more tokens (--max-tokens)`] : []),
    ...(of("cut") > 0
      ? [`${color ? SHADES.cut[0] : ""}✂ ${of("cut")} tokens do not fit and are cut${color ? RESET : ""}`]
      : []),
    "",
  ];
}
