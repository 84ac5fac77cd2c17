/** Automata over characters, for strings that a pattern describes: which characters may come, and how soon the string can end. */
import { CHARS, type Ranges, type Term, Terms } from "./terms.ts";
import { Budget, type Work } from "./work.ts";

/** Characters from … to (code points) lead to a state. */
export interface CharRange {
  from: number;
  to: number;
  target: number;
}

/** The cheapest way to an end: characters, and the bytes that they take in JSON. */
export interface Way {
  chars: number;
  bytes: number;
}

const NO_WAY: Way = { chars: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
const AT_END: Way = { chars: 0, bytes: 0 };

/** States that are looked through in advance, and that there may be at all. */
const LIMITS = { explored: 4000, states: 20_000, ways: 300_000 };
/** Steps that are left to others by an automaton which need not be looked through in advance. */
const LEFT = 100_000;

export class CharAutomaton {
  /** Whether any character may come at any time, and the string may end at any time. */
  readonly any: boolean;
  readonly terms: Terms;
  /** What it may be. */
  readonly term: Term;
  /** What may still come, for each state; state 0 is the first. */
  private readonly states: Term[] = [];
  private readonly ids = new Map<Term, number>();
  private readonly moves: (readonly CharRange[] | undefined)[] = [];
  /** ways[need][state], once all states are known. */
  private readonly ways: Way[][] = [];
  private readonly least = new Map<Term, Way>();
  private explored = false;

  constructor(terms: Terms, start: Term) {
    this.terms = terms;
    this.term = start;
    this.any = start === terms.all;
    this.stateOf(start);
  }

  /**
   * Prepares it for strings of at least `need` characters: afterwards it knows how soon each state can end.
   * @throws RangeError if that takes too much
   */
  *prepare(need: number, budget: Budget): Work<void> {
    const start = this.term;
    // A set that may come as often as one likes is the same in every state.
    if (
      start.kind === "repeat" &&
      start.term.kind === "set" &&
      start.min === 0 &&
      start.max === Number.POSITIVE_INFINITY
    )
      return;
    const must = need > 0 || !start.plain;
    let state = 0;
    for (; state < this.states.length && state < LIMITS.explored && (must || budget.rest > LEFT); state++) {
      budget.spend(1 + this.ranges(state).length);
      if (budget.due) yield;
    }
    this.terms.prepared();
    this.explored = state === this.states.length;
    if (!this.explored && must) throw new RangeError(need > 0 ? TOO_LONG : "it grows too large and");
    if (!this.explored) return;
    if (need * this.states.length > LIMITS.ways) throw new RangeError(TOO_LONG);
    this.ways.push(this.shortest());
    for (let more = 1; more <= need; more++) {
      const before = this.ways[more - 1];
      this.ways.push(this.states.map((_, state) => this.through(state, before)));
      budget.spend(this.states.length);
      if (budget.due) yield;
    }
  }

  private stateOf(term: Term): number {
    let id = this.ids.get(term);
    if (id === undefined) {
      id = this.states.length;
      if (id >= LIMITS.states) throw new RangeError(`a pattern that has more than ${LIMITS.states} states`);
      this.ids.set(term, id);
      this.states.push(term);
    }
    return id;
  }

  /** Sorted, without overlap. */
  ranges(state: number): readonly CharRange[] {
    let known = this.moves[state];
    if (!known) {
      known = this.find(this.states[state]);
      this.moves[state] = known;
    }
    return known;
  }

  private find(term: Term): CharRange[] {
    const out: CharRange[] = [];
    const ends = CHARS.flatMap(([from, to]) => [from, to + 1]);
    const borders = [...new Set([...ends, ...this.terms.borders(term)])].sort((a, b) => a - b);
    for (let i = 0; i + 1 < borders.length; i++) {
      const [from, to] = [borders[i], borders[i + 1] - 1];
      if (from >= 0xd800 && to < 0xe000) continue;
      const rest = this.terms.after(term, from);
      if (rest === this.terms.none) continue;
      const target = this.stateOf(rest);
      const last = out.at(-1);
      if (last && last.target === target && last.to + 1 === from) last.to = to;
      else out.push({ from, to, target });
    }
    return out;
  }

  /** The state after a character, or −1. */
  next(state: number, char: number): number {
    const ranges = this.ranges(state);
    let [low, high] = [0, ranges.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (char < ranges[middle].from) high = middle - 1;
      else if (char > ranges[middle].to) low = middle + 1;
      else return ranges[middle].target;
    }
    return -1;
  }

  /** Whether a string is one of it. */
  matches(text: string): boolean {
    let state = 0;
    for (const char of text) {
      state = this.next(state, char.codePointAt(0)!);
      if (state < 0) return false;
    }
    return this.states[state].nullable;
  }

  /** The way to the end with at least `need` characters, fewest characters first, then fewest bytes. */
  way(state: number, need: number): Way {
    if (this.explored) return this.ways[need][state];
    const term = this.states[state];
    if (need === 0) return this.leastOf(term);
    // Only a set that repeats has not been explored and yet needs some.
    return term.kind === "repeat" && term.term.kind === "set"
      ? { chars: need, bytes: need * cheapest(term.term.ranges) }
      : NO_WAY;
  }

  /**
   * Bytes to the end after one of the characters from … to (Infinity: none of them may come), with `need` and at most `room` characters,
   * this one included.
   */
  bytesAfter(state: number, from: number, to: number, need: number, room: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const range of this.ranges(state)) {
      if (range.from > to || range.to < from) continue;
      const { chars, bytes } = this.way(range.target, Math.max(0, need - 1));
      if (chars <= room - 1) least = Math.min(least, bytes);
    }
    return least;
  }

  /** Of a plain term, whose parts all have strings. */
  private leastOf(term: Term): Way {
    let way = this.least.get(term);
    if (!way) {
      way = this.findLeast(term);
      this.least.set(term, way);
    }
    return way;
  }

  private findLeast(term: Term): Way {
    if (term.nullable) return AT_END;
    if (term.kind === "set") return { chars: 1, bytes: cheapest(term.ranges) };
    if (term.kind === "then") return plus(this.leastOf(term.first), this.leastOf(term.rest));
    if (term.kind === "any") return term.terms.map((part) => this.leastOf(part)).reduce(shorter, NO_WAY);
    if (term.kind !== "repeat") return NO_WAY;
    const { chars, bytes } = this.leastOf(term.term);
    return { chars: chars * term.min, bytes: bytes * term.min };
  }

  /** From the ends backwards, one character at a time. */
  private shortest(): Way[] {
    const before: number[][] = this.states.map(() => []);
    this.states.forEach((_, state) => {
      for (const { target } of this.ranges(state)) before[target].push(state);
    });
    const ways = this.states.map(({ nullable }) => (nullable ? AT_END : NO_WAY));
    let reached = this.states.flatMap(({ nullable }, state) => (nullable ? [state] : []));
    while (reached.length > 0) {
      const next = [...new Set(reached.flatMap((state) => before[state]))].filter((state) => ways[state] === NO_WAY);
      // All of a round are as many characters away: each looks only at those that are nearer.
      const found = next.map((state) => this.through(state, ways));
      next.forEach((state, i) => {
        ways[state] = found[i];
      });
      reached = next;
    }
    return ways;
  }

  /** The best way over one character and then by `ways`. */
  private through(state: number, ways: readonly Way[]): Way {
    let best = NO_WAY;
    for (const { from, to, target } of this.ranges(state))
      best = shorter(best, plus(ways[target], { chars: 1, bytes: bytesOf(from, to) }));
    return best;
  }
}

const TOO_LONG = "with so long a minLength, which";

function plus(a: Way, b: Way): Way {
  return { chars: a.chars + b.chars, bytes: a.bytes + b.bytes };
}

function shorter(a: Way, b: Way): Way {
  return b.chars < a.chars || (b.chars === a.chars && b.bytes < a.bytes) ? b : a;
}

function cheapest(ranges: Ranges): number {
  return Math.min(...ranges.map(([from, to]) => bytesOf(from, to)));
}

/** Bytes that the cheapest character of a range takes inside a JSON string. */
function bytesOf(from: number, to: number): number {
  const has = (low: number, high: number) => from <= high && to >= low;
  if (has(0x20, 0x21) || has(0x23, 0x5b) || has(0x5d, 0x7f)) return 1;
  // \b \t \n, \f \r, \" and \\ are short escapes.
  if (has(0x80, 0x7ff) || has(8, 10) || has(12, 13) || has(0x22, 0x22) || has(0x5c, 0x5c)) return 2;
  if (has(0x800, 0xffff)) return 3;
  return to > 0xffff ? 4 : 6;
}

const anyTerms = new Terms(new Budget());

/** Any string. */
export const ANY_CHARS = new CharAutomaton(anyTerms, anyTerms.all);
