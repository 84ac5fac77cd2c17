/** Small JavaScript functions to write: asked for in many wordings, under any name, in several styles of code, checked by calls. */
import type { Random } from "../../base/index.ts";
import { call, type FunctionTest, run } from "../tasks/index.ts";
import { ON_LISTS } from "./code/lists.ts";
import { ON_NUMBERS } from "./code/numbers.ts";
import { type Family, type Shape, sourceOf } from "./code/shape.ts";
import { ON_TEXTS } from "./code/texts.ts";
import { type Exercise, type Making, oneIn, pick } from "./exercise.ts";
import { FormSet } from "./form.ts";
import { functionName } from "./lexicon/identifiers.ts";
import { framed, untidy } from "./wording.ts";

const FAMILIES: readonly Family[] = [...ON_LISTS, ...ON_LISTS, ...ON_TEXTS, ...ON_NUMBERS];

const ASK = new FormSet("functions", [
  "[Write|Please write|Can you write|Could you write|Make|Create|Give me|Implement|Define|Code|I need|I want|Show me] a [JavaScript function|function in JavaScript|JS function|small JavaScript function|function (JavaScript)] [`{signature}`|{signature}|called {name} with the parameters {parameters}|named `{name}` that takes {parameters}] that {does}[.||, please.]",
  "[In JavaScript|In JS|With JavaScript|Using JavaScript]: [write|implement|make|define] [`{signature}`|{signature}], [which|a function that] {does}.",
  "[Write|Implement|Complete|Fill in] [this|the following] [JavaScript function|function]: `{signature}`. It [should do this:|does the following:|:] {does}.",
  "How [would I write|do I write|can I make|do you write] a [JavaScript function|function in JavaScript|JS function] [`{signature}`|{signature}] that {does}?",
  "`{signature}` {does}. [Write it in JavaScript.|Please implement it in JavaScript.|Give me the JavaScript code.|How does it look in JavaScript?|JavaScript, please.]",
  "[Task|Exercise|Problem|Job]: a JavaScript function {signature}. It {does}.",
]);

const EXAMPLE = new FormSet("functions", [
  "[Example|For example|For instance|So]: {call} [gives|returns|is|makes|should give|should be] {result}.",
  "[`{call}` → `{result}`|{call} => {result}|{call} // {result}]",
]);

const BEFORE = new FormSet("functions", [
  "[Here it is|Here is the function|Here you go|Sure|Of course|This does it|This function does that|Like this][:|.]",
]);

export const drawShape = (making: Making): Shape => pick(making.random, FAMILIES)(making);

/** Calls of a function with what they return. */
export function testsOf(source: readonly string[], name: string, shape: Shape, random: Random): FunctionTest[] {
  return shape.inputs(random).map((args) => ({ args, expected: run(source, name, args) }));
}

export function functions(making: Making): Exercise {
  const { random, forms } = making;
  const shape = drawShape(making);
  let name = functionName(making, shape.speaking);
  while (shape.parameters.includes(name)) name = functionName(making, shape.speaking);
  const source = sourceOf(name, shape, oneIn(random, 3));
  const tests = testsOf(source, name, shape, random);
  const parameters = shape.parameters.join(" and ");
  const slots = { name, parameters, signature: `${name}(${shape.parameters.join(", ")})`, does: shape.does };
  const asked = ASK.draw(random, slots, forms);
  let question = asked.text;
  let form = asked.form;
  if (oneIn(random, 2)) {
    const { args, expected } = pick(random, tests);
    const shown = { call: call(name, args), result: JSON.stringify(expected) };
    const example = EXAMPLE.draw(random, shown, forms === "seen" ? "seen" : "any");
    question += `${random.below(2) ? "\n" : " "}${example.text}`;
    form += ` example ${example.form}`;
  }
  const around = framed(making, question);
  const fence = `\`\`\`${pick(random, ["js", "js", "javascript"])}\n${source.join("\n")}\n\`\`\``;
  const says = oneIn(random, 5) ? `${BEFORE.draw(random, {}, "seen").text}\n\n${fence}` : fence;
  return {
    kind: "functions",
    turns: [
      { role: "user", content: untidy(random, around.text, new Set([name, ...shape.parameters])) },
      { role: "assistant", content: says },
    ],
    problem: shape.problem,
    form: form + around.form,
    unseen: asked.unseen || around.unseen,
    code: { entryPoint: name, tests },
  };
}

/** How many wordings of the question there are. */
export const functionForms = ASK.count;
