/** Word problems of one to three steps: stories with names, things, units and facts that do not matter. */
import type { Random } from "../../base/index.ts";
import { between, pick, several, type Task } from "./task.ts";

interface Person {
  name: string;
  he: string;
  his: string;
}

const GIRLS = [
  "Ada",
  "Maria",
  "Lena",
  "Priya",
  "Sofia",
  "Emma",
  "Aisha",
  "Mei",
  "Nora",
  "Ruth",
  "Ivy",
  "Zoe",
  "Clara",
  "Hana",
  "Olga",
];
const BOYS = [
  "Tom",
  "Ben",
  "Omar",
  "Luis",
  "Sam",
  "Noah",
  "Ravi",
  "Jack",
  "Leo",
  "Kofi",
  "Max",
  "Finn",
  "Ivan",
  "Paul",
  "Yusuf",
];
const PEOPLE: Person[] = [
  ...GIRLS.map((name) => ({ name, he: "she", his: "her" })),
  ...BOYS.map((name) => ({ name, he: "he", his: "his" })),
];
const THINGS = [
  "apples",
  "marbles",
  "stamps",
  "books",
  "shells",
  "pencils",
  "cards",
  "stickers",
  "coins",
  "buttons",
  "cookies",
  "plums",
  "beads",
  "balloons",
  "flowers",
  "eggs",
];
const BOXES = ["box", "bag", "basket", "jar", "shelf", "tray", "crate"];
const SHOPS = ["pen", "notebook", "cake", "toy car", "ticket", "lamp", "hat", "mug", "puzzle", "kite"];
const PLACES = ["farm", "school", "library", "market", "garden", "bakery", "harbour", "museum"];

const plural = (box: string) => (box.endsWith("x") ? `${box}es` : box === "shelf" ? "shelves" : `${box}s`);
const capital = (text: string) => text[0].toUpperCase() + text.slice(1);

/** A story as sentences, its question, the steps of its solution, and the answer with its unit. */
interface Story {
  facts: string[];
  question: string;
  steps: string[];
  answer: number;
}

type Template = (random: Random) => Story;

/** One step. */
const ONE: Template[] = [
  (random) => {
    const [{ name, he }] = several(random, PEOPLE, 1);
    const thing = pick(random, THINGS);
    const [a, b] = [between(random, 3, 99), between(random, 2, 80)];
    const verb = pick(random, ["finds", "buys", "gets", "collects", "is given"]);
    return {
      facts: [`${name} has ${a} ${thing}.`, `${capital(he)} ${verb} ${b} more.`],
      question: `How many ${thing} does ${name} have now?`,
      steps: [`${name} has ${a} + ${b} = ${a + b} ${thing}.`],
      answer: a + b,
    };
  },
  (random) => {
    const [one, other] = several(random, PEOPLE, 2);
    const thing = pick(random, THINGS);
    const a = between(random, 10, 99);
    const b = between(random, 2, a - 1);
    const verb = pick(random, [
      `gives ${b} of them to ${other.name}`,
      `loses ${b} of them`,
      `sells ${b} of them`,
      `uses ${b} of them`,
    ]);
    return {
      facts: [`${one.name} has ${a} ${thing}.`, `${capital(one.he)} ${verb}.`],
      question: `How many ${thing} does ${one.name} have left?`,
      steps: [`${one.name} has ${a} - ${b} = ${a - b} ${thing} left.`],
      answer: a - b,
    };
  },
  (random) => {
    const [{ name }] = several(random, PEOPLE, 1);
    const [thing, box] = [pick(random, THINGS), pick(random, BOXES)];
    const [a, b] = [between(random, 2, 12), between(random, 2, 12)];
    return {
      facts: [`${name} has ${a} ${plural(box)}.`, `There are ${b} ${thing} in each ${box}.`],
      question: `How many ${thing} does ${name} have?`,
      steps: [`There are ${a} x ${b} = ${a * b} ${thing}.`],
      answer: a * b,
    };
  },
  (random) => {
    const [{ name, he }] = several(random, PEOPLE, 1);
    const thing = pick(random, THINGS);
    const [friends, each] = [between(random, 2, 9), between(random, 2, 12)];
    return {
      facts: [
        `${name} has ${friends * each} ${thing}.`,
        `${capital(he)} shares them equally among ${friends} friends.`,
      ],
      question: `How many ${thing} does each friend get?`,
      steps: [`Each friend gets ${friends * each} / ${friends} = ${each} ${thing}.`],
      answer: each,
    };
  },
  (random) => {
    const [one, other] = several(random, PEOPLE, 2);
    const thing = pick(random, THINGS);
    const a = between(random, 12, 90);
    const b = between(random, 3, a - 2);
    return {
      facts: [`${one.name} has ${a} ${thing}.`, `${other.name} has ${b} ${thing}.`],
      question: `How many more ${thing} does ${one.name} have than ${other.name}?`,
      steps: [`${one.name} has ${a} - ${b} = ${a - b} more ${thing}.`],
      answer: a - b,
    };
  },
  (random) => {
    const [{ name, he }] = several(random, PEOPLE, 1);
    const [speed, hours] = [between(random, 2, 15), between(random, 2, 8)];
    const way = pick(random, ["cycles", "walks", "drives a tractor", "rows"]);
    return {
      facts: [`${name} ${way} at ${speed} km per hour.`, `${capital(he)} keeps going for ${hours} hours.`],
      question: `How many kilometres does ${name} travel?`,
      steps: [`${name} travels ${speed} x ${hours} = ${speed * hours} km.`],
      answer: speed * hours,
    };
  },
];

/** Two steps. */
const TWO: Template[] = [
  (random) => {
    const [{ name, he }] = several(random, PEOPLE, 1);
    const thing = pick(random, THINGS);
    const [a, b] = [between(random, 10, 80), between(random, 5, 60)];
    const c = between(random, 2, a + b - 1);
    return {
      facts: [`${name} has ${a} ${thing}.`, `${capital(he)} buys ${b} more and then gives away ${c}.`],
      question: `How many ${thing} does ${name} have in the end?`,
      steps: [
        `After buying, ${name} has ${a} + ${b} = ${a + b} ${thing}.`,
        `After giving some away, ${he} has ${a + b} - ${c} = ${a + b - c} ${thing}.`,
      ],
      answer: a + b - c,
    };
  },
  (random) => {
    const [{ name, he }] = several(random, PEOPLE, 1);
    const item = pick(random, SHOPS);
    const [count, price] = [between(random, 2, 9), between(random, 2, 12)];
    const paid = count * price + between(random, 1, 40);
    return {
      facts: [`A ${item} costs $${price}.`, `${name} buys ${count} of them and pays with $${paid}.`],
      question: `How much change does ${he} get, in dollars?`,
      steps: [
        `The price is ${count} x ${price} = ${count * price} dollars.`,
        `The change is ${paid} - ${count * price} = ${paid - count * price} dollars.`,
      ],
      answer: paid - count * price,
    };
  },
  (random) => {
    const [one, other] = several(random, PEOPLE, 2);
    const thing = pick(random, THINGS);
    const [a, factor] = [between(random, 3, 25), between(random, 2, 4)];
    const word = ["", "", "twice", "three times", "four times"][factor];
    return {
      facts: [`${one.name} has ${a} ${thing}.`, `${other.name} has ${word} as many.`],
      question: `How many ${thing} do they have together?`,
      steps: [
        `${other.name} has ${factor} x ${a} = ${factor * a} ${thing}.`,
        `Together they have ${a} + ${factor * a} = ${a + factor * a} ${thing}.`,
      ],
      answer: a + factor * a,
    };
  },
  (random) => {
    const [{ name, he }] = several(random, PEOPLE, 1);
    const [thing, box] = [pick(random, THINGS), pick(random, BOXES)];
    const [boxes, each, loose] = [between(random, 2, 9), between(random, 2, 12), between(random, 1, 30)];
    return {
      facts: [
        `${name} fills ${boxes} ${plural(box)} with ${each} ${thing} each.`,
        `${capital(he)} has ${loose} ${thing} left over.`,
      ],
      question: `How many ${thing} did ${name} have at the start?`,
      steps: [
        `The ${plural(box)} hold ${boxes} x ${each} = ${boxes * each} ${thing}.`,
        `With those left over there were ${boxes * each} + ${loose} = ${boxes * each + loose} ${thing}.`,
      ],
      answer: boxes * each + loose,
    };
  },
  (random) => {
    const [{ name, he, his }] = several(random, PEOPLE, 1);
    const [hours, wage] = [between(random, 2, 9), between(random, 5, 12)];
    const spent = between(random, 1, hours * wage - 1);
    return {
      facts: [
        `${name} earns $${wage} an hour at the ${pick(random, PLACES)}.`,
        `${capital(he)} works ${hours} hours and then spends $${spent} of ${his} pay.`,
      ],
      question: `How many dollars are left?`,
      steps: [
        `${name} earns ${hours} x ${wage} = ${hours * wage} dollars.`,
        `There are ${hours * wage} - ${spent} = ${hours * wage - spent} dollars left.`,
      ],
      answer: hours * wage - spent,
    };
  },
  (random) => {
    const [groups, each] = [between(random, 2, 9), between(random, 2, 12)];
    const total = groups * each;
    const boys = between(random, 1, total - 1);
    const place = pick(random, ["class", "camp", "choir", "club"]);
    return {
      facts: [`There are ${boys} boys and ${total - boys} girls in a ${place}.`, `They form ${groups} equal groups.`],
      question: "How many children are in each group?",
      steps: [
        `There are ${boys} + ${total - boys} = ${total} children.`,
        `Each group has ${total} / ${groups} = ${each} children.`,
      ],
      answer: each,
    };
  },
];

/** Three steps. */
const THREE: Template[] = [
  (random) => {
    const [{ name, he }] = several(random, PEOPLE, 1);
    const [first, second] = several(random, SHOPS, 2);
    const [m, p, n, q] = [between(random, 2, 6), between(random, 2, 9), between(random, 2, 6), between(random, 2, 9)];
    const sum = m * p + n * q;
    return {
      facts: [`${name} buys ${m} ${first}s at $${p} each and ${n} ${second}s at $${q} each.`],
      question: `How many dollars does ${he} pay in all?`,
      steps: [
        `The ${first}s cost ${m} x ${p} = ${m * p} dollars.`,
        `The ${second}s cost ${n} x ${q} = ${n * q} dollars.`,
        `In all that is ${m * p} + ${n * q} = ${sum} dollars.`,
      ],
      answer: sum,
    };
  },
  (random) => {
    const [one, other, third] = several(random, PEOPLE, 3);
    const thing = pick(random, THINGS);
    const [a, b, c] = [between(random, 5, 40), between(random, 2, 20), between(random, 2, 4)];
    const [second, last] = [a + b, c * a];
    const word = ["", "", "twice", "three times", "four times"][c];
    return {
      facts: [
        `${one.name} has ${a} ${thing}.`,
        `${other.name} has ${b} more than ${one.name}.`,
        `${third.name} has ${word} as many as ${one.name}.`,
      ],
      question: `How many ${thing} do the three of them have together?`,
      steps: [
        `${other.name} has ${a} + ${b} = ${second} ${thing}.`,
        `${third.name} has ${c} x ${a} = ${last} ${thing}.`,
        `Together they have ${a} + ${second} + ${last} = ${a + second + last} ${thing}.`,
      ],
      answer: a + second + last,
    };
  },
  (random) => {
    const [{ name, he }] = several(random, PEOPLE, 1);
    const [thing, box] = [pick(random, THINGS), pick(random, BOXES)];
    const [boxes, each, friends, gets] = [
      between(random, 2, 9),
      between(random, 3, 12),
      between(random, 2, 5),
      between(random, 2, 8),
    ];
    const total = boxes * each;
    const given = Math.min(friends * gets, total - 1);
    const share = Math.max(1, Math.floor(given / friends));
    const left = total - friends * share;
    return {
      facts: [
        `${name} has ${boxes} ${plural(box)} with ${each} ${thing} in each.`,
        `${capital(he)} gives ${share} ${thing} to each of ${friends} friends.`,
      ],
      question: `How many ${thing} does ${name} have left?`,
      steps: [
        `${name} has ${boxes} x ${each} = ${total} ${thing}.`,
        `${capital(he)} gives away ${friends} x ${share} = ${friends * share} ${thing}.`,
        `${name} has ${total} - ${friends * share} = ${left} ${thing} left.`,
      ],
      answer: left,
    };
  },
  (random) => {
    const [{ name }] = several(random, PEOPLE, 1);
    const thing = pick(random, ["pages", "laps", "puzzles", "letters"]);
    const verb = { pages: "reads", laps: "runs", puzzles: "solves", letters: "writes" }[thing]!;
    const [a, b, c] = [between(random, 3, 30), between(random, 2, 15), between(random, 2, 10)];
    const tuesday = a + b;
    const wednesday = Math.max(1, tuesday - c);
    const less = tuesday - wednesday;
    return {
      facts: [
        `On Monday ${name} ${verb} ${a} ${thing}, on Tuesday ${b} more than on Monday, and on Wednesday ${less} fewer than on Tuesday.`,
      ],
      question: `How many ${thing} is that in all three days?`,
      steps: [
        `On Tuesday it is ${a} + ${b} = ${tuesday} ${thing}.`,
        `On Wednesday it is ${tuesday} - ${less} = ${wednesday} ${thing}.`,
        `In all it is ${a} + ${tuesday} + ${wednesday} = ${a + tuesday + wednesday} ${thing}.`,
      ],
      answer: a + tuesday + wednesday,
    };
  },
];

/** A sentence with a number that the question does not need. */
function distraction(random: Random, story: string): string {
  let [someone] = several(random, PEOPLE, 1);
  // Nobody of the story: that would matter.
  while (story.includes(someone.name)) [someone] = several(random, PEOPLE, 1);
  const { name, he, his } = someone;
  const n = between(random, 2, 60);
  return pick(random, [
    `The ${pick(random, PLACES)} is ${n} minutes away.`,
    `${name}, a friend, is ${between(random, 6, 14)} years old.`,
    `${name} watches, and ${he} has ${n} ${pick(random, THINGS)} in ${his} pocket.`,
    `It is day ${between(random, 1, 28)} of the month.`,
  ]);
}

export function wordProblem(random: Random): Task {
  const { facts, question, steps, answer } = pick(random, pick(random, [ONE, TWO, TWO, THREE]))(random);
  const told = [...facts];
  // The first sentence sets the scene; what does not matter comes after it.
  if (random.below(4) === 0) told.splice(between(random, 1, told.length), 0, distraction(random, facts.join(" ")));
  return {
    kind: "word-problem",
    prompt: `${told.join(" ")} ${question}`,
    reply: `${steps.join("\n")}\nThe answer is ${answer}.`,
    answer: `${answer}`,
  };
}
