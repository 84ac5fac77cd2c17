/** What the whole numbers in a buffer of indices may be: refused is what would lead a kernel outside of another buffer. */
import { InputError } from "../../base/index.ts";
import type { I32, Storage } from "../dtype.ts";
import type { Contents } from "./contract.ts";
import { compiled, expressionSource, type Numbers, type Places } from "./shape.ts";

/** Reads a buffer's numbers (null where there is none) and gives letters their values. */
export type Scan = (data: I32 | null, numbers: Numbers, buffers: readonly (Storage | null)[]) => void;

/** Letters that the contents bound, or are bounded by. */
export function lettersOf(contents: Contents): readonly string[] {
  if ("counts" in contents) return [contents.counts];
  if ("offsets" in contents) return [contents.offsets];
  if ("segments" in contents) return contents.segments;
  return "reach" in contents ? [contents.reach] : [];
}

export interface ScanPlan {
  /** The kernel's and the buffer's name, for refusals. */
  readonly where: string;
  readonly extent: (n: Numbers) => number;
  readonly contents: Contents;
  /** Letters that are no numbers of the call. */
  readonly free: ReadonlySet<string>;
  readonly places: Places;
  /** The place of another buffer. */
  readonly bufferAt: (name: string) => number;
}

export function scanOf(plan: ScanPlan): Scan {
  const { where, extent, contents, places } = plan;
  if ("below" in contents) {
    const { from = 0, below } = contents;
    const bound = compiled(expressionSource(below, places));
    return (data, n) => {
      if (data) checkRange(where, data, extent(n), from, bound(n));
    };
  }
  if ("counts" in contents) {
    const reach = boundBy(plan, contents.counts);
    const absent = contents.absent ? compiled(expressionSource(contents.absent, places)) : () => 0;
    return (data, n) => {
      if (data) reach(n, checkRange(where, data, extent(n), 0, Number.POSITIVE_INFINITY) + 1);
      else reach(n, absent(n));
    };
  }
  if ("offsets" in contents) {
    const reach = boundBy(plan, contents.offsets);
    return (data, n) => {
      if (!data) return;
      const last = extent(n) - 1;
      if (data[0] !== 0) throw new InputError(`${where}[0] is ${data[0]}, must be 0`);
      for (let i = 0; i < last; i++)
        if (data[i + 1] < data[i])
          throw new InputError(`${where} falls from ${data[i]} to ${data[i + 1]} at ${i + 1}; it must rise`);
      reach(n, data[last]);
    };
  }
  if ("segments" in contents) {
    const [queries, keys] = contents.segments.map((letter) => boundBy(plan, letter));
    return (data, n) => {
      if (!data) return;
      const ends = checkSegments(where, data, extent(n));
      queries(n, ends.queries);
      keys(n, ends.keys);
    };
  }
  const [starts, reach] = [plan.bufferAt(contents.rowsFrom), boundBy(plan, contents.reach)];
  return (counts, n, buffers) => {
    const first = buffers[starts];
    if (!counts || !first) return;
    let end = 0;
    for (let i = 0; i < extent(n); i++) {
      if (counts[i] < contents.min || !(first[i] >= 0))
        throw new InputError(`${where}: entry ${i} is ${counts[i]} rows from row ${first[i]} on`);
      if (first[i] + counts[i] > end) end = first[i] + counts[i];
    }
    reach(n, end);
  };
}

/** Gives a free letter its value, or holds the value against the call's number. */
function boundBy({ where, free, places }: ScanPlan, letter: string): (n: Numbers, value: number) => void {
  const place = places(letter);
  if (free.has(letter))
    return (n, value) => {
      n[place] = value;
    };
  return (n, value) => {
    if (value > n[place]) throw new InputError(`${where} reaches ${value}, beyond ${letter} = ${n[place]}`);
  };
}

/** The largest of `count` numbers (−1 of none). @throws InputError where one is not from `from` to below `bound` */
function checkRange(where: string, data: I32, count: number, from: number, bound: number): number {
  let largest = -1;
  for (let i = 0; i < count; i++) {
    const value = data[i];
    if (value < from || value >= bound)
      throw new InputError(`${where}[${i}] is ${value}, must be at least ${from} and below ${bound}`);
    if (value > largest) largest = value;
  }
  return largest;
}

/** Where the segments' queries and keys end. */
function checkSegments(where: string, data: I32, count: number): { queries: number; keys: number } {
  let queries = 0;
  let keys = 0;
  for (let i = 0; i < count; i += 4) {
    const [qStart, qLen, kStart, kLen] = [data[i], data[i + 1], data[i + 2], data[i + 3]];
    if (qStart < 0 || qLen < 0 || kStart < 0 || kLen < qLen)
      throw new InputError(
        `${where}: segment ${i / 4} is ${qLen} queries from ${qStart} on over ${kLen} keys from ${kStart} on`,
      );
    queries = Math.max(queries, qStart + qLen);
    keys = Math.max(keys, kStart + kLen);
  }
  return { queries, keys };
}
