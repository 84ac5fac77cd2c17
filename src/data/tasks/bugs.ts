/** Planted bugs: a small function with one line changed so that a test fails. Name the line, give the fix. */
import { isDeepStrictEqual } from "node:util";
import type { Random } from "../../base/index.ts";
import { call, run, shape, sourceOf, testsOf } from "./functions.ts";
import { between, pick, several, type Task } from "./task.ts";

/** Changes that people make by mistake: what stands there, and what it becomes. */
const MUTATIONS: [RegExp, string[]][] = [
  [/ < /, [" <= ", " > "]],
  [/ <= /, [" < "]],
  [/ > /, [" >= ", " < "]],
  [/ >= /, [" > "]],
  [/ === /, [" !== "]],
  [/ !== /, [" === "]],
  [/ \+= /, [" -= ", " = "]],
  [/ \*= /, [" += "]],
  [/ \* /, [" + "]],
  [/ \+ /, [" - "]],
  [/ - /, [" + "]],
  [/ = 0;/, [" = 1;"]],
  [/ = 1;/, [" = 0;"]],
  [/return true;/, ["return false;"]],
  [/return false;/, ["return true;"]],
  [/\+\+;$/, ["--;"]],
  [/ % /, [" / "]],
  [/!\(/, ["("]],
  [/\.length - 1/, [".length"]],
];

/** The line with one mistake in it, or null where none fits. */
export function mutate(line: string, random: Random): string | null {
  const fitting = MUTATIONS.filter(([pattern]) => pattern.test(line));
  if (fitting.length === 0) return null;
  const [pattern, becomes] = pick(random, fitting);
  return line.replace(pattern, pick(random, becomes));
}

/** A run that ends: loops of a mutated function may not. */
export function endsAndFails(
  source: readonly string[],
  name: string,
  args: readonly unknown[],
  expected: unknown,
): boolean {
  // Every loop of the generator's functions counts something down or up to a limit; a counter stops those that lost it.
  const guarded = source.map((line) =>
    line.replace(/^(\s*(?:for|while) \(.*\{)$/, "$1 if (++steps > 1000) throw new Error('endless');"),
  );
  try {
    return !isDeepStrictEqual(run(["let steps = 0;", ...guarded], name, args), expected);
  } catch {
    return true;
  }
}

export function bug(random: Random): Task {
  for (;;) {
    const made = shape(random);
    const tests = testsOf(made, random);
    const right = sourceOf(made);
    const line = between(random, 1, right.length - 2);
    const wrong = mutate(right[line], random);
    if (wrong === null) continue;
    const broken = right.with(line, wrong);
    const failing = tests.filter(({ args, expected }) => endsAndFails(broken, made.name, args, expected));
    if (failing.length === 0) continue;
    const [{ args, expected }] = several(random, failing, 1);
    const numbered = broken.map((text, i) => `${i + 1} ${text}`).join("\n");
    const ask = pick(random, [
      "Which line has the bug? Fix it.",
      "Find the bug and fix it.",
      "One line is wrong. Which one, and what should it be?",
    ]);
    return {
      kind: "bug",
      prompt: `This JavaScript function ${made.does.replace(/^returns/, "should return").replace(/^takes(.*) returns/, "should take$1 return")}, but ${call(made.name, args)} does not give ${JSON.stringify(expected)}.\n\n${numbered}\n\n${ask}`,
      reply: `The bug is in line ${line + 1}: \`${wrong.trim()}\` should be \`${right[line].trim()}\`.\n\n\`\`\`js\n${right.join("\n")}\n\`\`\``,
      code: { entryPoint: made.name, tests },
      bug: { line: line + 1, fixed: right[line].trim() },
    };
  }
}
