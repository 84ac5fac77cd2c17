/**
 * Regular expressions as JSON Schema uses them (ECMA-262, with the u flag), as terms: literals, classes, groups, alternatives, quantifiers, anchors
 * and look-ahead. What needs memory of what was read (back references, look-behind, word borders) is refused by name.
 */
import { CharAutomaton } from "./chars.ts";
import { complement, type Ranges, type Term, Terms } from "./terms.ts";
import { unicodeProperty } from "./unicode-property.ts";
import type { Budget } from "./work.ts";

/** What a pattern may be: characters, one count, groups in groups, different Unicode properties. */
const LIMITS = { length: 4000, repeats: 10_000, depth: 200, properties: 16 };
/** How often a group with an anchor or a look-ahead in it may be repeated. */
const MAX_UNROLLED = 16;

/** A pattern as it is written. */
type Syntax =
  | { kind: "set"; ranges: Ranges }
  | { kind: "sequence"; parts: Syntax[] }
  | { kind: "choice"; options: Syntax[] }
  | { kind: "repeat"; part: Syntax; min: number; max: number }
  | { kind: "look"; part: Syntax; negative: boolean }
  | { kind: "start" }
  | { kind: "end" };

/** @throws RangeError that says what is not supported */
export function patternTerm(pattern: string, terms: Terms): Term {
  if (pattern.length > LIMITS.length) throw new RangeError(`longer than ${LIMITS.length} characters`);
  const syntax = new PatternReader(pattern).read();
  const fromStart = build(syntax, terms.all, true, terms);
  if (!fromStart.maybeLater) return fromStart.term;
  const later = build(syntax, terms.all, false, terms).term;
  // It may begin anywhere: at the first character, or behind some.
  return terms.any([fromStart.term, terms.then(terms.all, later)]);
}

/** @throws RangeError that says what is not supported */
export function patternAutomaton(patterns: readonly string[], budget: Budget): CharAutomaton {
  const terms = new Terms(budget);
  return new CharAutomaton(terms, terms.every(patterns.map((pattern) => patternTerm(pattern, terms))));
}

const DIGITS: Ranges = [[0x30, 0x39]];
const WORD: Ranges = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const SPACES: Ranges = [
  [9, 13],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: Ranges = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
];
const CONTROL: Record<string, number> = { n: 10, r: 13, t: 9, f: 12, v: 11, "0": 0 };

interface Built {
  term: Term;
  /** Whether it can also begin elsewhere than at the first character. */
  maybeLater: boolean;
}

/**
 * What a pattern and all that follows it (`then`) match together: so a look-ahead is an intersection, and the end of the string that what follows is empty.
 * @param atStart nothing stands before it
 */
function build(syntax: Syntax, then: Term, atStart: boolean, terms: Terms): Built {
  switch (syntax.kind) {
    case "set":
      return { term: terms.then(terms.set(syntax.ranges), then), maybeLater: true };
    case "start":
      return { term: atStart ? then : terms.none, maybeLater: false };
    case "end":
      return { term: then.nullable ? terms.empty : terms.none, maybeLater: true };
    case "choice": {
      const options = syntax.options.map((option) => build(option, then, atStart, terms));
      return {
        term: terms.any(options.map(({ term }) => term)),
        maybeLater: options.some(({ maybeLater }) => maybeLater),
      };
    }
    case "look": {
      const { term } = build(syntax.part, terms.all, atStart, terms);
      return { term: terms.every([then, syntax.negative ? terms.not(term) : term]), maybeLater: true };
    }
    case "sequence": {
      let term = then;
      let maybeLater = true;
      for (let i = syntax.parts.length - 1; i >= 0; i--) {
        const first =
          atStart && syntax.parts.slice(0, i).every((part) => part.kind === "start" || part.kind === "look");
        const built = build(syntax.parts[i], term, first, terms);
        term = built.term;
        maybeLater &&= built.maybeLater;
      }
      return { term, maybeLater };
    }
    case "repeat":
      return { term: repeated(syntax, then, atStart, terms), maybeLater: true };
  }
}

function repeated(syntax: Syntax & { kind: "repeat" }, then: Term, atStart: boolean, terms: Terms): Term {
  const { part, min, max } = syntax;
  if (!looksAround(part)) return terms.then(terms.repeat(build(part, terms.empty, false, terms).term, min, max), then);
  if (max > MAX_UNROLLED) throw new RangeError("an anchor or a look-ahead in what is repeated");
  let term = then;
  for (let i = max; i > 0; i--) {
    const { term: more } = build(part, term, atStart && i === 1, terms);
    term = i > min ? terms.any([then, more]) : more;
  }
  return term;
}

function looksAround(syntax: Syntax): boolean {
  if (syntax.kind === "sequence") return syntax.parts.some(looksAround);
  if (syntax.kind === "choice") return syntax.options.some(looksAround);
  return syntax.kind === "repeat" ? looksAround(syntax.part) : syntax.kind !== "set";
}

class PatternReader {
  private readonly chars: string[];
  private at = 0;
  private depth = 0;
  private readonly properties = new Set<string>();

  constructor(pattern: string) {
    this.chars = [...pattern];
  }

  read(): Syntax {
    const syntax = this.alternatives();
    if (this.at < this.chars.length) throw new RangeError(`"${this.chars[this.at]}" without its beginning`);
    return syntax;
  }

  private alternatives(): Syntax {
    if (++this.depth > LIMITS.depth) throw new RangeError(`deeper than ${LIMITS.depth} groups`);
    const options = [this.sequence()];
    while (this.eat("|")) options.push(this.sequence());
    this.depth--;
    return options.length === 1 ? options[0] : { kind: "choice", options };
  }

  private sequence(): Syntax {
    const parts: Syntax[] = [];
    while (this.at < this.chars.length && this.chars[this.at] !== "|" && this.chars[this.at] !== ")") {
      const part = this.quantified();
      // After something that may be empty, the start is still possible: too rare to be worth telling apart.
      if (part.kind === "start" && parts.some(({ kind }) => kind !== "start" && kind !== "look"))
        throw new RangeError('"^" elsewhere than at the beginning');
      parts.push(part);
    }
    return { kind: "sequence", parts };
  }

  private quantified(): Syntax {
    const part = this.atom();
    const [min, max] = this.quantifier();
    if (min === 1 && max === 1) return part;
    this.eat("?");
    return { kind: "repeat", part, min, max };
  }

  private quantifier(): [number, number] {
    if (this.eat("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.eat("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.eat("?")) return [0, 1];
    if (!this.eat("{")) return [1, 1];
    const found = /^(\d{1,9})(?:(,)(\d{0,9}))?\}/.exec(this.chars.slice(this.at, this.at + 24).join(""));
    if (!found) throw new RangeError('"{" that begins no count');
    this.at += found[0].length;
    const min = Number(found[1]);
    const max = found[2] ? (found[3] === "" ? Number.POSITIVE_INFINITY : Number(found[3])) : min;
    if (min > LIMITS.repeats || (max !== Number.POSITIVE_INFINITY && max > LIMITS.repeats) || min > max)
      throw new RangeError(`the count {${found[0]}`);
    return [min, max];
  }

  private atom(): Syntax {
    const char = this.take();
    if (char === "(") return this.group();
    if (char === "^") return { kind: "start" };
    if (char === "$") return { kind: "end" };
    if (char === "*" || char === "+" || char === "?" || char === "{") throw new RangeError(`"${char}" after nothing`);
    return { kind: "set", ranges: this.setOf(char) };
  }

  private setOf(char: string): Ranges {
    if (char === "[") return this.charClass();
    if (char === ".") return complement(LINE_ENDS);
    return char === "\\" ? this.escape(false) : single(char);
  }

  private group(): Syntax {
    const kind = this.groupKind();
    const part = this.alternatives();
    if (!this.eat(")")) throw new RangeError('"(" without its end');
    return kind === "group" ? part : { kind: "look", part, negative: kind === "not ahead" };
  }

  private groupKind(): "group" | "ahead" | "not ahead" {
    if (!this.eat("?") || this.eat(":")) return "group";
    if (this.eat("=")) return "ahead";
    if (this.eat("!")) return "not ahead";
    if (!this.eat("<")) throw new RangeError(`"(?${this.chars[this.at] ?? ""}"`);
    if (!/[A-Za-z_$]/.test(this.chars[this.at] ?? "")) throw new RangeError("look-behind");
    while (this.take() !== ">");
    return "group";
  }

  private charClass(): Ranges {
    const negative = this.eat("^");
    const ranges: (readonly [number, number])[] = [];
    while (!this.eat("]")) {
      const low = this.classPart();
      if (this.chars[this.at] === "-" && this.chars[this.at + 1] !== "]") {
        this.at++;
        const high = this.classPart();
        const ends = [low, high].map((part) => (part.length === 1 && part[0][0] === part[0][1] ? part[0][0] : -1));
        if (ends[0] < 0 || ends[1] < ends[0]) throw new RangeError("a range of characters that is none");
        ranges.push([ends[0], ends[1]]);
      } else ranges.push(...low);
    }
    return negative ? complement(ranges) : ranges;
  }

  private classPart(): Ranges {
    const char = this.take();
    return char === "\\" ? this.escape(true) : single(char);
  }

  private escape(inClass: boolean): Ranges {
    const char = this.take();
    if (char === "d" || char === "D") return char === "d" ? DIGITS : complement(DIGITS);
    if (char === "w" || char === "W") return char === "w" ? WORD : complement(WORD);
    if (char === "s" || char === "S") return char === "s" ? SPACES : complement(SPACES);
    if (inClass && char === "b") return [[8, 8]];
    if (Object.hasOwn(CONTROL, char)) return [[CONTROL[char], CONTROL[char]]];
    if (char === "x" || char === "u") {
      const form = char === "x" ? /^[0-9a-fA-F]{2}/ : /^(?:[0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\})/;
      const found = form.exec(this.chars.slice(this.at, this.at + 8).join(""));
      if (!found) throw new RangeError(`"\\${char}" without its digits`);
      this.at += found[0].length;
      const code = Number.parseInt(found[0].replace(/[{}]/g, ""), 16);
      return [[code, code]];
    }
    if (char === "p" || char === "P") {
      const found = /^\{([A-Za-z_]{1,40}(?:=[A-Za-z_]{1,40})?)\}/.exec(
        this.chars.slice(this.at, this.at + 84).join(""),
      );
      if (!found) throw new RangeError(`"\\${char}" without its property`);
      this.at += found[0].length;
      if (this.properties.add(found[1]).size > LIMITS.properties)
        throw new RangeError(`more than ${LIMITS.properties} properties of characters`);
      const ranges = unicodeProperty(found[1]);
      return char === "p" ? ranges : complement(ranges);
    }
    if (/[A-Za-z0-9]/.test(char)) throw new RangeError(`"\\${char}"`);
    return single(char);
  }

  private take(): string {
    if (this.at >= this.chars.length) throw new RangeError("it ends too early");
    return this.chars[this.at++];
  }

  private eat(char: string): boolean {
    if (this.chars[this.at] !== char) return false;
    this.at++;
    return true;
  }
}

function single(char: string): Ranges {
  const code = char.codePointAt(0)!;
  return [[code, code]];
}
