/** Planted bugs: a function with one line changed in one of many ways, so that a test fails. Which line is it, and what should stand there? */
import type { Random } from "../../base/index.ts";
import { call, endsAndFails } from "../tasks/index.ts";
import { type Shape, sourceOf } from "./code/shape.ts";
import { between, type Exercise, type Making, oneIn, pick, several } from "./exercise.ts";
import { FormSet } from "./form.ts";
import { drawShape, testsOf } from "./functions.ts";
import { functionName } from "./lexicon/identifiers.ts";
import { framed, untidy } from "./wording.ts";

/** A way in which people get a line wrong: what it becomes, or null where it does not fit. */
type Mutation = (line: string, random: Random, shape: Shape) => string | null;

/** One of the places where a pattern fits, replaced. */
function replaceOne(line: string, random: Random, pattern: RegExp, by: (found: string) => string): string | null {
  const places = [...line.matchAll(pattern)];
  if (places.length === 0) return null;
  const place = pick(random, places);
  return line.slice(0, place.index) + by(place[0]) + line.slice(place.index + place[0].length);
}

const swap =
  (pattern: RegExp, table: Readonly<Record<string, readonly string[]>>): Mutation =>
  (line, random) =>
    replaceOne(line, random, pattern, (found) => pick(random, table[found]));

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  "border of a comparison": swap(/ (?:<=|>=|<|>) /g, {
    " < ": [" <= "],
    " <= ": [" < "],
    " > ": [" >= "],
    " >= ": [" > "],
  }),
  "direction of a comparison": swap(/ (?:<=|>=|<|>) /g, {
    " < ": [" > "],
    " <= ": [" >= "],
    " > ": [" < "],
    " >= ": [" <= "],
  }),
  "equal and not equal": swap(/ (?:===|!==) /g, { " === ": [" !== "], " !== ": [" === "] }),
  "arithmetic operator": swap(/ [-+*%] /g, {
    " + ": [" - ", " * "],
    " - ": [" + "],
    " * ": [" + "],
    " % ": [" / ", " * "],
  }),
  "assignment operator": swap(/ [-+*]= /g, { " += ": [" = ", " -= "], " -= ": [" += "], " *= ": [" += ", " = "] }),
  "start value": (line, random) =>
    replaceOne(
      line,
      random,
      /(?<== )(?:0|1|""|\[\]|null)(?=;)/g,
      (found) => ({ "0": "1", "1": "0", '""': '" "', "[]": "[0]", null: "0" })[found]!,
    ),
  "start of a loop": (line, random) =>
    line.includes("for (let")
      ? replaceOne(
          line,
          random,
          /= \d+(?=;)/g,
          (found) => `= ${Number(found.slice(2)) + (found === "= 0" ? 1 : random.below(2) ? 1 : -1)}`,
        )
      : null,
  "end of a loop": (line, random) =>
    line.includes("for (let") ? replaceOne(line, random, /\.length(?=;)/g, (found) => `${found} - 1`) : null,
  "step of a loop": (line, random) =>
    replaceOne(line, random, /\+\+\)|\+\+;|\+= [2-9]\)/g, (found) =>
      found === "++)" ? " += 2)" : found === "++;" ? "--;" : `+= ${Number(found[3]) + 1})`,
    ),
  "number off by one": (line, random) =>
    replaceOne(line, random, /(?<=[\s(-])[2-9]\d*(?=[\s);,])/g, (found) =>
      String(Number(found) + (random.below(2) ? 1 : -1)),
    ),
  "truth value": swap(/\b(?:true|false)\b/g, { true: ["false"], false: ["true"] }),
  "missing not": (line, random) => replaceOne(line, random, /!(?=[("a-z])(?!==)/g, () => ""),
  "and for or": swap(/ (?:&&|\|\|) /g, { " && ": [" || "], " || ": [" && "] }),
  "other variable": (line, random, { parameters, body }) => {
    const locals = [...body.join("\n").matchAll(/(?:let|const|for \((?:const|let)) (\w+)/g)].map((match) => match[1]);
    const names = [...new Set([...parameters, ...locals])];
    if (names.length < 2 || /^\s*(?:let|const|for)/.test(line)) return null;
    return replaceOne(line, random, new RegExp(`(?<![\\w."])(?:${names.join("|")})(?![\\w"(])`, "g"), (found) =>
      pick(
        random,
        names.filter((name) => name !== found),
      ),
    );
  },
  "order of operands": (line, random) => {
    const found = replaceOne(line, random, /\b(\w+) - (\w+)\b/g, (text) => text.split(" - ").reverse().join(" - "));
    return found === line ? null : found;
  },
  "other method": swap(
    /\.(?:push|unshift|startsWith|endsWith|some|every|toUpperCase|toLowerCase)\b|Math\.(?:max|min)\b/g,
    {
      ".push": [".unshift"],
      ".unshift": [".push"],
      ".startsWith": [".endsWith", ".includes"],
      ".endsWith": [".startsWith", ".includes"],
      ".some": [".every"],
      ".every": [".some"],
      ".toUpperCase": [".toLowerCase"],
      ".toLowerCase": [".toUpperCase"],
      "Math.max": ["Math.min"],
      "Math.min": ["Math.max"],
    },
  ),
  "index at the end": swap(/\.at\(-1\)|\[0\]|\.length - 1/g, {
    ".at(-1)": [".at(0)"],
    "[0]": ["[1]"],
    ".length - 1": [".length", ".length - 2"],
  }),
  "returned too early": (line, random, { body }) => {
    if (!/^\s*\w+ (?:\+=|=) |\.push\(/.test(line)) return null;
    const result = /return (\w+);/.exec(body.at(-1)!)?.[1];
    return result && oneIn(random, 2) ? line.replace(/\S.*$/, `return ${result};`) : null;
  },
};

const ASK = new FormSet("bugs", [
  "[Which line|What line] [has the bug|is wrong|is the mistake in|contains the error]? [Fix it.|Please fix it.|And how do I fix it?|What should it be?|Mend it.|Show the fix.]",
  "[Find|Please find|Can you find|Could you find|Locate|Help me find|Spot] the [bug|mistake|error|wrong line|fault] [and fix it|and correct it|and mend it|and repair it][.|, please.]",
  "[One line is wrong.|There is one bug in it.|There is a mistake in one line.|One line has a bug.] [Which one, and what should it be?|Name the line and fix it.|Which is it? Please correct it.]",
  "[What's wrong|What is wrong|Where is the mistake|Where is the bug|What did I do wrong|Why does it not work]? [Tell me the line and the fix.|Give me the line number and the right code.|Please correct the line.]",
]);

const TOLD = new FormSet("bugs", [
  "This [JavaScript |][function|code|program] [should|is supposed to|ought to|has to|must] {do}, but {call} [does not give|gives something other than|should give|does not return|is not] {result}.",
  "I [wrote|have|made|was given] a [JavaScript |]function that [should|is meant to|has to] {do}. [For|With] {call} I [expect|want|should get] {result}, but [get something else|that is not what comes|it is wrong].",
  "{call} [should be|should return|must give|is expected to give] {result}, but it [is not|does not|isn't]. The function [should|is meant to|has to] {do}.",
  "The [test|check] {call} = {result} fails. [The function|This function|My function] [should|must|has to] {do}.",
]);

const FOUND = new FormSet("bugs", [
  "The [bug|mistake|error] is in line {line}: `{wrong}` should be `{right}`.",
  "Line {line} is wrong: `{wrong}` should be `{right}`.",
]);

/** "returns the sum" → "return the sum"; "checks … and returns …" → "check … and return …". */
const bare = (does: string): string => does.replace(/^(\w+)s\b/, "$1").replace(/ and returns\b/g, " and return");

/** Functions that are tried for a way before another way is drawn. */
const MAX_TRIES = 60;

export function bugs(making: Making): Exercise {
  const { random, forms } = making;
  let [kind, mutation] = pick(random, Object.entries(MUTATIONS));
  for (let tries = 1; ; tries++) {
    // Some ways fit few functions: each way is drawn first, so that all come as often.
    if (tries % MAX_TRIES === 0) [kind, mutation] = pick(random, Object.entries(MUTATIONS));
    const shape = drawShape(making);
    const name = functionName(making, shape.speaking);
    if (shape.parameters.includes(name)) continue;
    const right = sourceOf(name, shape, oneIn(random, 4));
    const at = right.length === 1 ? 0 : between(random, 1, right.length - 2);
    // What stands before an arrow is the head of the function, not its code.
    const head = right.length === 1 ? right[0].indexOf("=>") : 0;
    const changed = mutation(right[at].slice(head), random, shape);
    if (changed === null) continue;
    const wrong = right[at].slice(0, head) + changed;
    const broken = right.with(at, wrong);
    const tests = testsOf(right, name, shape, random);
    const failing = tests.filter(({ args, expected }) => endsAndFails(broken, name, args, expected));
    if (failing.length === 0 || wrong === right[at]) continue;
    const [{ args, expected }] = several(random, failing, 1);
    const told = TOLD.draw(
      random,
      { do: bare(shape.does), call: call(name, args), result: JSON.stringify(expected) },
      forms === "seen" ? "seen" : "any",
    );
    const asked = ASK.draw(random, {}, forms);
    const numbered = broken.map((line, i) => `${i + 1} ${line}`).join("\n");
    const question = oneIn(random, 3)
      ? `${asked.text} ${told.text}\n\n${numbered}`
      : `${told.text}\n\n${numbered}\n\n${asked.text}`;
    const around = oneIn(random, 4) ? framed(making, question) : { text: question, form: "", unseen: false };
    const found = FOUND.draw(random, { line: String(at + 1), wrong: wrong.trim(), right: right[at].trim() }, "seen");
    return {
      kind: "bugs",
      turns: [
        { role: "user", content: untidyProse(random, around.text, numbered) },
        { role: "assistant", content: `${found.text}\n\n\`\`\`js\n${right.join("\n")}\n\`\`\`` },
      ],
      problem: `${shape.problem} | ${kind} | ${at}`,
      form: `${asked.form} ${told.form}${around.form}`,
      unseen: asked.unseen || told.unseen || around.unseen,
      code: { entryPoint: name, tests },
      bug: { line: at + 1, fixed: right[at].trim() },
    };
  }
}

/** Untidy words around code that stays as it is. */
function untidyProse(random: Random, text: string, code: string): string {
  const [before, after] = text.split(code);
  // What names calls and results is code too.
  const prose = /\(/.test(before) ? before : untidy(random, before);
  return prose + code + untidy(random, after);
}

export const bugForms = ASK.count * TOLD.count;
