/**
 * Expressions of a call's numbers, and the extents of shapes, as JavaScript source. A call's numbers stand in `n`, each at its place: "2F" becomes
 * "(2*n[3])".
 */
import type { ByCase } from "./contract.ts";

/** The numbers of a call, each at its place. */
export type Numbers = Float64Array;

/** Finds the place of a name. @throws where there is no such name */
export type Places = (name: string) => number;

const TOKEN = /\s*([A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*|\d+|[()⌈⌉+\-·/])/y;

/** "2F", "H(N+P)", "⌈R/128⌉", "rank or D": sums, products (side by side, or with ·), quotients, rounding up, and what stands in for 0. */
export function expressionSource(text: string, places: Places): string {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) tokens.push(match[1]);
  if (tokens.join("") !== text.replaceAll(/\s/g, "")) throw new Error(`"${text}" is no expression`);
  let at = 0;
  const atom = (): string => {
    const token = tokens[at++];
    if (token === "(" || token === "⌈") {
      const inner = sum();
      if (tokens[at++] !== (token === "(" ? ")" : "⌉")) throw new Error(`"${text}" lacks a bracket`);
      return token === "(" ? inner : `Math.ceil(${inner})`;
    }
    return /^\d/.test(token) ? token : `n[${places(token)}]`;
  };
  const product = (): string => {
    let left = atom();
    while (at < tokens.length && !/^([)⌉+-]|or)$/.test(tokens[at])) {
      const operator = /^[·/]$/.test(tokens[at]) ? tokens[at++] : "·";
      left = `(${left}${operator === "/" ? "/" : "*"}${atom()})`;
    }
    return left;
  };
  const sum = (): string => {
    let left = product();
    while (/^[+-]$/.test(tokens[at] ?? "")) left = `(${left}${tokens[at++]}${product()})`;
    return left;
  };
  let whole = sum();
  while (tokens[at] === "or") {
    at++;
    whole = `(${whole}||${sum()})`;
  }
  if (at < tokens.length) throw new Error(`"${text}" goes on after its end`);
  return whole;
}

/** How many elements lie from a shape's first to its last: 0 where any size is 0. */
export function extentSource(text: string, places: Places): string {
  const parts = partsOf(text, places);
  if (parts.every(({ stride }) => !stride)) return parts.map(({ size }) => size).join("*");
  let contiguous = "1";
  const terms: string[] = [];
  for (const { size, stride = contiguous } of parts.toReversed()) {
    terms.push(`(${size}-1)*${stride}`);
    contiguous = `${stride}*${size}`;
  }
  return `(${parts.map(({ size }) => `${size}===0`).join("||")}?0:${terms.join("+")}+1)`;
}

/** Whether rows of the innermost distance lie over one another, which written ones must not; null where a shape is contiguous. */
export function overlapSource(text: string, places: Places): string | null {
  const parts = partsOf(text, places);
  const rows = parts.findLastIndex(({ stride }) => stride);
  if (rows < 0) return null;
  const width = ["1", ...parts.slice(rows + 1).map(({ size }) => size)].join("*");
  const others = parts.filter((_, i) => i !== rows).map(({ size }) => `${size}>0&&`);
  return `${others.join("")}${parts[rows].size}>1&&${parts[rows].stride}<${width}`;
}

function partsOf(text: string, places: Places): { size: string; stride?: string }[] {
  return text.split("×").map((part) => {
    const [size, stride] = part.split(":").map((side) => expressionSource(side, places));
    return { size, stride };
  });
}

/** One of several expressions, as a flag or choice says: `valuesOf` lists the names of its values in order. */
export function byCase(
  spec: ByCase,
  source: (text: string) => string,
  places: Places,
  valuesOf: (name: string) => readonly string[],
): string {
  if (typeof spec === "string") return source(spec);
  const values = valuesOf(spec.by);
  const last = source(spec.cases[values[values.length - 1]]);
  return values
    .slice(0, -1)
    .reduceRight((rest, value, i) => `(n[${places(spec.by)}]===${i}?${source(spec.cases[value])}:${rest})`, last);
}

/** The function of a call's numbers that an expression is. */
export function compiled(source: string): (n: Numbers) => number {
  return new Function("n", `return ${source};`) as (n: Numbers) => number;
}
