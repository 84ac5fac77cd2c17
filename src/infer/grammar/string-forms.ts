/** The form of strings, as all schemas of a set describe them together: their lengths, patterns and formats. */
import { ANY_CHARS, CharAutomaton } from "./chars.ts";
import { FORMATS } from "./formats.ts";
import type { StringNode } from "./grammar.ts";
import type { Json } from "./keywords.ts";
import { patternTerm } from "./pattern.ts";
import { type Context, countsOf } from "./schema-context.ts";
import { complement, type Term, Terms } from "./terms.ts";
import { type Budget, TooLarge, type Work } from "./work.ts";

/** What a pattern's term stands for, with the lengths that it sets by itself. */
interface Strings {
  terms: Terms;
  term: Term;
}

/** Characters that a key would need an escape for. */
const ESCAPED = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
] as const;

export class StringForms {
  private readonly context: Context;
  /** By what they must match and how long they are at least. */
  private readonly known = new Map<string, StringNode>();

  constructor(context: Context) {
    this.context = context;
  }

  *of(set: readonly Json[], path: string): Work<StringNode> {
    const [min, max] = countsOf(set, "Length", path, this.context);
    const texts = (name: string) => [
      ...new Set(set.flatMap((schema) => (schema[name] === undefined ? [] : [schema[name] as string]))),
    ];
    const patterns = texts("pattern");
    // What no format is known by is a note, by the standard.
    const formats = texts("format").filter((name) => FORMATS.has(name));
    if (patterns.length + formats.length === 0) return { kind: "string", chars: ANY_CHARS, min, max };
    return yield* this.matching({ patterns, formats, min, max }, path);
  }

  /** Of keys, those that match some patterns and none of others, and need no escapes. */
  *keys(
    names: StringNode,
    parts: { match: readonly string[]; avoid: readonly string[] },
    path: string,
  ): Work<StringNode> {
    const { match, avoid } = parts;
    if (names.chars.any && match.length + avoid.length === 0) return names;
    const { terms, term } = names.chars.any ? anything(this.context.budget) : names.chars;
    const inside = match.map((pattern) => this.read(pattern, terms, path));
    const outside = avoid.map((pattern) => terms.not(this.read(pattern, terms, path)));
    return yield* this.node(
      { terms, term: terms.every([term, ...inside, ...outside, unescaped(terms)]) },
      names.min,
      names.max,
    );
  }

  private *matching(
    wanted: { patterns: string[]; formats: string[]; min: number; max: number },
    path: string,
  ): Work<StringNode> {
    const key = JSON.stringify(wanted);
    let node = this.known.get(key);
    if (!node) {
      node = yield* this.narrow(wanted, path);
      this.known.set(key, node);
    }
    return node;
  }

  private *narrow(
    wanted: { patterns: string[]; formats: string[]; min: number; max: number },
    path: string,
  ): Work<StringNode> {
    const { patterns, formats, min, max } = wanted;
    // Of a format, first what everybody understands by it; where that leaves nothing, all that it allows; then the pattern alone.
    const ways = formats.length === 0 ? ["alone"] : ["common", "whole", ...(patterns.length > 0 ? ["alone"] : [])];
    let node: StringNode | null = null;
    for (const way of ways) {
      const terms = new Terms(this.context.budget);
      const parts = patterns.map((pattern) => this.read(pattern, terms, path));
      if (way !== "alone")
        for (const format of formats) parts.push(patternTerm(FORMATS.get(format)![way as "common" | "whole"], terms));
      try {
        node = yield* this.node({ terms, term: terms.every(parts) }, min, max);
      } catch (error) {
        if (!(error instanceof RangeError) || error instanceof TooLarge) throw error;
        if (way !== ways.at(-1)) continue;
        const where = patterns.length > 0 ? "pattern" : "format";
        this.context.refuse(
          `${path}/${where}`,
          `${JSON.stringify(patterns[0] ?? formats[0])}: ${error.message} is not supported`,
        );
        return { kind: "string", chars: ANY_CHARS, min, max };
      }
      if (node.chars.way(0, node.min).chars <= node.max) return node;
    }
    return node!;
  }

  /** A pattern; where it is not supported and need not be, any string. */
  private read(pattern: string, terms: Terms, path: string): Term {
    try {
      return patternTerm(pattern, terms);
    } catch (error) {
      if (!(error instanceof RangeError) || error instanceof TooLarge) throw error;
      this.context.refuse(`${path}/pattern`, `${JSON.stringify(pattern)}: ${error.message} is not supported`);
      return terms.all;
    }
  }

  private *node({ terms, term }: Strings, min: number, max: number): Work<StringNode> {
    // Characters of one set are counted, which needs no state for each count.
    if (term.kind === "repeat" && term.term.kind === "set") {
      const chars = new CharAutomaton(terms, terms.repeat(term.term, 0, Number.POSITIVE_INFINITY));
      return { kind: "string", chars, min: Math.max(min, term.min), max: Math.min(max, term.max) };
    }
    const chars = new CharAutomaton(terms, term);
    yield* chars.prepare(min, this.context.budget);
    return { kind: "string", chars, min, max };
  }
}

function anything(budget: Budget): Strings {
  const terms = new Terms(budget);
  return { terms, term: terms.all };
}

/** Strings that a key can be without escapes. */
function unescaped(terms: Terms): Term {
  return terms.repeat(terms.set(complement(ESCAPED)), 0, Number.POSITIVE_INFINITY);
}
