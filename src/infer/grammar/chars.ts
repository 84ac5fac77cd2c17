/** Automata over characters, for strings that a pattern describes: which characters may come, and how soon the string can end. */

/** Characters from … to (code points) lead to a state. */
export interface CharRange {
  from: number;
  to: number;
  target: number;
}

/** The cheapest way to an end: characters, and the bytes that they take in JSON. */
interface Way {
  chars: number;
  bytes: number;
}

const NO_WAY: Way = { chars: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };

export const LAST_CHAR = 0x10ffff;
/** Surrogates are no characters. */
export const CHARS: readonly [number, number][] = [
  [0, 0xd7ff],
  [0xe000, LAST_CHAR],
];

export class CharAutomaton {
  /** Sorted, without overlap; state 0 is the first. */
  readonly ranges: readonly (readonly CharRange[])[];
  private readonly accepting: readonly boolean[];
  /** ways[need][state] */
  private readonly ways: Way[][] = [];
  /** Whether any character may come at any time, and the string may end at any time. */
  readonly any: boolean;

  constructor(ranges: CharRange[][], accepting: boolean[]) {
    this.ranges = ranges;
    this.accepting = accepting;
    this.any = ranges.length === 1 && accepting[0] && ranges[0].length === CHARS.length;
  }

  /** The state after a character, or −1. */
  next(state: number, char: number): number {
    return this.ranges[state].find(({ from, to }) => char >= from && char <= to)?.target ?? -1;
  }

  /** The way to the end with at least `need` characters, fewest characters first, then fewest bytes. */
  way(state: number, need: number): Way {
    while (this.ways.length <= need)
      this.ways.push(this.ways.length === 0 ? this.shortest() : this.longer(this.ways.at(-1)!));
    return this.ways[need][state];
  }

  /**
   * Bytes to the end after one of the characters from … to (Infinity: none of them may come), with `need` and at most `room` characters,
   * this one included.
   */
  bytesAfter(state: number, from: number, to: number, need: number, room: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const range of this.ranges[state]) {
      if (range.from > to || range.to < from) continue;
      const { chars, bytes } = this.way(range.target, Math.max(0, need - 1));
      if (chars <= room - 1) least = Math.min(least, bytes);
    }
    return least;
  }

  private shortest(): Way[] {
    const ways = this.accepting.map((accepts): Way => (accepts ? { chars: 0, bytes: 0 } : NO_WAY));
    for (let changed = true; changed; ) {
      changed = false;
      for (let state = 0; state < ways.length; state++) {
        const way = this.through(state, ways);
        if (!this.accepting[state] && shorter(way, ways[state])) {
          ways[state] = way;
          changed = true;
        }
      }
    }
    return ways;
  }

  private longer(ways: Way[]): Way[] {
    return ways.map((_, state) => this.through(state, ways));
  }

  /** The best way over one character and then by `ways`. */
  private through(state: number, ways: Way[]): Way {
    let best = NO_WAY;
    for (const { from, to, target } of this.ranges[state]) {
      const way = { chars: ways[target].chars + 1, bytes: ways[target].bytes + bytesOf(from, to) };
      if (shorter(way, best)) best = way;
    }
    return best;
  }
}

function shorter(a: Way, b: Way): boolean {
  return a.chars < b.chars || (a.chars === b.chars && a.bytes < b.bytes);
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

/** Any string. */
export const ANY_CHARS = new CharAutomaton([CHARS.map(([from, to]) => ({ from, to, target: 0 }))], [true]);
