/** Cutting text into the words inside which BPE merges: the `pre_tokenizer` of a tokenizer.json. */
import { InputError } from "../../base/index.ts";

/** A pre-tokenizer: calls visit for each word of the text, in order. */
export type PreTokenizer = (text: string, visit: (word: string) => void) => void;

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

const MAX_STEPS = 16;
const MAX_PATTERN = 10_000;
/** GPT-2's own split, which a ByteLevel step applies when use_regex is on. */
const GPT2_WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/**
 * Reads a `pre_tokenizer`: a sequence of Split (by regular expression, Isolated), Digits and ByteLevel steps, as files of DeepSeek's kind have it.
 * @throws InputError naming the field and the kinds that are known
 */
export function parsePreTokenizer(json: unknown, where: string): PreTokenizer {
  const steps = flatten(json, where).map((step, i) => stepPattern(step, `${where}: pre_tokenizer step ${i}`));
  const patterns = steps.filter((pattern) => pattern !== null);
  return (text, visit) => splitBy(patterns, 0, text, visit);
}

function flatten(json: unknown, where: string): Record<string, unknown>[] {
  if (json === null || json === undefined) return [];
  const step = json as Record<string, unknown>;
  if (step.type !== "Sequence") return [step];
  const steps = step.pretokenizers;
  if (!Array.isArray(steps) || steps.length > MAX_STEPS)
    throw new InputError(`${where}: pre_tokenizer.pretokenizers must be a list of at most ${MAX_STEPS}`);
  return steps.flatMap((inner) => flatten(inner, where));
}

/** The regular expression whose matches a step isolates; null where it does not cut. */
function stepPattern(step: Record<string, unknown>, where: string): RegExp | null {
  switch (step.type) {
    case "ByteLevel":
      if (step.add_prefix_space) throw new InputError(`${where}: add_prefix_space is not supported`);
      return step.use_regex === false ? null : new RegExp(GPT2_WORDS, "gu");
    case "Digits":
      return step.individual_digits ? /\p{N}/gu : /\p{N}+/gu;
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
      try {
        return new RegExp(translate(source), "gu");
      } catch (error) {
        throw new InputError(`${where}: cannot read the regular expression: ${(error as Error).message}`);
      }
    }
    default:
      throw new InputError(
        `${where}: type ${JSON.stringify(step.type)} is not supported; known are Sequence, Split, Digits and ByteLevel`,
      );
  }
}

/** Oniguruma to JavaScript: (?i:…) is known to Node 24; escapes of characters that need none are errors in JavaScript's u mode. */
function translate(source: string): string {
  return source.replace(/\\([!"#%&',:;<=>@_`~ -])/g, (_, char: string) => (char === "-" ? "\\-" : char));
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
    if (match[0].length === 0) {
      pattern.lastIndex++;
      continue;
    }
    if (match.index > from) splitBy(patterns, step + 1, text.slice(from, match.index), visit);
    splitBy(patterns, step + 1, match[0], visit);
    from = end;
    pattern.lastIndex = end;
  }
  if (from === 0) splitBy(patterns, step + 1, text, visit);
  else if (from < text.length) splitBy(patterns, step + 1, text.slice(from), visit);
}
