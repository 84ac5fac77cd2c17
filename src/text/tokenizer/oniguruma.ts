/**
 * Regular expressions of a tokenizer.json, which Hugging Face's tokenizers run in Oniguruma with Ruby's syntax, as JavaScript's.
 * What means another thing there is rewritten: `\s \d \w \h \b` and POSIX brackets are Unicode's, `^` and `$` are lines' ends, `.` is
 * anything but a line feed, and possessive quantifiers and atomic groups give nothing back.
 */

const POSIX_WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
// Of the first 256 characters Oniguruma has a table of its own, in which these numbers are words.
const WORD = `[${POSIX_WORD}²³¹¼½¾]`;
const NOT_WORD = `[^${POSIX_WORD}²³¹¼½¾]`;
const START = "(?<![\\s\\S])";
const END = "(?![\\s\\S])";

/** Escapes that stand for a class of characters, inside brackets and outside. */
const CLASSES: Record<string, string> = {
  s: "\\p{White_Space}",
  S: "\\P{White_Space}",
  d: "\\p{Nd}",
  D: "\\P{Nd}",
  w: WORD,
  W: NOT_WORD,
  h: "[0-9A-Fa-f]",
  H: "[^0-9A-Fa-f]",
};
/** Escapes that are found outside brackets only. */
const ASSERTIONS: Record<string, string> = {
  b: `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`,
  B: `(?:(?<=${WORD})(?=${WORD})|(?<!${WORD})(?!${WORD}))`,
  A: START,
  z: END,
  Z: `(?=\\n?${END})`,
  R: "(?:\\r\\n|[\\n-\\r\\u0085\\u2028\\u2029])",
  N: "[^\\n]",
  O: "[\\s\\S]",
};
const CONTROLS: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13, a: 7, e: 27 };
/** POSIX brackets and the properties named after them. */
const POSIX: Record<string, string> = {
  alnum: "[\\p{Alphabetic}\\p{Nd}]",
  alpha: "\\p{Alphabetic}",
  ascii: "[\\u{0}-\\u{7f}]",
  blank: "[\\p{Zs}\\t]",
  cntrl: "\\p{Cc}",
  digit: "\\p{Nd}",
  graph: "[^\\p{White_Space}\\p{Cc}\\p{Cn}\\p{Cs}]",
  lower: "\\p{Lowercase}",
  print: "[^\\p{Cc}\\p{Cn}\\p{Cs}\\p{Zl}\\p{Zp}]",
  punct: "[\\p{P}\\p{S}]",
  space: "\\p{White_Space}",
  upper: "\\p{Uppercase}",
  word: `[${POSIX_WORD}]`,
  xdigit: "[0-9A-Fa-f]",
};

/** JavaScript's source of the expression, for the flag v. @throws Error saying what in it is not known */
export function fromOniguruma(source: string): string {
  return new Translation(source).run();
}

class Translation {
  private readonly chars: string[];
  private at = 0;
  private atomics = 0;

  constructor(source: string) {
    this.chars = [...source];
  }

  run(): string {
    const out = this.alternatives();
    if (this.at < this.chars.length) throw new Error("an unmatched )");
    return out;
  }

  private rest(length: number): string {
    return this.chars.slice(this.at, this.at + length).join("");
  }

  private take(text: string): boolean {
    if (this.rest(text.length) !== text) return false;
    this.at += text.length;
    return true;
  }

  /** Up to the ) that closes this group, or the end. */
  private alternatives(): string {
    let out = "";
    // Groups that `(?i)` opened: they reach to the end of this one.
    let open = 0;
    while (this.at < this.chars.length && this.chars[this.at] !== ")") {
      const flags = /^\(\?(-?i)\)/.exec(this.rest(6));
      if (flags) {
        this.at += flags[0].length;
        out += `(?${flags[1]}:`;
        open++;
      } else if (this.take("|")) out += "|";
      else out += this.quantified(this.atom());
    }
    return out + ")".repeat(open);
  }

  private atom(): string {
    const char = this.chars[this.at];
    if (char === "(") return this.group();
    if (char === "[") return this.brackets();
    this.at++;
    if (char === "\\") return this.escape(false);
    if (char === "^") return `(?:${START}|(?<=\\n)(?=[\\s\\S]))`;
    if (char === "$") return `(?=\\n|${END})`;
    if (char === ".") return "[^\\n]";
    if (char === "*" || char === "+" || char === "?") throw new Error(`nothing stands before ${char}`);
    return literal(char);
  }

  private group(): string {
    if (this.take("(?#")) {
      while (this.at < this.chars.length && this.chars[this.at] !== ")") this.at++;
      this.close();
      return "";
    }
    const opening = /^\((?:\?(?:[:=!>]|<[=!]|<[A-Za-z_]\w*>|-?i:))?/.exec(this.rest(80))![0];
    if (opening === "(" && this.chars[this.at + 1] === "?") throw new Error(`the group ${this.rest(4)} is not known`);
    this.at += opening.length;
    const inner = this.alternatives();
    this.close();
    return opening === "(?>" ? this.atomic(inner) : `${opening}${inner})`;
  }

  private close(): void {
    if (!this.take(")")) throw new Error("a ( that is not closed");
  }

  /** What matched is not taken apart again. */
  private atomic(inner: string): string {
    const name = `atomic${++this.atomics}`;
    return `(?:(?=(?<${name}>${inner}))\\k<${name}>)`;
  }

  private quantified(atom: string): string {
    let out = atom;
    for (let first = true; ; first = false) {
      const counted = /^\{(\d*)(,?)(\d*)\}/.exec(this.rest(24));
      const isCount = counted !== null && (counted[1] !== "" || (counted[2] !== "" && counted[3] !== ""));
      const mark = this.chars[this.at];
      const isMark = mark === "*" || mark === "+" || mark === "?";
      if (!isCount && !isMark) return out;
      // A quantifier behind a quantifier is one of the whole.
      if (!first) out = `(?:${out})`;
      if (isCount) {
        this.at += counted[0].length;
        out = `${out}{${counted[1] || 0}${counted[2]}${counted[3]}}`;
        if (counted[2] !== "" && this.take("?")) out += "?";
      } else {
        this.at++;
        if (this.take("?")) out = `${out}${mark}?`;
        else out = this.take("+") ? this.atomic(`${out}${mark}`) : `${out}${mark}`;
      }
    }
  }

  private escape(inBrackets: boolean): string {
    const char = this.chars[this.at++];
    if (char === undefined) throw new Error("it ends in a backslash");
    if (char === "p" || char === "P") return this.property(char === "P");
    if (Object.hasOwn(CLASSES, char)) return CLASSES[char];
    if (Object.hasOwn(CONTROLS, char)) return codePoint(CONTROLS[char]);
    if (char === "x" || char === "u") return this.hexadecimal(char);
    if (!inBrackets) {
      if (Object.hasOwn(ASSERTIONS, char)) return ASSERTIONS[char];
      if (/[1-9]/.test(char)) return `(?:\\${char})`;
      const name = char === "k" && /^<[A-Za-z_]\w*>/.exec(this.rest(80))?.[0];
      if (name) {
        this.at += name.length;
        return `\\k${name}`;
      }
    }
    if (/[A-Za-z0-9]/.test(char)) throw new Error(`the escape \\${char} is not known`);
    return literal(char);
  }

  private hexadecimal(char: string): string {
    const pattern = char === "u" ? /^([0-9A-Fa-f]{4})/ : /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-7][0-9A-Fa-f]))/;
    const match = pattern.exec(this.rest(8));
    if (!match) throw new Error(`the escape \\${char}${this.rest(2)} is not known`);
    this.at += match[0].length;
    return codePoint(Number.parseInt(match[1] ?? match[2], 16));
  }

  private property(negated: boolean): string {
    const match = /^\{(\^?)([A-Za-z0-9_ -]{1,60})\}/.exec(this.rest(64));
    if (!match) throw new Error(`the escape \\p${this.rest(4)} is not known`);
    this.at += match[0].length;
    const positive = classOf(match[2]);
    return negated === (match[1] === "^") ? positive : `[^${positive}]`;
  }

  /** A class in brackets, with the brackets within it. */
  private brackets(): string {
    this.at++;
    const negated = this.take("^");
    const operands: string[] = [""];
    for (let first = true; ; first = false) {
      if (this.at >= this.chars.length) throw new Error("a [ that is not closed");
      if (this.chars[this.at] === "]") {
        if (first) throw new Error("brackets with nothing in them");
        this.at++;
        break;
      }
      if (this.take("&&")) operands.push("");
      else operands[operands.length - 1] += this.member();
    }
    const inner = operands.length === 1 ? operands[0] : operands.map((operand) => `[${operand}]`).join("&&");
    return `[${negated ? "^" : ""}${inner}]`;
  }

  private member(): string {
    const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.rest(16));
    if (posix) {
      this.at += posix[0].length;
      if (!Object.hasOwn(POSIX, posix[2])) throw new Error(`the class ${posix[0]} is not known`);
      return posix[1] ? `[^${POSIX[posix[2]]}]` : POSIX[posix[2]];
    }
    if (this.chars[this.at] === "[") return this.brackets();
    const from = this.character();
    const isRange = this.chars[this.at] === "-" && this.at + 1 < this.chars.length && this.chars[this.at + 1] !== "]";
    // Behind a class, and before one, a hyphen is one.
    if (!isRange || !isSingle(from)) return from;
    this.at++;
    if (this.chars[this.at] === "[") return from + codePoint(45);
    const to = this.character();
    return isSingle(to) ? `${from}-${to}` : `${from}${codePoint(45)}${to}`;
  }

  private character(): string {
    const char = this.chars[this.at++];
    return char === "\\" ? this.escape(true) : literal(char);
  }
}

const codePoint = (code: number): string => `\\u{${code.toString(16)}}`;
const isSingle = (text: string): boolean => /^\\u\{[0-9a-f]+\}$/.test(text) || [...text].length === 1;

function literal(char: string): string {
  return /[A-Za-z0-9]/.test(char) || char > "\u007f" ? char : codePoint(char.charCodeAt(0));
}

/** A property by its name in any case, hyphens and underscores or none: a POSIX class, a general category, a binary property, or a script. */
function classOf(name: string): string {
  const plain = name.toLowerCase().replace(/[ _-]/g, "");
  // The property is narrower than the bracket of that name.
  if (plain === "punct") return "\\p{P}";
  if (Object.hasOwn(POSIX, plain)) return POSIX[plain];
  if (plain === "any") return "[\\s\\S]";
  const words = name.split(/[ _-]/).map((word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase());
  for (const candidate of [name, words.join("_"), words.join("")]) {
    for (const property of [`\\p{${candidate}}`, `\\p{Script=${candidate}}`]) {
      try {
        new RegExp(property, "v");
        return property;
      } catch {
        // The next spelling may be known.
      }
    }
  }
  throw new Error(`the property \\p{${name}} is not known`);
}
