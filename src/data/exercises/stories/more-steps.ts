/** Stories of two and three steps: several changes, groups with a rest, prices and change, comparisons that build on each other. */
import { between, pick } from "../exercise.ts";
import { FormSet } from "../form.ts";
import { people, person } from "../lexicon/names.ts";
import { container, thing, things } from "../lexicon/things.ts";
import { type Frame, numberSlots, personSlots, sizeOf, thingSlots } from "./frame.ts";
import { GAINS, GROUPS, HAS, LOSES } from "./one-step.ts";

const set = (...templates: string[]) => new FormSet("stories", templates);

const IN_THE_END = set(
  "How many {things} does {name} have [in the end|now|after that|at the end|finally][?|]",
  "[Find|Tell me|Calculate|Work out] how many {things} {name} has [now|in the end|after all this].",
  "How many {things} [are there now|are left in the end|does that leave][?|]",
);
const AGAIN = set(
  "[Then|After that|Finally|At last|Next] {he} [gives away|loses|sells|uses|gave away|lost|sold|used] {c} [of them|{things}|].",
  "{c} of them [are sold|get lost|break|are given to a friend|were sold|got lost|broke].",
);

/** First more, then fewer, or the other way round. */
const twoChanges: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const what = thing(making);
  const size = sizeOf(random);
  const [a, b] = [between(random, 5, size), between(random, 2, size)];
  const more = random.below(3) > 0;
  const middle = more ? a + b : a - Math.min(b, a - 3);
  const change = Math.abs(middle - a);
  const c = between(random, 1, middle - 1);
  const slots = { ...personSlots(who), ...thingSlots(what), ...numberSlots({ a, b: change, c }) };
  return {
    problem: `changes ${a} ${more ? "+" : "-"}${change} -${c}`,
    facts: [
      { forms: HAS, slots },
      { forms: more ? GAINS : LOSES, slots },
      { forms: AGAIN, slots },
    ],
    question: { forms: IN_THE_END, slots },
    steps: [
      `First ${who.he} has ${a} ${more ? "+" : "-"} ${change} = ${middle} ${what.many}.`,
      `Then ${who.he} has ${middle} - ${c} = ${middle - c} ${what.many}.`,
    ],
    answer: middle - c,
  };
};

const PRICE = set(
  "[A|One|Each] {thing} costs [{$p}|{p} dollars]. {name} buys {a} [of them|{things}] and pays with [{$c}|{c} dollars].",
  "{name} [buys|bought|orders|ordered] {a} {things} at [{$p}|{p} dollars] [each|apiece|a piece]. {He} [pays|paid] with [a note of {$c}|{$c}|{c} dollars].",
  "{name} has [{$c}|{c} dollars] and buys {a} {things} [for|at] [{$p}|{p} dollars] each.",
);
const CHANGE = set(
  "How much [change does {he} get|money is left|money does {he} have left|does {he} get back|is left][?|, in dollars?|]",
  "How many dollars [does {he} get back|are left|remain|does {he} have left][?|]",
);
const change: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const what = thing(making);
  const [a, p] = [between(random, 2, 12), between(random, 2, 12)];
  const c = a * p + between(random, 1, 60);
  const slots = { ...personSlots(who), ...thingSlots(what), ...numberSlots({ a, p, c }) };
  return {
    problem: `price ${a} ${p} ${c}`,
    facts: [{ forms: PRICE, slots }],
    question: { forms: CHANGE, slots },
    steps: [`The price is ${a} x ${p} = ${a * p} dollars.`, `${c} - ${a * p} = ${c - a * p} dollars are left.`],
    answer: c - a * p,
  };
};

const TWO_KINDS = set(
  "{name} [buys|bought|orders|ordered] {a} {things} at [{$p}|{p} dollars] each and {b} {things2} at [{$q}|{q} dollars] each.",
  "[A|One] {thing} costs {$p} and a {thing2} {$q}. {name} [buys|takes|wants|orders] {a} {things} and {b} {things2}.",
);
const PAYS = set(
  "How much does {he} [pay|spend|have to pay|need] [in all|altogether|in total|][?|]",
  "[What is|Find|Tell me|Calculate] the [total price|total cost|bill|whole price][?|.|]",
);
const bill: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const [one, other] = things(making, 2);
  const [a, p, b, q] = [between(random, 2, 9), between(random, 2, 12), between(random, 2, 9), between(random, 2, 12)];
  const slots = {
    ...personSlots(who),
    ...thingSlots(one),
    ...thingSlots(other, "2"),
    ...numberSlots({ a, p, b, q }),
  };
  const sum = a * p + b * q;
  return {
    problem: `bill ${a} ${p} ${b} ${q}`,
    facts: [{ forms: TWO_KINDS, slots }],
    question: { forms: PAYS, slots },
    steps: [
      `The ${one.many} cost ${a} x ${p} = ${a * p} dollars.`,
      `The ${other.many} cost ${b} x ${q} = ${b * q} dollars.`,
      `Together that is ${a * p} + ${b * q} = ${sum} dollars.`,
    ],
    answer: sum,
  };
};

const REST = set(
  "{name} [gives away|gave away|sells|sold|uses|used|loses|lost] {c} of the {things}.",
  "{c} {things} [are broken|are sold|get lost|are given away|were eaten|are missing].",
);
const LOOSE = set(
  "{name} [also has|has also|keeps|finds] {c} [loose {things}|{things} more|more {things} outside].",
  "[Besides|In addition|Apart from that|Next to them] there are {c} [loose|other|more|single] {things}.",
);
const ALL_NOW = set(
  "How many {things} [are there|does {name} have|is that|are there now] [in all|altogether|in total|in the end|now][?|]",
  "[Find|Tell me|Calculate|Work out] how many {things} there are [in all|in the end|now].",
);
const groupsAndRest: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const what = thing(making);
  const box = container(random);
  const [a, b] = [between(random, 2, 12), between(random, 2, 12)];
  const more = random.below(2) === 0;
  const c = more ? between(random, 1, 40) : between(random, 1, a * b - 1);
  const answer = more ? a * b + c : a * b - c;
  const slots = {
    ...personSlots(who),
    ...thingSlots(what),
    box: box.one,
    boxes: box.many,
    ...numberSlots({ a, b, c }),
  };
  return {
    problem: `groups ${a} ${b} ${more ? "+" : "-"}${c}`,
    facts: [
      { forms: GROUPS, slots },
      { forms: more ? LOOSE : REST, slots },
    ],
    question: { forms: ALL_NOW, slots },
    steps: [
      `The ${box.many} hold ${a} x ${b} = ${a * b} ${what.many}.`,
      `${a * b} ${more ? "+" : "-"} ${c} = ${answer} ${what.many}.`,
    ],
    answer,
  };
};

const JOINED = set(
  "{name} has {a} {things} and {name2} has {b}. They [put|pack|sort|divide] [all of them|them] [equally |evenly |]into {k} {boxes}.",
  "[A class has|There are|A team has|We have] {a} {things} and {b} [new|more|other] {things}, [packed|sorted|divided|put] [equally |evenly |]into {k} {boxes}.",
);
const PER_BOX = set(
  "How many {things} [are in each {box}|go into each {box}|does each {box} hold|are there in one {box}][?|]",
);
const joined: Frame = (making) => {
  const { random } = making;
  const [one, other] = people(making, 2);
  const what = thing(making);
  const box = container(random);
  const [k, each] = [between(random, 2, 10), between(random, 2, 12)];
  const total = k * each;
  const a = between(random, 2, total - 2);
  const b = total - a;
  const slots = {
    ...personSlots(one),
    ...personSlots(other, "2"),
    ...thingSlots(what),
    box: box.one,
    boxes: box.many,
    ...numberSlots({ a, b, k }),
  };
  return {
    problem: `joined ${a} ${b} ${k}`,
    facts: [{ forms: JOINED, slots }],
    question: { forms: PER_BOX, slots },
    steps: [
      `Together there are ${a} + ${b} = ${total} ${what.many}.`,
      `Each ${box.one} gets ${total} / ${k} = ${each} ${what.many}.`,
    ],
    answer: each,
  };
};

const LEFT_AND_SHARED = set(
  "{name} had {c} {things}. {He} [gave away|lost|sold|ate|used] {a} and [shared|divided|split] the rest equally [among|between] {k} [friends|children|boxes|bags|days].",
  "[Of|From] {c} {things}, {a} [were broken|were sold|went missing|were eaten]. The rest [was|were] [shared|divided|split|packed] equally [among|into] {k} [groups|boxes|bags|friends].",
);
const EACH = set("How many [are in each|{things} are in each|does each get|{things} are there for each][?|]");
const leftAndShared: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const what = thing(making);
  const [k, each, a] = [between(random, 2, 10), between(random, 2, 12), between(random, 1, 40)];
  const c = k * each + a;
  const slots = { ...personSlots(who), ...thingSlots(what), ...numberSlots({ a, c, k }) };
  return {
    problem: `rest ${c} ${a} ${k}`,
    facts: [{ forms: LEFT_AND_SHARED, slots }],
    question: { forms: EACH, slots },
    steps: [`The rest is ${c} - ${a} = ${k * each} ${what.many}.`, `${k * each} / ${k} = ${each} for each.`],
    answer: each,
  };
};

const TIMES_WORD = ["", "", "twice", "three times", "four times", "five times"];
const AS_MANY = set(
  "{name} has {a} {things}. {name2} has {factor} as many[.| as {name}.| {things} as {name}.]",
  "{name2} has {factor} as many {things} as {name}, who has {a}.",
);
const TOGETHER = set(
  "How many {things} do they have [together|in all|altogether|in total][?|]",
  "How many {things} do [both|the two] of them have [together|in all|altogether][?|]",
  "[Find|Tell me|Calculate|Work out] how many {things} they have together.",
);
const asMany: Frame = (making) => {
  const { random } = making;
  const [one, other] = people(making, 2);
  const what = thing(making);
  const [a, factor] = [between(random, 2, 40), between(random, 2, 5)];
  const slots = {
    ...personSlots(one),
    ...personSlots(other, "2"),
    ...thingSlots(what),
    factor: TIMES_WORD[factor],
    ...numberSlots({ a }),
  };
  return {
    problem: `times ${a} ${factor}`,
    facts: [{ forms: AS_MANY, slots }],
    question: { forms: TOGETHER, slots },
    steps: [
      `${other.name} has ${factor} x ${a} = ${factor * a} ${what.many}.`,
      `Together they have ${a} + ${factor * a} = ${a + factor * a} ${what.many}.`,
    ],
    answer: a + factor * a,
  };
};

const THREE_HAVE = set(
  "{name} has {a} {things}. {name2} has {b} more than {name}, and {name3} has {c} fewer than {name2}.",
  "{name2} has {b} {things} more than {name} and {name3} has {c} fewer than {name2}. {name} has {a}.",
);
const ALL_THREE = set(
  "How many {things} do [all three|the three|they|the three of them] have [together|in all|altogether|in total][?|]",
);
const three: Frame = (making) => {
  const { random } = making;
  const [one, other, third] = people(making, 3);
  const what = thing(making);
  const [a, b] = [between(random, 3, 40), between(random, 2, 30)];
  const second = a + b;
  const c = between(random, 1, second - 1);
  const last = second - c;
  const slots = {
    ...personSlots(one),
    ...personSlots(other, "2"),
    ...personSlots(third, "3"),
    ...thingSlots(what),
    ...numberSlots({ a, b, c }),
  };
  return {
    problem: `three ${a} ${b} ${c}`,
    facts: [{ forms: THREE_HAVE, slots }],
    question: { forms: ALL_THREE, slots },
    steps: [
      `${other.name} has ${a} + ${b} = ${second} ${what.many}.`,
      `${third.name} has ${second} - ${c} = ${last} ${what.many}.`,
      `Together they have ${a} + ${second} + ${last} = ${a + second + last} ${what.many}.`,
    ],
    answer: a + second + last,
  };
};

const SCENES: readonly [string, string, string, string][] = [
  ["reads", "pages", "read", "of a book"],
  ["runs", "laps", "run", "around the field"],
  ["sells", "tickets", "sell", "for the fair"],
  ["bakes", "cookies", "bake", "for the party"],
  ["learns", "words", "learn", "in Spanish"],
  ["plants", "flowers", "plant", "in the park"],
  ["writes", "lines", "write", "of a poem"],
  ["folds", "paper birds", "fold", "for the window"],
];
const DAYS = set(
  "On [Monday|Saturday|the first day] {name} {verb} {a} {units} {where}, on [the next day|the second day] {b} more than [that|on the day before|the day before], and on the [third day|day after that|last day] {c}.",
);
const DAYS_ALL = set(
  "How many {units} [is that|does {he} {base}|is it] [in all|altogether|in total|in the three days|in all three days][?|]",
);
const days: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const [verb, units, base, where] = pick(random, SCENES);
  const [a, b, c] = [between(random, 2, 40), between(random, 2, 20), between(random, 2, 40)];
  const slots = { ...personSlots(who), verb, units, base, where, ...numberSlots({ a, b, c }) };
  return {
    problem: `days ${a} ${b} ${c}`,
    facts: [{ forms: DAYS, slots }],
    question: { forms: DAYS_ALL, slots },
    steps: [
      `On the second day it is ${a} + ${b} = ${a + b} ${units}.`,
      `In all it is ${a} + ${a + b} + ${c} = ${a + a + b + c} ${units}.`,
    ],
    answer: a + a + b + c,
  };
};

export const TWO_STEPS: readonly Frame[] = [
  twoChanges,
  twoChanges,
  change,
  groupsAndRest,
  joined,
  leftAndShared,
  asMany,
];
export const THREE_STEPS: readonly Frame[] = [bill, three, days];
