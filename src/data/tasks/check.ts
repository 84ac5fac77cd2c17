/** Whether a reply solves a task: the final number is right, the function passes its tests, the bug is found and mended. */
import { isDeepStrictEqual } from "node:util";
import { call } from "./functions.ts";
import { type Outcome, runProgram, type SandboxLimits } from "./sandbox.ts";
import type { FunctionTest, Task } from "./task.ts";

export interface Verdict {
  /** Of a bug: line and fix both. */
  correct: boolean;
  /** One line that says why. */
  detail: string;
  /** Of a bug: whether the right line was named, and whether the mended function passes the tests. */
  line?: boolean;
  fix?: boolean;
}

/** Checks a reply. Code in it runs in a sandbox within `limits` (see sandbox.ts for those that are used without), whatever it does. */
export async function checkTask(task: Task, reply: string, limits?: SandboxLimits): Promise<Verdict> {
  if (task.bug) return checkBug(task, reply, limits);
  if (task.code) {
    const source = codeIn(reply, task.code.entryPoint);
    if (source === null) return { correct: false, detail: `there is no function ${task.code.entryPoint} in the reply` };
    return passes(source, task.code, limits);
  }
  return checkAnswer(task.answer!, reply);
}

function checkAnswer(expected: string, reply: string): Verdict {
  const given = finalAnswer(reply);
  if (given === null) return { correct: false, detail: "there is no number in the reply" };
  const right = finalAnswer(expected)!;
  const correct = given.value === right.value && given.remainder === right.remainder;
  return { correct, detail: `${given.text} ${correct ? "is right" : `should be ${expected}`}` };
}

interface Answer {
  value: number;
  remainder: number;
  text: string;
}

const NUMBER = /-?\d[\d,]*(?:\.\d+)?(?:\s*(?:remainder|r)\s*\d+)?/gi;

/** The number that a reply ends in: the first after its last "answer is" (behind an equals sign if one follows), else its last one. */
export function finalAnswer(reply: string): Answer | null {
  const text = reply.replaceAll("\u2212", "-").replaceAll(/[*$`]|\\boxed\{|\\\$/g, "");
  const pieces = text.split(/answer\s*(?:is|[:=])/i);
  const numbers = (part: string) => part.match(NUMBER) ?? [];
  const said =
    pieces.length > 1
      ? pieces
          .at(-1)!
          .replace(/^[:\s]+/, "")
          .split("\n")[0]
      : "";
  const found = numbers(said.slice(said.lastIndexOf("=") + 1))[0];
  const answer = found ?? numbers(text).at(-1);
  if (answer === undefined) return null;
  const [whole, remainder = "0"] = answer.split(/\s*(?:remainder|r)\s*/i);
  return { value: Number(whole.replaceAll(",", "")), remainder: Number(remainder), text: answer };
}

/** The code of a reply that defines a function: of the fenced blocks the last that does, else the function as it stands in the text. */
export function codeIn(reply: string, name: string): string | null {
  const defines = new RegExp(`function\\*?\\s+${name}\\s*\\(|\\b${name}\\s*=`);
  const block = partsOf(reply).blocks.findLast((code) => defines.test(code));
  if (block !== undefined) return block;
  return (
    new RegExp(
      `^(?:function\\s+${name}\\s*\\(|(?:const|let|var)\\s+${name}\\s*=)[\\s\\S]*?(?:^\\};?$|(?![\\s\\S]))`,
      "m",
    ).exec(reply)?.[0] ?? null
  );
}

const FENCE = "```";

/** The fenced blocks of a reply, and the words around them. A block that is not closed goes to the end. Time grows with the length of the reply alone. */
export function partsOf(reply: string): { blocks: string[]; prose: string } {
  const blocks: string[] = [];
  let prose = "";
  let from = 0;
  for (;;) {
    const open = reply.indexOf(FENCE, from);
    const begin = open < 0 ? -1 : reply.indexOf("\n", open + FENCE.length) + 1;
    if (begin <= 0) return { blocks, prose: prose + reply.slice(from) };
    const close = reply.indexOf(FENCE, begin);
    const end = close < 0 ? reply.length : close;
    prose += reply.slice(from, open);
    blocks.push(reply.slice(begin, end));
    from = Math.min(reply.length, end + FENCE.length);
  }
}

/** The first line that is named with a number: "line 3", "Line number: `3`", "line no. #3"; null where there is none. */
export function namedLine(prose: string): string | null {
  for (const { index } of prose.matchAll(/\bline/gi)) {
    let at = index + "line".length;
    // One pattern for all would try every way to share spaces between its parts.
    for (const part of [/\s*/y, /(?:number|no\.?)?/iy, /[\s:#*`]*/y]) {
      part.lastIndex = at;
      part.exec(prose);
      at = part.lastIndex;
    }
    const digits = /\d+/y;
    digits.lastIndex = at;
    const number = digits.exec(prose)?.[0];
    if (number !== undefined) return number;
  }
  return null;
}

async function passes(source: string, code: NonNullable<Task["code"]>, limits?: SandboxLimits): Promise<Verdict> {
  const { entryPoint, tests } = code;
  const outcomes = await runProgram({ source, entryPoint, calls: tests.map(({ args }) => args) }, limits);
  const wrong = tests.findIndex((test, i) => !isRight(outcomes[i], test));
  if (wrong < 0) return { correct: true, detail: `passes ${tests.length} tests` };
  const outcome = outcomes[wrong];
  const did = "error" in outcome ? outcome.error : `gives ${JSON.stringify(outcome.value).slice(0, 80)}`;
  const { args, expected } = tests[wrong];
  return { correct: false, detail: `${call(entryPoint, args)} should give ${JSON.stringify(expected)}: ${did}` };
}

const isRight = (outcome: Outcome, { expected }: FunctionTest) =>
  "value" in outcome && isDeepStrictEqual(outcome.value, expected);

async function checkBug(task: Task, reply: string, limits?: SandboxLimits): Promise<Verdict> {
  const { line: right } = task.bug!;
  const { prose } = partsOf(reply);
  const named = namedLine(prose);
  const line = Number(named) === right;
  const source = codeIn(reply, task.code!.entryPoint) ?? mended(task.prompt, prose, Number(named));
  const fixed = source === null ? null : await passes(source, task.code!, limits);
  const fix = fixed?.correct ?? false;
  const where =
    named === null ? "no line is named" : line ? `line ${right} is right` : `line ${named} should be ${right}`;
  return {
    correct: line && fix,
    detail: `${where}; ${fixed === null ? "there is no fix" : `the fix ${fixed.detail}`}`,
    line,
    fix,
  };
}

/** The function of a prompt with the named line replaced by the last piece of code in the reply's words; null where there is none. */
function mended(prompt: string, prose: string, line: number): string | null {
  const lines = [...prompt.matchAll(/^\d+ (.*)$/gm)].map(([, text]) => text);
  const replacement = [...prose.matchAll(/`([^`\n]+)`/g)].at(-1)?.[1];
  if (replacement === undefined || !(line >= 1 && line <= lines.length)) return null;
  return lines.with(line - 1, replacement).join("\n");
}
