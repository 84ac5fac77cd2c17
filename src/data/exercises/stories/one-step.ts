/** Stories of one step, after the kinds of Riley, Greeno and Heller (1983): change, combine, compare, equal groups; each with every unknown. */
import { between, pick } from "../exercise.ts";
import { FormSet } from "../form.ts";
import { people, person } from "../lexicon/names.ts";
import { container, thing, things } from "../lexicon/things.ts";
import { type Frame, numberSlots, personSlots, sizeOf, thingSlots } from "./frame.ts";

const set = (...templates: string[]) => new FormSet("stories", templates);

export const HAS = set(
  "{name} [has|had|owns|owned|keeps|kept] {a} {things}[.| at home.| in {his} room.| in a drawer.]",
  "[At first|To begin with|In the beginning|At the start|In the morning|On Monday|Yesterday|Last week] {name} had {a} {things}.",
  "{name} [starts|started|began|begins] with {a} {things}.",
  "There [are|were] {a} {things} [on {name}'s table|in {name}'s bag|in {name}'s room|at {name}'s house|in {name}'s collection|in {name}'s garden].",
  "{name} [counted|counts|collected|gathered|made|bought|found|picked] {a} {things}.",
);
export const GAINS = set(
  "{He} [then |later |also ||][finds|found|buys|bought|gets|got|collects|collected|is given|was given|wins|won|receives|received|picks up|picked up|adds|added|made|makes] {b} more[.| {things}.|, too.]",
  "[Then|Later|After that|The next day|In the afternoon|On Tuesday|Today|A friend came and] {he} [got|received|was given|found|bought] {b} more[.| {things}.]",
  "{His} [mother|father|uncle|aunt|sister|brother|neighbour|friend|teacher|grandmother] [gives|gave|brings|brought|sends|sent|handed] {him} {b} more[.| {things}.]",
);
export const LOSES = set(
  "{He} [then |later |accidentally ||][loses|lost|gives away|gave away|sells|sold|uses|used|breaks|broke|drops|dropped|throws away|threw away|donates|donated] {b} of them.",
  "[Then|Later|After that|The next day|In the afternoon|On Tuesday|Today|During lunch] {he} [gave away|sold|lost|used|broke|dropped] {b} of them.",
  "{He} [gives|gave|hands|handed|sends|sent|lends|lent] {b} [of them |{things} ||of these ]to {his} [mother|father|friend|sister|brother|cousin|neighbour|teacher].",
  "{b} of them [break|broke|got lost|went missing|were stolen|were given away|were sold].",
);

const NOW = set(
  "How many {things} does {name} have [now|in all|altogether|in total|in the end][?|]",
  "[What is the total number of|What number of] {things} [does {he} have|has {name} got] now[?|]",
  "[Find|Tell me|Calculate|Work out] how many {things} {name} has [now|in the end|altogether].",
  "How many {things} [are there|are there now|does that make|is that] [in all|altogether|in total][?|]",
);
const LEFT = set(
  "How many {things} does {name} [have left|still have|have now|have in the end|keep][?|]",
  "How many {things} [are left|remain|are still there|does {he} have left][?|]",
  "[Find|Tell me|Calculate|Work out] how many {things} [are left|remain|{name} has left|{he} still has].",
  "[What is the number of|What number of] {things} [left|that {name} still has|that remain][?|]",
);

const gain: Frame = (making) => {
  const { random } = making;
  const size = sizeOf(random);
  const who = person(making);
  const what = thing(making);
  const [a, b] = [between(random, 2, size), between(random, 2, size)];
  const slots = { ...personSlots(who), ...thingSlots(what), ...numberSlots({ a, b }) };
  return {
    problem: `gain ${a} ${b}`,
    facts: [
      { forms: HAS, slots },
      { forms: GAINS, slots },
    ],
    question: { forms: NOW, slots },
    steps: [`${who.name} has ${a} + ${b} = ${a + b} ${what.many}.`],
    answer: a + b,
  };
};

const loss: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const what = thing(making);
  const a = between(random, 5, sizeOf(random));
  const b = between(random, 1, a - 1);
  const slots = { ...personSlots(who), ...thingSlots(what), ...numberSlots({ a, b }) };
  return {
    problem: `loss ${a} ${b}`,
    facts: [
      { forms: HAS, slots },
      { forms: LOSES, slots },
    ],
    question: { forms: LEFT, slots },
    steps: [`${who.name} has ${a} - ${b} = ${a - b} ${what.many} left.`],
    answer: a - b,
  };
};

const CHANGED = set(
  "{name} had {a} {things}. [Now|Today|In the evening|After a while|At the end of the day] {he} has {c}. How many {things} did {he} [get|find|buy|receive|add][?|]",
  "[After|When] {name} [got|bought|found|received|was given] some more {things}, {he} had {c}. [Before that|At first|To begin with|Earlier] {he} had {a}. How many did {he} [get|buy|find|receive][?|]",
  "{name} has {a} {things} but [needs|wants|would like] {c}. How many more [must|does|should] {he} [get|need|buy|find][?|]",
);
const LOST = set(
  "{name} had {c} {things}. [Now|Today|In the evening|After a while|After lunch] {he} has {a} [left|]. How many {things} did {he} [lose|give away|sell|use|break][?|]",
  "[After|When] {name} [gave away|lost|sold|used] some of {his} {things}, {he} had {a} left. [Before that|At first|To begin with|Earlier] {he} had {c}. How many did {he} [give away|lose|sell|use][?|]",
);
const FIRST = set(
  "{name} [gave away|lost|sold|used|broke|ate up] {b} {things} and [now has|has|still has|is left with] {a}. How many {things} did {he} have [at first|in the beginning|to begin with|before|at the start][?|]",
  "[After|When] {name} [gave|handed|sold] {b} {things} to {his} [friend|sister|brother|neighbour], {he} had {a} left. How many [did {he} have|were there] [at first|in the beginning|to begin with|before][?|]",
);

/** The change or the start is asked for, not the result. */
const unknown: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const what = thing(making);
  const size = sizeOf(random);
  const [a, b] = [between(random, 2, size), between(random, 2, size)];
  const c = a + b;
  const slots = { ...personSlots(who), ...thingSlots(what), ...numberSlots({ a, b, c }) };
  const shape = random.below(3);
  if (shape === 0)
    return {
      problem: `change ${a} ${c}`,
      facts: [],
      question: { forms: CHANGED, slots },
      steps: [`The difference is ${c} - ${a} = ${b} ${what.many}.`],
      answer: b,
    };
  if (shape === 1)
    return {
      problem: `lost ${c} ${a}`,
      facts: [],
      question: { forms: LOST, slots },
      steps: [`The difference is ${c} - ${a} = ${b} ${what.many}.`],
      answer: b,
    };
  return {
    problem: `first ${a} ${b}`,
    facts: [],
    question: { forms: FIRST, slots },
    steps: [`At first there were ${a} + ${b} = ${c} ${what.many}.`],
    answer: c,
  };
};

const PARTS = set(
  "[There are|We have|I see|A shop has|A class has|{name} has|{name} counts|The box holds] {a} {things} and {b} {things2}[.| on the table.| in the garden.| in a box.]",
  "{name} [bought|made|found|picked|sold|packed] {a} {things} and {b} {things2}.",
  "In [a|the] [room|shop|box|garden|school|museum] there are {a} {things} and {b} {things2}.",
);
const WHOLE = set(
  "How many [is that|are there|are they|things are there|items is that] [in all|altogether|in total|together][?|]",
  "[What is|Find|Tell me|Calculate] the total[?|.| number of things.]",
);
const PART = set(
  "There are {c} {things} and {things2} [in a box|on the table|in the shop|in all|together]. {a} of them are {things}. How many [are {things2}|{things2} are there][?|]",
  "{name} has {c} things: {things} and {things2}. If {a} are {things}, how many [are {things2}|{things2} does {he} have][?|]",
  "Of {c} {things} and {things2}, {a} are {things}. How many {things2} [are there|are in it][?|]",
);

const combine: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const [one, other] = things(making, 2);
  const size = sizeOf(random);
  const [a, b] = [between(random, 2, size), between(random, 2, size)];
  const slots = {
    ...personSlots(who),
    ...thingSlots(one),
    ...thingSlots(other, "2"),
    ...numberSlots({ a, b, c: a + b }),
  };
  if (random.below(2))
    return {
      problem: `whole ${a} ${b}`,
      facts: [{ forms: PARTS, slots }],
      question: { forms: WHOLE, slots },
      steps: [`In all there are ${a} + ${b} = ${a + b}.`],
      answer: a + b,
    };
  return {
    problem: `part ${a + b} ${a}`,
    facts: [],
    question: { forms: PART, slots },
    steps: [`There are ${a + b} - ${a} = ${b} ${other.many}.`],
    answer: b,
  };
};

const TWO_HAVE = set(
  "{name} has {a} {things}[.| and|, while|, and] {name2} has {b}[.| {things}.| of them.]",
  "{name} [collected|found|made|bought|sold|picked] {a} {things}, {name2} [only |]{b}.",
  "{name} and {name2} [count|counted] their {things}: {name} has {a}, {name2} has {b}.",
);
const MORE_THAN = set(
  "How many more {things} does {name} have than {name2}[?|]",
  "How many fewer {things} does {name2} have than {name}[?|]",
  "By how many {things} [is {name} ahead of|does {name} beat] {name2}[?|]",
  "[What is|Find|Tell me|Calculate] the difference [between them|between their numbers of {things}|between the two][?|.|]",
);
const RELATIVE = set(
  "{name} has {a} {things}. {name2} has {b} more [than {name}|{things} than {name}|than that]. How many [does {name2} have|{things} does {name2} have|has {name2} got][?|]",
  "{name2} has {b} {things} more than {name}, who has {a}. How many [does {name2} have|{things} does {name2} have|has {name2} got][?|]",
);
const FEWER = set(
  "{name} has {c} {things}. {name2} has {b} fewer [than {name}|{things} than {name}|than that]. How many [does {name2} have|{things} does {name2} have|has {name2} got][?|]",
  "{name2} has {b} {things} [fewer|less] than {name}, who has {c}. How many [does {name2} have|{things} does {name2} have|has {name2} got][?|]",
);

const compare: Frame = (making) => {
  const { random } = making;
  const [one, other] = people(making, 2);
  const what = thing(making);
  const size = sizeOf(random);
  const [x, b] = [between(random, 2, size), between(random, 2, size)];
  const c = x + b;
  const base = { ...personSlots(one), ...personSlots(other, "2"), ...thingSlots(what) };
  const shape = random.below(3);
  if (shape === 0)
    return {
      problem: `compare ${c} ${x}`,
      facts: [{ forms: TWO_HAVE, slots: { ...base, ...numberSlots({ a: c, b: x }) } }],
      question: { forms: MORE_THAN, slots: base },
      steps: [`The difference is ${c} - ${x} = ${b} ${what.many}.`],
      answer: b,
    };
  const slots = { ...base, ...numberSlots({ a: x, b, c }) };
  return shape === 1
    ? {
        problem: `more ${x} ${b}`,
        facts: [],
        question: { forms: RELATIVE, slots },
        steps: [`${other.name} has ${x} + ${b} = ${c} ${what.many}.`],
        answer: c,
      }
    : {
        problem: `fewer ${c} ${b}`,
        facts: [],
        question: { forms: FEWER, slots },
        steps: [`${other.name} has ${c} - ${b} = ${x} ${what.many}.`],
        answer: x,
      };
};

export const GROUPS = set(
  "{name} has {a} {boxes}[.| of {things}.] [There are|It holds|Each {box} holds|Every {box} has|In each {box} there are|Each of them contains] {b} {things}.",
  "[There are|A shop has|A room has|We have] {a} {boxes} with {b} {things} [in each|each|apiece|in every {box}].",
  "Each {box} [holds|has|contains|can hold] {b} {things}. [There are|{name} has|{name} fills|{name} buys] {a} {boxes}.",
  "{name} [packs|packed|puts|put|arranges|arranged|places|placed] {b} {things} in each of {a} {boxes}.",
);
const ALL = set(
  "How many {things} [are there|is that|are there in all|does {name} have|does that make] [in all|altogether|in total|][?|]",
  "[What is the total number of|What number of] {things} [is that|are there|does {name} have][?|]",
  "[Find|Tell me|Calculate|Work out] how many {things} there are [in all|altogether|in total].",
);
const SHARED = set(
  "{name} [shares|shared|divides|divided|splits|split] {c} {things} equally among {a} [friends|children|people|classmates|neighbours|cousins]. How many [does each get|{things} does each of them get|does each one receive][?|]",
  "{c} {things} are [put|packed|placed|sorted|divided] [equally |evenly |]into {a} {boxes}. How many {things} [are in each {box}|go into each {box}|does each {box} hold][?|]",
  "{a} [friends|children|people|students|players] share {c} {things} [equally|evenly|fairly]. How many [does each get|does each of them get|are there for each][?|]",
);
const HOW_MANY_GROUPS = set(
  "{name} has {c} {things} and [puts|packs|places|wants to put] {b} in each {box}. How many {boxes} does {he} [need|fill|use][?|]",
  "[Each|One] {box} holds {b} {things}. How many {boxes} are needed for {c} {things}[?|]",
  "{c} {things} are packed in {boxes} of {b}. How many {boxes} [are there|is that|are needed][?|]",
);

const groups: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const what = thing(making);
  const box = container(random);
  const [a, b] = [between(random, 2, 12), between(random, 2, pick(random, [12, 12, 30]))];
  const c = a * b;
  const slots = {
    ...personSlots(who),
    ...thingSlots(what),
    box: box.one,
    boxes: box.many,
    ...numberSlots({ a, b, c }),
  };
  const shape = random.below(3);
  if (shape === 0)
    return {
      problem: `groups ${a} ${b}`,
      facts: [{ forms: GROUPS, slots }],
      question: { forms: ALL, slots },
      steps: [`There are ${a} x ${b} = ${c} ${what.many}.`],
      answer: c,
    };
  return shape === 1
    ? {
        problem: `shared ${c} ${a}`,
        facts: [],
        question: { forms: SHARED, slots },
        steps: [`Each gets ${c} / ${a} = ${b} ${what.many}.`],
        answer: b,
      }
    : {
        problem: `packed ${c} ${b}`,
        facts: [],
        question: { forms: HOW_MANY_GROUPS, slots },
        steps: [`That is ${c} / ${b} = ${a} ${box.many}.`],
        answer: a,
      };
};

const RATES: readonly [string, string, string, string][] = [
  ["walks", "kilometres", "hour", "hours"],
  ["cycles", "kilometres", "hour", "hours"],
  ["runs", "metres", "second", "seconds"],
  ["reads", "pages", "day", "days"],
  ["types", "words", "minute", "minutes"],
  ["earns", "dollars", "hour", "hours"],
  ["earns", "euros", "week", "weeks"],
  ["saves", "dollars", "month", "months"],
  ["paints", "tiles", "hour", "hours"],
  ["bakes", "loaves", "hour", "hours"],
  ["plants", "trees", "day", "days"],
  ["drinks", "glasses of water", "day", "days"],
  ["writes", "letters", "week", "weeks"],
  ["solves", "puzzles", "day", "days"],
  ["swims", "lengths", "hour", "hours"],
  ["picks", "apples", "minute", "minutes"],
];
const RATE = set(
  "{name} {verb} {a} {units} [{an}|every|each|per] {time}[.| and keeps going for {b} {times}.] How many {units} [is that|does {he} make|is that in all] [in|after] {b} {times}[?|]",
  "[Every|Each] {time} {name} {verb} {a} {units}. How many {units} [is that|is it] [in|after] {b} {times}[?|]",
  "At {a} {units} [{an}|per] {time}, how many {units} [are that|is that|do we have] after {b} {times}[?|]",
);
const DURATION = set(
  "{name} {verb} {a} {units} [{an}|every|each|per] {time}. How many {times} [does it take for|does {he} need for|until there are] {c} {units}[?|]",
);

const rate: Frame = (making) => {
  const { random } = making;
  const who = person(making);
  const [verb, units, time, times] = pick(random, RATES);
  const [a, b] = [between(random, 2, pick(random, [12, 40])), between(random, 2, 12)];
  const an = `a${time === "hour" ? "n" : ""}`;
  const slots = { ...personSlots(who), verb, units, time, times, an, ...numberSlots({ a, b, c: a * b }) };
  return random.below(3)
    ? {
        problem: `rate ${a} ${b}`,
        facts: [],
        question: { forms: RATE, slots },
        steps: [`In ${b} ${times} it is ${a} x ${b} = ${a * b} ${units}.`],
        answer: a * b,
      }
    : {
        problem: `duration ${a * b} ${a}`,
        facts: [],
        question: { forms: DURATION, slots },
        steps: [`It takes ${a * b} / ${a} = ${b} ${times}.`],
        answer: b,
      };
};

export const ONE_STEP: readonly Frame[] = [gain, loss, unknown, combine, compare, groups, rate];
export const ONE_STEP_FORMS = [HAS, GAINS, LOSES, NOW, LEFT, ALL];
