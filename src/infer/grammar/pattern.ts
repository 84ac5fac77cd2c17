/**
 * Regular expressions as JSON Schema uses them (ECMA-262, with the u flag), as automata. Known: literals, classes, groups, alternatives,
 * quantifiers, and anchors at the ends. What an automaton cannot say, or what is rarely needed, is refused by name.
 */
import { CHARS, CharAutomaton, type CharRange, LAST_CHAR } from "./chars.ts";

/** What a pattern may grow to. */
const LIMITS = { length: 1000, repeats: 1000, pieces: 20_000, states: 2000 };

type Ranges = [from: number, to: number][];

/** A nondeterministic automaton: moves[state] over characters, free[state] without one. */
interface Net {
  moves: { ranges: Ranges; target: number }[][];
  free: number[][];
}

/** @throws RangeError that says what is not supported */
export function patternAutomaton(pattern: string): CharAutomaton {
  if (pattern.length > LIMITS.length) throw new RangeError(`longer than ${LIMITS.length} characters`);
  return determinise(new PatternReader(pattern).read());
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

type Piece = { enter: number; leave: number };

class PatternReader {
  private readonly chars: string[];
  private at = 0;
  private depth = 0;
  private readonly net: Net = { moves: [], free: [] };

  constructor(pattern: string) {
    this.chars = [...pattern];
  }

  read(): { net: Net; start: number; end: number } {
    const { enter, leave } = this.alternatives();
    if (this.at < this.chars.length) throw new RangeError(`"${this.chars[this.at]}" without its beginning`);
    return { net: this.net, start: enter, end: leave };
  }

  private state(): number {
    if (this.net.moves.length >= LIMITS.pieces) throw new RangeError("too large");
    this.net.moves.push([]);
    this.net.free.push([]);
    return this.net.moves.length - 1;
  }

  private join(from: number, to: number): void {
    this.net.free[from].push(to);
  }

  private set(ranges: Ranges): Piece {
    const piece = { enter: this.state(), leave: this.state() };
    this.net.moves[piece.enter].push({ ranges: withoutSurrogates(ranges), target: piece.leave });
    return piece;
  }

  private empty(): Piece {
    const enter = this.state();
    return { enter, leave: enter };
  }

  /** Any characters, as stand around a pattern without anchors. */
  private anything(): Piece {
    const enter = this.state();
    this.net.moves[enter].push({ ranges: [...CHARS] as Ranges, target: enter });
    return { enter, leave: enter };
  }

  private alternatives(): Piece {
    const whole = { enter: this.state(), leave: this.state() };
    do {
      const piece = this.sequence();
      this.join(whole.enter, piece.enter);
      this.join(piece.leave, whole.leave);
    } while (this.eat("|"));
    return whole;
  }

  private sequence(): Piece {
    const outermost = this.depth === 0;
    const whole = outermost && !this.eat("^") ? this.anything() : this.empty();
    let { leave } = whole;
    let closed = false;
    while (this.at < this.chars.length && this.chars[this.at] !== "|" && this.chars[this.at] !== ")") {
      if (closed) throw new RangeError('"$" before the end');
      if (outermost && this.eat("$")) {
        closed = true;
        continue;
      }
      const piece = this.quantified();
      this.join(leave, piece.enter);
      leave = piece.leave;
    }
    if (outermost && !closed) {
      const rest = this.anything();
      this.join(leave, rest.enter);
      leave = rest.leave;
    }
    return { enter: whole.enter, leave };
  }

  private quantified(): Piece {
    const from = this.at;
    let piece = this.atom();
    const [least, most] = this.quantifier();
    if (least === 1 && most === 1) return piece;
    this.eat("?");
    const after = this.at;
    // The atom is read once for each time that it may stand.
    const again = (): Piece => {
      this.at = from;
      const next = this.atom();
      this.at = after;
      return next;
    };
    const start = this.empty();
    let { leave } = start;
    const end = this.state();
    for (let i = 0; i < (most === Number.POSITIVE_INFINITY ? Math.max(1, least) : most); i++) {
      if (i > 0) piece = again();
      if (i >= least) this.join(leave, end);
      this.join(leave, piece.enter);
      leave = piece.leave;
      if (most === Number.POSITIVE_INFINITY && i + 1 >= least) this.join(piece.leave, piece.enter);
    }
    this.join(leave, end);
    return { enter: start.enter, leave: end };
  }

  private quantifier(): [number, number] {
    if (this.eat("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.eat("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.eat("?")) return [0, 1];
    if (!this.eat("{")) return [1, 1];
    const found = /^(\d+)(?:(,)(\d*))?\}/.exec(this.chars.slice(this.at).join(""));
    if (!found) throw new RangeError('"{" that begins no count');
    this.at += found[0].length;
    const least = Number(found[1]);
    const most = found[2] ? (found[3] === "" ? Number.POSITIVE_INFINITY : Number(found[3])) : least;
    if (least > LIMITS.repeats || (most !== Number.POSITIVE_INFINITY && most > LIMITS.repeats) || least > most)
      throw new RangeError(`the count {${found[0]}`);
    return [least, most];
  }

  private atom(): Piece {
    const char = this.take();
    if (char === "(") return this.group();
    if (char === "[") return this.set(this.charClass());
    if (char === ".") return this.set(complement(LINE_ENDS));
    if (char === "\\") return this.set(this.escape(false));
    if (char === "^" || char === "$") throw new RangeError(`"${char}" elsewhere than at the ends`);
    if (char === "*" || char === "+" || char === "?" || char === "{") throw new RangeError(`"${char}" after nothing`);
    return this.set(single(char));
  }

  private group(): Piece {
    if (this.eat("?")) {
      const kind = this.take();
      if (kind === "<" && /[A-Za-z_$]/.test(this.chars[this.at] ?? "")) while (this.take() !== ">");
      else if (kind !== ":") throw new RangeError("look-ahead and look-behind");
    }
    this.depth++;
    const piece = this.alternatives();
    this.depth--;
    if (!this.eat(")")) throw new RangeError('"(" without its end');
    return piece;
  }

  private charClass(): Ranges {
    const negative = this.eat("^");
    const ranges: Ranges = [];
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

function complement(ranges: Ranges): Ranges {
  const out: Ranges = [];
  let next = 0;
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    if (from > next) out.push([next, from - 1]);
    next = Math.max(next, to + 1);
  }
  if (next <= LAST_CHAR) out.push([next, LAST_CHAR]);
  return out;
}

function withoutSurrogates(ranges: Ranges): Ranges {
  return ranges.flatMap(([from, to]) =>
    CHARS.map(([low, high]): [number, number] => [Math.max(from, low), Math.min(to, high)]).filter(([a, b]) => a <= b),
  );
}

/** The deterministic automaton: its states are sets of the net's. */
function determinise({ net, start, end }: { net: Net; start: number; end: number }): CharAutomaton {
  const closure = (states: Iterable<number>): number[] => {
    const seen = new Set(states);
    for (const state of seen) for (const target of net.free[state]) seen.add(target);
    return [...seen].sort((a, b) => a - b);
  };
  const sets = [closure([start])];
  const ids = new Map([[sets[0].join(), 0]]);
  const ranges: CharRange[][] = [];
  for (let i = 0; i < sets.length; i++) {
    const moves = sets[i].flatMap((state) =>
      net.moves[state].flatMap(({ ranges, target }) => ranges.map((range) => ({ range, target }))),
    );
    const borders = [...new Set(moves.flatMap(({ range: [from, to] }) => [from, to + 1]))].sort((a, b) => a - b);
    const own: CharRange[] = [];
    for (let b = 0; b + 1 < borders.length; b++) {
      const [from, to] = [borders[b], borders[b + 1] - 1];
      const targets = moves.filter(({ range }) => range[0] <= from && range[1] >= to).map(({ target }) => target);
      if (targets.length === 0) continue;
      const set = closure(targets);
      const key = set.join();
      let id = ids.get(key);
      if (id === undefined) {
        id = sets.length;
        if (id >= LIMITS.states) throw new RangeError("too large");
        ids.set(key, id);
        sets.push(set);
      }
      const last = own.at(-1);
      if (last && last.target === id && last.to + 1 === from) last.to = to;
      else own.push({ from, to, target: id });
    }
    ranges.push(own);
  }
  return new CharAutomaton(
    ranges,
    sets.map((set) => set.includes(end)),
  );
}
