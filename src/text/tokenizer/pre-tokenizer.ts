/** Cutting text into the words inside which BPE merges: the `pre_tokenizer` of a tokenizer.json. */
import { InputError, within } from "../../base/index.ts";
import { fromOniguruma } from "./oniguruma.ts";

/** A pre-tokenizer: calls visit for each word of the text, in order. */
export interface PreTokenizer {
  (text: string, visit: (word: string) => void): void;
  /** Its expressions are none that are known to be quick. */
  foreign?: boolean;
}

const CJK = "一-龥぀-ゟ゠-ヿ";
/** DeepSeek-V3's last and main split: punctuation with a word, words with the space before them, punctuation, line ends, spaces. */
const DEEPSEEK_WORDS =
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";

/** The pre_tokenizer of DeepSeek-V3 as tokenizer.json has it, numbers cut into runs of up to `digits`. */
export function deepseekPreTokenizer(digits: 1 | 3): object {
  const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });
  return {
    type: "Sequence",
    pretokenizers: [
      split(digits === 1 ? "\\p{N}" : "\\p{N}{1,3}"),
      split(`[${CJK}]+`),
      split(DEEPSEEK_WORDS),
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  };
}

/** What an unknown file's expressions may take: a moment, and longer for long texts. */
const deadline = (text: string): number => 3_000 + text.length / 50;

const MAX_STEPS = 16;
const MAX_DEPTH = 4;
const MAX_PATTERN = 10_000;
/** GPT-2's own split, which a ByteLevel step applies when use_regex is on. */
const GPT2_WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
/** Published expressions of which it is known that no text makes them slow; others are held to a deadline. */
const KNOWN: ReadonlySet<string> = new Set([
  "\\p{N}",
  "\\p{N}{1,3}",
  `[${CJK}]+`,
  DEEPSEEK_WORDS,
  GPT2_WORDS,
  // cl100k as Llama 3, GLM and others have it; Qwen's
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
]);

/**
 * Reads a `pre_tokenizer`: a sequence of Split (by regular expression, Isolated), Digits and ByteLevel steps, as files of DeepSeek's kind have it.
 * @throws InputError naming the field and the kinds that are known
 */
export function parsePreTokenizer(json: unknown, where: string): PreTokenizer {
  const steps = flatten(json, where).map((step, i) => stepPattern(step, `${where}: pre_tokenizer step ${i}`));
  const known = steps.filter((step) => step !== null);
  const patterns = known.map(({ pattern }) => pattern);
  if (known.every(({ source }) => KNOWN.has(source))) return (text, visit) => splitBy(patterns, 0, text, visit);
  const bounded: PreTokenizer = (text, visit) => {
    const milliseconds = deadline(text);
    const slow = `${where}: pre_tokenizer: its regular expressions take longer than ${Math.round(milliseconds / 1000)} s on a text of ${text.length} characters; they are not usable`;
    within(milliseconds, slow, () => splitBy(patterns, 0, text, visit));
  };
  return Object.assign(bounded, { foreign: true });
}

function flatten(json: unknown, where: string, depth = 0): Record<string, unknown>[] {
  if (json === null || json === undefined) return [];
  if (typeof json !== "object") throw new InputError(`${where}: pre_tokenizer must be a JSON object`);
  const step = json as Record<string, unknown>;
  if (step.type !== "Sequence") return [step];
  const steps = step.pretokenizers;
  if (!Array.isArray(steps) || steps.length > MAX_STEPS || depth === MAX_DEPTH)
    throw new InputError(`${where}: pre_tokenizer.pretokenizers must be a list of at most ${MAX_STEPS}`);
  const all = steps.flatMap((inner) => flatten(inner, where, depth + 1));
  if (all.length > MAX_STEPS) throw new InputError(`${where}: pre_tokenizer has more than ${MAX_STEPS} steps`);
  return all;
}

/** The regular expression whose matches a step isolates, and as it stands in the file; null where it does not cut. */
function stepPattern(step: Record<string, unknown>, where: string): { source: string; pattern: RegExp } | null {
  switch (step.type) {
    case "ByteLevel":
      if (step.add_prefix_space) throw new InputError(`${where}: add_prefix_space is not supported`);
      return step.use_regex === false ? null : compiled(GPT2_WORDS, where);
    case "Digits":
      return { source: "\\p{N}", pattern: step.individual_digits ? /\p{N}/gv : /\p{N}+/gv };
    case "Split": {
      const pattern = step.pattern as { Regex?: unknown; String?: unknown } | undefined;
      const source =
        typeof pattern?.Regex === "string"
          ? pattern.Regex
          : typeof pattern?.String === "string"
            ? escapeRegex(pattern.String)
            : null;
      if (source === null || source.length > MAX_PATTERN)
        throw new InputError(`${where}: pattern must be {Regex} or {String} of at most ${MAX_PATTERN} characters`);
      if (step.behavior !== "Isolated" || step.invert)
        throw new InputError(`${where}: only behavior "Isolated" without invert is supported`);
      return compiled(source, where);
    }
    default:
      throw new InputError(
        `${where}: type ${JSON.stringify(step.type)} is not supported; known are Sequence, Split, Digits and ByteLevel`,
      );
  }
}

function compiled(source: string, where: string): { source: string; pattern: RegExp } {
  try {
    return { source, pattern: new RegExp(fromOniguruma(source), "gv") };
  } catch (error) {
    throw new InputError(`${where}: cannot read the regular expression: ${(error as Error).message}`);
  }
}

function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function splitBy(patterns: readonly RegExp[], step: number, text: string, visit: (word: string) => void): void {
  if (text.length === 0) return;
  if (step === patterns.length) {
    visit(text);
    return;
  }
  const pattern = patterns[step];
  let from = 0;
  // A nested call may use the same expression only at a later step, so its lastIndex is this call's own.
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    const end = pattern.lastIndex;
    if (match.index > from) splitBy(patterns, step + 1, text.slice(from, match.index), visit);
    if (match[0].length > 0) splitBy(patterns, step + 1, match[0], visit);
    from = end;
    // A match of nothing cuts where it stands.
    pattern.lastIndex = match[0].length > 0 ? end : end + (text.codePointAt(end)! > 0xffff ? 2 : 1);
  }
  if (from === 0) splitBy(patterns, step + 1, text, visit);
  else if (from < text.length) splitBy(patterns, step + 1, text.slice(from), visit);
}
