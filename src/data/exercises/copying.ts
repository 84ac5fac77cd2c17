/** Copying and quoting: words, names, numbers and lines that were never seen, repeated, counted, picked out, turned round, put together. */
import type { Random } from "../../base/index.ts";
import { between, type Exercise, type Making, pick, several } from "./exercise.ts";
import { FormSet } from "./form.ts";
import { people } from "./lexicon/names.ts";
import { things } from "./lexicon/things.ts";
import { framed, untidy } from "./wording.ts";

const set = (...templates: string[]) => new FormSet("copying", templates);

const SYLLABLES =
  "ka lo mi ren tu sha vel dor pin gra zu fa bel ni tor ash quo len dri mo sta ru hy pol cre wi jan so tep".split(" ");
const invented = (random: Random): string =>
  Array.from({ length: between(random, 1, 3) }, () => pick(random, SYLLABLES)).join("");
const code = (random: Random): string =>
  Array.from({ length: between(random, 3, 8) }, () =>
    pick(random, [..."abcdefghkmnpqrstuvwxyzABCDEFGHKLMNPQRSTUVWXYZ23456789"]),
  ).join("");

/** Something to copy: a made-up word, a code, a number, a name, a few words. */
function token(making: Making): string {
  const { random } = making;
  switch (random.below(6)) {
    case 0:
      return code(random);
    case 1:
      return String(between(random, 10, 10 ** between(random, 2, 7)));
    case 2:
      return people(making, 1)[0].name;
    case 3:
      return things(making, 1)[0].many;
    case 4:
      return `${invented(random)} ${invented(random)} ${invented(random)}`;
    default:
      return invented(random);
  }
}

const tokens = (making: Making, count: number): string[] => {
  const found = new Set<string>();
  while (found.size < count) found.add(token(making));
  return [...found];
};

const REPEAT = set(
  '[Repeat|Please repeat|Say|Copy|Please copy|Write|Type|Echo|Quote|Give back] [this|the following|this text|what follows|exactly this][:| word for word:|, letter by letter:] [{x}|"{x}"|`{x}`]',
  "[Can you say|Can you repeat|Could you write|Would you say|Please just say|Just say|Only answer with] [\"{x}\"|'{x}'|`{x}`][?|.||, please.]",
  "[My word is|The password is|The code is|The secret word is|My name is|The magic word is] {x}. [What is it|Repeat it|What did I say|Say it back|Tell it back to me|Which one was it][?|.|, please.]",
);
const TIMES = set(
  '[Say|Write|Repeat|Type|Please write|Print] ["{x}"|`{x}`|{x}] {n} times[.| in a row.|, with spaces between.|, please.]',
);
const WHICH = set(
  "[Here is a list:|A list:|These are the words:|Look at this list:|Given:] {list}. [What is|Which is|Tell me|Give me] the {nth} [one|word|item|entry|element][?|.]",
  "[What|Which] is the {nth} [of|one of|item in|entry in|word in] [these|this list|the list]: {list}[?|]",
);
const COUNT = set(
  "[How many [words|items|entries|things] are|Count the [words|items|entries|things]] in [this list|the list|the following list]: {list}[?|.|]",
  "[Here is a list:|A list:|Look at this list:|Given:] {list}. How many [items|entries|things] [does it have|are there|are in it]?",
);
const REVERSE = set(
  "[Turn this list round|Reverse this list|Write this list backwards|Give this list in reverse order|Put these in the opposite order|Read this list from the end]: {list}",
);
const SORT = set(
  "[Sort|Please sort|Put|Order|Arrange|Can you sort] [these words|these names|this list|the following] [alphabetically|by the alphabet|from A to Z|in alphabetical order|in the order of the alphabet]: {list}",
);
const FIND = set(
  "[Note:|Remember this:|Information:|Read this:|Here is what I know:|From my notes:] {facts} [What|Which] is [the {key}|the {key} in it]?",
  "{facts} [Please tell me|Tell me|Give me|Now name|So what is|What was] the {key}[.|?]",
);
const JOIN = set(
  '[Join|Put together|Combine|Connect|Link] {list} [with|using|by] [a dash|dashes|a hyphen|"-"][.| between them.|]',
);
const HAS = set(
  '[Is|Does the list have|Do you see|Can you find] ["{x}"|{x}] in [this list|the list|these|here]: {list}[?|]',
  '{list}. [Is|Was] ["{x}"|{x}] [in the list|among them|in it]?',
);

const NTH = ["first", "second", "third", "fourth", "fifth", "sixth"];
const KEYS = "colour code name number city password animal room key word title price date owner size".split(" ");

/** One exercise: its wording, what fills it, and the right answer. */
function make(making: Making): {
  forms: FormSet;
  slots: Record<string, string>;
  reply: string;
  answer: string;
  problem: string;
} {
  const { random } = making;
  const items = tokens(making, between(random, 3, 6));
  const list = items.join(", ");
  const x = token(making);
  switch (random.below(10)) {
    case 0:
    case 1:
      return { forms: REPEAT, slots: { x }, reply: x, answer: x, problem: `repeat ${x}` };
    case 2: {
      const n = between(random, 2, 5);
      const answer = Array.from({ length: n }, () => x).join(" ");
      return { forms: TIMES, slots: { x, n: String(n) }, reply: answer, answer, problem: `times ${x} ${n}` };
    }
    case 3: {
      const i = random.below(items.length);
      return {
        forms: WHICH,
        slots: { list, nth: NTH[i] },
        reply: items[i],
        answer: items[i],
        problem: `which ${list} ${i}`,
      };
    }
    case 4: {
      const answer = String(items.length);
      const reply = `${items.map((item, i) => `${i + 1}. ${item}`).join("\n")}\nThe answer is ${answer}.`;
      return { forms: COUNT, slots: { list }, reply, answer, problem: `count ${list}` };
    }
    case 5: {
      const answer = items.toReversed().join(", ");
      return { forms: REVERSE, slots: { list }, reply: answer, answer, problem: `reverse ${list}` };
    }
    case 6: {
      const names = people(making, between(random, 3, 5)).map(({ name }) => name);
      const answer = names.toSorted().join(", ");
      return { forms: SORT, slots: { list: names.join(", ") }, reply: answer, answer, problem: `sort ${names}` };
    }
    case 7: {
      const keys = several(random, KEYS, between(random, 2, 4));
      const i = random.below(keys.length);
      const facts = keys.map((key, k) => `The ${key} is ${items[k % items.length]}.`).join(" ");
      const answer = items[i % items.length];
      return {
        forms: FIND,
        slots: { facts, key: keys[i] },
        reply: `The ${keys[i]} is ${answer}.`,
        answer,
        problem: `find ${facts} ${keys[i]}`,
      };
    }
    case 8: {
      const answer = items.join("-");
      return { forms: JOIN, slots: { list: items.join(" and ") }, reply: answer, answer, problem: `join ${list}` };
    }
    default: {
      const there = random.below(2) === 0;
      const word = there ? pick(random, items) : x;
      const yes = items.includes(word);
      return {
        forms: HAS,
        slots: { x: word, list },
        reply: yes ? "Yes." : "No.",
        answer: yes ? "Yes" : "No",
        problem: `has ${word} ${list}`,
      };
    }
  }
}

export function copying(making: Making): Exercise {
  const { random, forms } = making;
  const { forms: set, slots, reply, answer, problem } = make(making);
  const asked = set.draw(random, slots, forms);
  const around = framed(making, asked.text);
  // What is to be copied must not be made untidy itself.
  const copied = new Set(
    Object.values(slots)
      .join(" ")
      .match(/[A-Za-z]+/g) ?? [],
  );
  const text = /[:"`']/.test(asked.text) ? around.text : untidy(random, around.text, copied);
  return {
    kind: "copying",
    turns: [
      { role: "user", content: text },
      { role: "assistant", content: reply },
    ],
    problem,
    form: asked.form + around.form,
    unseen: asked.unseen || around.unseen,
    answer,
  };
}
