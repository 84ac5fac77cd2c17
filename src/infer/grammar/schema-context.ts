/** What the parts of a schema are compiled with, and what all of them ask of a set of schemas. */
import { type LiteralNode, literalOf, type Node } from "./grammar.ts";
import type { Json, Schema } from "./keywords.ts";
import { type Budget, FORM_LIMITS, type Work } from "./work.ts";

export type Compile = (parts: readonly Schema[], path: string, depth: number) => Work<Node>;

export interface Context {
  compile: Compile;
  refuse: (path: string, message: string) => void;
  /** Says that something is left to be checked in the end. */
  unheld: () => void;
  /** Whether not all of a node is known yet, because it holds what is being compiled. */
  unfinished: (node: Node) => boolean;
  budget: Budget;
}

/** All numbers that a set gives for a keyword. */
export function numbers(set: readonly Json[], name: string): number[] {
  return set.flatMap((schema) => (typeof schema[name] === "number" ? [schema[name] as number] : []));
}

/** The least and the most of minX and maxX. */
export function countsOf(set: readonly Json[], of: string, path: string, { refuse }: Context): [number, number] {
  let min = numbers(set, `min${of}`).reduce((a, b) => Math.max(a, b), 0);
  if (min > FORM_LIMITS.least) {
    refuse(`${path}/min${of}`, `at most ${FORM_LIMITS.least} is supported`);
    min = 0;
  }
  return [min, numbers(set, `max${of}`).reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)];
}

/** All values of a node as one literal, if it has no others. */
export function literalsOf(node: Node, { unfinished }: Context): LiteralNode | null {
  const found = new Set<Node>([node]);
  for (const one of found) {
    if (unfinished(one)) return null;
    if (one.kind === "any of") for (const option of one.options) found.add(option);
  }
  const literals = [...found].filter((one) => one.kind === "literal");
  if (literals.length === 0 || [...found].some(({ kind }) => kind !== "any of" && kind !== "literal")) return null;
  return literals.length === 1 ? literals[0] : literalOf(distinct(literals.flatMap(({ texts }) => texts)));
}

function distinct(texts: readonly (readonly number[])[]): (readonly number[])[] {
  return [...new Map(texts.map((text) => [text.join(), text])).values()];
}
