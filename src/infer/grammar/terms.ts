/**
 * Regular expressions as terms, with intersection and complement, and their derivatives (Brzozowski, "Derivatives of Regular Expressions",
 * 1964): what is left of an expression once a character has come. Equal terms are one object; a count stays a number, not copies.
 */
import { Budget } from "./work.ts";

export type Ranges = readonly (readonly [from: number, to: number])[];

export const LAST_CHAR = 0x10ffff;
/** Surrogates are no characters. */
export const CHARS: Ranges = [
  [0, 0xd7ff],
  [0xe000, LAST_CHAR],
];

type Shape =
  /** No string at all, and the empty string. */
  | { kind: "none" }
  | { kind: "empty" }
  | { kind: "set"; ranges: Ranges }
  | { kind: "then"; first: Term; rest: Term }
  | { kind: "any"; terms: readonly Term[] }
  | { kind: "all"; terms: readonly Term[] }
  | { kind: "not"; term: Term }
  | { kind: "repeat"; term: Term; min: number; max: number };

export type Term = Shape & {
  readonly id: number;
  /** Whether the empty string is one of it. */
  readonly nullable: boolean;
  /** Whether it is made without intersection and complement, so that it has a string wherever none of its parts is "none". */
  readonly plain: boolean;
};

export class Terms {
  readonly none: Term;
  readonly empty: Term;
  /** Any string. */
  readonly all: Term;
  private readonly known = new Map<string, Term>();
  private readonly borderLists = new Map<Term, readonly number[]>();
  private budget: Budget;

  constructor(budget: Budget) {
    this.budget = budget;
    this.none = this.intern("0", { kind: "none" }, false, true);
    this.empty = this.intern("1", { kind: "empty" }, true, true);
    this.all = this.repeat(this.set(CHARS), 0, Number.POSITIVE_INFINITY);
  }

  /** What is derived from now on is bounded by whoever asks for it. */
  prepared(): void {
    this.budget = new Budget(Number.POSITIVE_INFINITY);
  }

  private intern(key: string, shape: Shape, nullable: boolean, plain: boolean): Term {
    let term = this.known.get(key);
    if (!term) {
      this.budget.spend(1);
      term = { ...shape, id: this.known.size, nullable, plain };
      this.known.set(key, term);
    }
    return term;
  }

  /** Ranges in any order, which may overlap. */
  set(ranges: Ranges): Term {
    const joined = characters(ranges);
    if (joined.length === 0) return this.none;
    return this.intern(`s${joined.join(";")}`, { kind: "set", ranges: joined }, false, true);
  }

  // biome-ignore lint/suspicious/noThenProperty: nobody awaits terms
  then(first: Term, rest: Term): Term {
    if (first === this.none || rest === this.none) return this.none;
    if (first === this.empty) return rest;
    if (rest === this.empty) return first;
    if (first.kind === "then") return this.then(first.first, this.then(first.rest, rest));
    if (first === this.all && (rest === this.all || (rest.kind === "then" && rest.first === this.all))) return rest;
    // Neighbours of one kind are counted together: a{0,9}a{1,9} = a{1,18}.
    const [next, behind] = rest.kind === "then" ? [rest.first, rest.rest] : [rest, this.empty];
    if (first.kind === "repeat" && next.kind === "repeat" && first.term === next.term && first.term.kind === "set")
      return this.then(this.repeat(first.term, first.min + next.min, first.max + next.max), behind);
    const plain = first.plain && rest.plain;
    return this.intern(
      `t${first.id},${rest.id}`,
      { kind: "then", first, rest },
      first.nullable && rest.nullable,
      plain,
    );
  }

  any(terms: readonly Term[]): Term {
    const parts = this.flat("any", terms).filter((term) => term !== this.none);
    if (parts.includes(this.all)) return this.all;
    const sets = parts.flatMap((term) => (term.kind === "set" ? [term] : []));
    const others: Term[] = parts.filter((term) => term.kind !== "set");
    if (sets.length > 1) others.push(this.set(sets.flatMap(({ ranges }) => ranges)));
    return this.list("any", sets.length > 1 ? others : parts, this.none);
  }

  every(terms: readonly Term[]): Term {
    const parts = this.flat("all", terms).filter((term) => term !== this.all);
    if (parts.includes(this.none)) return this.none;
    if (parts.includes(this.empty)) return parts.every(({ nullable }) => nullable) ? this.empty : this.none;
    return this.list("all", parts, this.all);
  }

  private flat(kind: "any" | "all", terms: readonly Term[]): Term[] {
    return terms.flatMap((term) => (term.kind === kind ? term.terms : [term]));
  }

  private list(kind: "any" | "all", parts: readonly Term[], neutral: Term): Term {
    const terms = [...new Set(parts)].sort((a, b) => a.id - b.id);
    this.budget.spend(terms.length);
    if (terms.length === 0) return neutral;
    if (terms.length === 1) return terms[0];
    const nullable = kind === "any" ? terms.some((t) => t.nullable) : terms.every((t) => t.nullable);
    const plain = kind === "any" && terms.every((term) => term.plain);
    return this.intern(`${kind}${terms.map(({ id }) => id).join()}`, { kind, terms }, nullable, plain);
  }

  not(term: Term): Term {
    if (term.kind === "not") return term.term;
    if (term === this.none) return this.all;
    if (term === this.all) return this.none;
    return this.intern(`n${term.id}`, { kind: "not", term }, !term.nullable, false);
  }

  repeat(term: Term, min: number, max: number): Term {
    if (max === 0 || term === this.empty) return this.empty;
    if (term === this.none) return min === 0 ? this.empty : this.none;
    if (min === 1 && max === 1) return term;
    // Of what may be empty, none need come.
    const least = term.nullable ? 0 : min;
    if (term.kind === "repeat" && term.min === 0 && term.max === Number.POSITIVE_INFINITY) return term;
    const shape: Shape = { kind: "repeat", term, min: least, max };
    return this.intern(`r${term.id},${least},${max}`, shape, least === 0, term.plain);
  }

  /** A term of another's as one of these. */
  copy(term: Term): Term {
    switch (term.kind) {
      case "none":
        return this.none;
      case "empty":
        return this.empty;
      case "set":
        return this.set(term.ranges);
      case "then":
        return this.then(this.copy(term.first), this.copy(term.rest));
      case "any":
        return this.any(term.terms.map((part) => this.copy(part)));
      case "all":
        return this.every(term.terms.map((part) => this.copy(part)));
      case "not":
        return this.not(this.copy(term.term));
      case "repeat":
        return this.repeat(this.copy(term.term), term.min, term.max);
    }
  }

  /** What may follow a character. */
  after(term: Term, char: number): Term {
    this.budget.spend(1);
    switch (term.kind) {
      case "none":
      case "empty":
        return this.none;
      case "set":
        return term.ranges.some(([from, to]) => char >= from && char <= to) ? this.empty : this.none;
      case "then": {
        const one = this.then(this.after(term.first, char), term.rest);
        return term.first.nullable ? this.any([one, this.after(term.rest, char)]) : one;
      }
      case "any":
        return this.any(term.terms.map((part) => this.after(part, char)));
      case "all":
        return this.every(term.terms.map((part) => this.after(part, char)));
      case "not":
        return this.not(this.after(term.term, char));
      case "repeat": {
        const rest = this.repeat(term.term, Math.max(0, term.min - 1), term.max - 1);
        return this.then(this.after(term.term, char), rest);
      }
    }
  }

  /** Characters at which it may begin to matter which one comes, in order: between two of them, all are alike. */
  borders(term: Term): readonly number[] {
    let known = this.borderLists.get(term);
    if (!known) {
      known = [...new Set(this.ownBorders(term))].sort((a, b) => a - b);
      this.budget.spend(known.length);
      this.borderLists.set(term, known);
    }
    return known;
  }

  private ownBorders(term: Term): readonly number[] {
    switch (term.kind) {
      case "none":
      case "empty":
        return [];
      case "set":
        return term.ranges.flatMap(([from, to]) => [from, to + 1]);
      case "then":
        return term.first.nullable
          ? [...this.borders(term.first), ...this.borders(term.rest)]
          : this.borders(term.first);
      case "any":
      case "all":
        return term.terms.flatMap((part) => this.borders(part));
      default:
        return this.borders(term.term);
    }
  }
}

/** Ranges in order, joined where they touch, without surrogates. */
function characters(ranges: Ranges): [number, number][] {
  const out: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    for (const [low, high] of CHARS) {
      const [first, last] = [Math.max(from, low), Math.min(to, high)];
      const before = out.at(-1);
      if (first > last) continue;
      if (before && before[1] + 1 >= first) before[1] = Math.max(before[1], last);
      else out.push([first, last]);
    }
  }
  return out;
}

export function complement(ranges: Ranges): Ranges {
  const out: [number, number][] = [];
  let next = 0;
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (from > next) out.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= LAST_CHAR) out.push([next, LAST_CHAR]);
  return out;
}
