/**
 * Which `*`, `_` and `~` of a line of Markdown mark emphasis: CommonMark's rule of delimiter runs, and GFM's for `~`, amended for scripts without
 * spaces. There a mark of emphasis stands directly beside letters and full-width punctuation, where CommonMark wants a space: `**重要：**请注意`.
 * So CJK punctuation counts as a letter does, and other punctuation at the inner side of a run may have a CJK character at its outer side.
 */

/** Letters and punctuation of scripts without spaces, and their full-width forms. */
export const CJK =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Yi}\u3000-\u303F\u30FB\u30FC\uFE10-\uFE1F\uFE30-\uFE6F\uFF00-\uFFEF]/u;
const SPACE = /^\s?$/u;
const PUNCTUATION = /[\p{P}\p{S}]/u;

interface Run {
  mark: string;
  /** First character that is still free, and how many are. */
  start: number;
  left: number;
  length: number;
  opens: boolean;
  closes: boolean;
}

export interface Pair {
  /** 1: emphasis, 2: strong emphasis (of `~` both strike out). */
  size: number;
  /** Just behind its last mark. */
  end: number;
}

const RUN = /\*+|_+|~+/g;

/** The character that ends before, or starts at, a place; "" at either end of the text. */
function before(text: string, at: number): string {
  const last = text.charCodeAt(at - 1);
  return at === 0 ? "" : last >= 0xdc00 && last <= 0xdfff ? text.slice(at - 2, at) : text[at - 1];
}

function behind(text: string, at: number): string {
  const code = text.codePointAt(at);
  return code === undefined ? "" : String.fromCodePoint(code);
}

/** @param inside the character at the run's inner side, as seen from the emphasis that it would open or close */
function flanks(inside: string, outside: string): boolean {
  if (SPACE.test(inside)) return false;
  if (!PUNCTUATION.test(inside) || CJK.test(inside)) return true;
  return SPACE.test(outside) || PUNCTUATION.test(outside) || CJK.test(outside);
}

function runsOf(text: string): Run[] {
  const runs: Run[] = [];
  for (const { 0: marks, index: start } of text.matchAll(RUN)) {
    const [mark, length] = [marks[0], marks.length];
    if (mark === "~" && length > 2) continue;
    const [previous, next] = [before(text, start), behind(text, start + length)];
    const left = flanks(next, previous);
    const right = flanks(previous, next);
    const within = mark === "_" && left && right;
    runs.push({
      mark,
      start,
      left: length,
      length,
      opens: within ? PUNCTUATION.test(previous) : left,
      closes: within ? PUNCTUATION.test(next) : right,
    });
  }
  return runs;
}

function fits(opener: Run, closer: Run): boolean {
  if (opener.mark === "~") return opener.length === closer.length;
  // A run that could do both is ambiguous: `*a**b*` is one emphasis.
  const both = opener.closes || closer.opens;
  return !both || (opener.length + closer.length) % 3 !== 0 || (opener.length % 3 === 0 && closer.length % 3 === 0);
}

/**
 * @param text in which code, links and escaped characters are masked
 * @returns by the place of its first mark
 */
export function emphases(text: string): Map<number, Pair> {
  const pairs = new Map<number, Pair>();
  const openers: Run[] = [];
  /** Below these places in `openers` nothing fits a closer of this kind: what is looked at grows with the text, not with its square. */
  const bottoms = new Map<string, number>();
  for (const run of runsOf(text)) {
    while (run.closes && run.left > 0) {
      const kind = `${run.mark}${run.opens}${run.mark === "~" ? run.length : run.length % 3}`;
      const bottom = Math.min(bottoms.get(kind) ?? 0, openers.length);
      let at = openers.length - 1;
      while (at >= bottom && !(openers[at].mark === run.mark && fits(openers[at], run))) at--;
      if (at < bottom) {
        bottoms.set(kind, openers.length);
        break;
      }
      const opener = openers[at];
      const size = run.mark === "~" ? run.length : Math.min(2, opener.left, run.left);
      opener.left -= size;
      pairs.set(opener.start + opener.left, { size, end: run.start + size });
      run.start += size;
      run.left -= size;
      // What was opened in between and not closed is text.
      openers.length = opener.left > 0 ? at + 1 : at;
    }
    if (run.opens && run.left > 0) openers.push(run);
  }
  return pairs;
}
