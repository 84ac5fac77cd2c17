/** Small JavaScript functions: what they are asked to do, how they do it, and calls that show it. */
import type { Random } from "../../base/index.ts";
import { ON_LISTS } from "./functions-on-lists.ts";
import { ON_VALUES } from "./functions-on-values.ts";
import { type FunctionTest, pick, type Shape, type Task } from "./task.ts";

const SHAPES = [...ON_LISTS, ...ON_VALUES];

export const sourceOf = ({ name, parameters, body }: Pick<Shape, "name" | "parameters" | "body">): string[] => [
  `function ${name}(${parameters.join(", ")}) {`,
  ...body.map((line) => `  ${line}`),
  "}",
];

/** Runs a function's source, which is the generator's own, on arguments. The result is what JSON can hold of it: −0 becomes 0. */
export function run(source: readonly string[], name: string, args: readonly unknown[]): unknown {
  const result: unknown = new Function(`${source.join("\n")}\nreturn ${name}(...arguments);`)(...structuredClone(args));
  return JSON.parse(JSON.stringify(result ?? null));
}

export const shape = (random: Random): Shape => pick(random, SHAPES)(random);

export function testsOf(shape: Shape, random: Random): FunctionTest[] {
  const source = sourceOf(shape);
  return shape.inputs(random).map((args) => ({ args, expected: run(source, shape.name, args) }));
}

/** `f([1, 2], "a")` */
export const call = (name: string, args: readonly unknown[]) =>
  `${name}(${args.map((arg) => JSON.stringify(arg).replaceAll(",", ", ")).join(", ")})`;

export function javascript(random: Random): Task {
  const made = shape(random);
  const tests = testsOf(made, random);
  const { name, parameters, does } = made;
  const signature = `${name}(${parameters.join(", ")})`;
  const example = pick(random, tests);
  const shown = `\n\nExample: ${call(name, example.args)} gives ${JSON.stringify(example.expected)}.`;
  const prompt = pick(random, [
    `Write a JavaScript function ${signature} that ${does}.`,
    `Write a function \`${signature}\` in JavaScript that ${does}.`,
    `I need a JavaScript function ${signature}. It ${does}.`,
  ]);
  return {
    kind: "javascript",
    prompt: random.below(2) ? prompt + shown : prompt,
    reply: `\`\`\`js\n${sourceOf(made).join("\n")}\n\`\`\``,
    code: { entryPoint: name, tests },
  };
}
