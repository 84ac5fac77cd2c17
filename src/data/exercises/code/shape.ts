/** A small function before it is written down: what it does in words, and its source in several styles. */
import type { Random } from "../../../base/index.ts";
import type { Making } from "../exercise.ts";

export interface Shape {
  /** The family and its parameters: what stays when names and style change. */
  problem: string;
  /** "returns …", in one of several wordings. */
  does: string;
  /** Words of a name that says what it does. */
  speaking: string[];
  parameters: string[];
  /** The source between the braces, one statement a line, or of an arrow function its single expression. */
  body: string[];
  /** Arguments to try it with. */
  inputs: (random: Random) => unknown[][];
}

/** Makes one function of its family. */
export type Family = (making: Making) => Shape;

/** A function as text: a declaration, or a constant with an arrow function. */
export function sourceOf(
  name: string,
  { parameters, body }: Pick<Shape, "parameters" | "body">,
  arrow: boolean,
): string[] {
  const inside = body.map((line) => `  ${line}`);
  if (!arrow) return [`function ${name}(${parameters.join(", ")}) {`, ...inside, "}"];
  const head = `const ${name} = (${parameters.join(", ")}) =>`;
  const [only] = body;
  return body.length === 1 && only.startsWith("return ")
    ? [`${head} ${only.slice("return ".length)}`]
    : [`${head} {`, ...inside, "};"];
}
