/** Word problems: a frame's sentences in one of their wordings, sometimes with a fact that does not matter, and the equations that solve it. */
import { between, type Exercise, type Making, oneIn, pick } from "./exercise.ts";
import { type Drawn, FormSet } from "./form.ts";
import { person } from "./lexicon/names.ts";
import { thing } from "./lexicon/things.ts";
import { personSlots, thingSlots } from "./stories/frame.ts";
import { THREE_STEPS, TWO_STEPS } from "./stories/more-steps.ts";
import { ONE_STEP } from "./stories/one-step.ts";
import { framed, untidy } from "./wording.ts";

/** Facts with a number that the question does not need. */
const ASIDES = new FormSet("stories", [
  "[The shop|The school|The park|The library|The market|The museum] is {n} minutes away.",
  "{name} is {n} years old.",
  "{name} [watches|sits nearby|comes by|helps], and [has|{he} has|is carrying] {n} {things}.",
  "[It is|It was] the {n}th [day of the month|of May|of June|of October].",
  "[The bus|The train|The film|The lesson] takes {n} minutes.",
  "There are {n} [people in the room|trees in the street|windows in the house|chairs around].",
]);

export function stories(making: Making): Exercise {
  const { random, forms } = making;
  const frame = pick(random, pick(random, [ONE_STEP, ONE_STEP, TWO_STEPS, TWO_STEPS, THREE_STEPS]));
  const story = frame(making);
  const drawn: Drawn[] = [];
  const tell = (set: FormSet, slots: Record<string, string>, sort: typeof forms) => {
    const text = set.draw(random, slots, sort);
    drawn.push(text);
    return text.text;
  };
  const sentences = [...story.facts, story.question];
  // Of an unseen wording one sentence is unseen, if it has such wordings; the others may be.
  const chosen = random.below(sentences.length);
  const texts = sentences.map(({ forms: set, slots }, i) =>
    tell(set, slots, forms === "unseen" && i !== chosen ? "any" : forms),
  );
  if (oneIn(random, 5) && texts.length > 1) {
    let someone = person(making);
    while (texts.join(" ").includes(someone.name)) someone = person(making);
    const slots = { ...personSlots(someone), ...thingSlots(thing(making)), n: String(between(random, 4, 20)) };
    texts.splice(between(random, 1, texts.length - 1), 0, tell(ASIDES, slots, forms === "seen" ? "seen" : "any"));
  }
  const around = framed(making, texts.join(" "), { steps: true });
  return {
    kind: "stories",
    turns: [
      { role: "user", content: untidy(random, around.text) },
      { role: "assistant", content: `${story.steps.join("\n")}\nThe answer is ${story.answer}.` },
    ],
    problem: story.problem,
    form: drawn.map(({ form }) => form).join(" ") + around.form,
    unseen: around.unseen || drawn.some(({ unseen }) => unseen),
    answer: `${story.answer}`,
  };
}
