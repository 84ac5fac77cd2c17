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

/** What strings must match, and how long they are. */
interface Wanted {
  patterns: string[];
  formats: string[];
  min: number;
  max: number;
}

type Way = "common" | "whole" | "alone";

/** Steps for the strings of one place. */
const MAX_STEPS = 400_000;
/** Strings that are remembered: the same formats stand in many schemas. The least recently used first. */
const MAX_KNOWN = 64;
const known = new Map<string, StringNode>();

/** Characters that a key would need an escape for. */
const ESCAPED = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
] as const;

export class StringForms {
  private readonly context: Context;
  /** Patterns that a lenient schema goes on without. */
  private readonly left = new Set<string>();

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
    const budget = this.context.budget.part(MAX_STEPS);
    const terms = new Terms(budget);
    const inside = match.map((pattern) => this.read(pattern, terms, path));
    const outside = avoid.map((pattern) => terms.not(this.read(pattern, terms, path)));
    const term = terms.every([terms.copy(names.chars.term), ...inside, ...outside, unescaped(terms)]);
    return yield* this.node({ terms, term }, [names.min, names.max], budget);
  }

  private *matching(wanted: Wanted, path: string): Work<StringNode> {
    const key = JSON.stringify(wanted);
    const before = known.get(key);
    known.delete(key);
    const node = before ?? (yield* this.find(wanted, path));
    // Of what was left out because it is not supported, others want to hear as well.
    if (this.left.size === 0) known.set(key, node);
    if (known.size > MAX_KNOWN) known.delete(known.keys().next().value!);
    return node;
  }

  private *find({ patterns, formats, min, max }: Wanted, path: string): Work<StringNode> {
    // Beside a pattern all that a format allows; where that leaves nothing or is too much, the pattern alone.
    const ways: Way[] = formats.length === 0 ? ["alone"] : patterns.length === 0 ? ["common"] : ["whole", "alone"];
    for (const way of ways) {
      const last = way === ways.at(-1);
      const budget = this.context.budget.part(MAX_STEPS);
      const terms = new Terms(budget);
      try {
        const parts = patterns.map((pattern) => this.read(pattern, terms, path));
        if (way !== "alone") for (const format of formats) parts.push(patternTerm(FORMATS.get(format)![way], terms));
        const node = yield* this.node({ terms, term: terms.every(parts) }, [min, max], budget);
        if (last || node.chars.way(0, node.min).chars < Number.POSITIVE_INFINITY) return node;
      } catch (error) {
        if (!(error instanceof RangeError) || error instanceof TooLarge) throw error;
        if (last) this.leaveOut(patterns[0] ?? formats[0], patterns.length > 0 ? "pattern" : "format", path, error);
      }
    }
    return { kind: "string", chars: ANY_CHARS, min, max };
  }

  /** A pattern; where it is not supported and need not be, any string. */
  private read(pattern: string, terms: Terms, path: string): Term {
    try {
      return patternTerm(pattern, terms);
    } catch (error) {
      if (!(error instanceof RangeError) || error instanceof TooLarge) throw error;
      this.leaveOut(pattern, "pattern", path, error);
      return terms.all;
    }
  }

  private leaveOut(text: string, keyword: string, path: string, { message }: RangeError): void {
    this.context.refuse(`${path}/${keyword}`, `${JSON.stringify(text)}: ${message} is not supported`);
    this.left.add(text);
  }

  private *node({ terms, term }: Strings, [min, max]: [number, number], budget: Budget): Work<StringNode> {
    const lengths = lengthsIn(term, terms);
    const chars = new CharAutomaton(terms, lengths.term);
    const least = Math.max(min, lengths.min);
    yield* chars.prepare(least, budget);
    return { kind: "string", chars, min: least, max: Math.min(max, lengths.max) };
  }
}

/**
 * A term without the lengths that it sets for the whole string, which are counted instead of taking a state each: characters of one set, alone or
 * looked ahead for; what may stand behind them as well is left out.
 */
function lengthsIn(term: Term, terms: Terms): { term: Term; min: number; max: number } {
  const out: Term[] = [];
  let min = 0;
  let max = Number.POSITIVE_INFINITY;
  for (const part of term.kind === "all" ? term.terms : [term]) {
    const first = part.kind === "then" && part.rest.nullable && term.kind === "all" ? part.first : part;
    if (first.kind !== "repeat" || first.term.kind !== "set") out.push(part);
    else {
      out.push(terms.repeat(first.term, 0, Number.POSITIVE_INFINITY));
      min = Math.max(min, first.min);
      max = Math.min(max, first.max);
    }
  }
  return { term: terms.every(out), min, max };
}

/** Strings that a key can be without escapes. */
function unescaped(terms: Terms): Term {
  return terms.repeat(terms.set(complement(ESCAPED)), 0, Number.POSITIVE_INFINITY);
}
