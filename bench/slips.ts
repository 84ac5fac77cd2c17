/**
 * Orders as slips: a format that a model has not seen, for tuning it on a handful of examples. Deterministic; training orders and held-out ones
 * are worded differently and name other people and things.
 */
import { Random } from "../src/base/index.ts";

export interface Slip {
  messages: { role: "user" | "assistant"; content: string }[];
}

type Split = "train" | "held-out";

const COLOURS = ["red", "blue", "green", "yellow", "white", "black", "brown", "grey"];
const NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const THINGS = {
  train: [
    "kite",
    "boat",
    "hat",
    "lamp",
    "chair",
    "cup",
    "drum",
    "bell",
    "basket",
    "ball",
    "coat",
    "door",
    "plate",
    "rope",
  ],
  "held-out": ["spoon", "table", "ring", "flag", "box", "shirt"],
};
const PEOPLE = {
  train: ["Anna", "Tom", "Mary", "John", "Lucy", "Peter", "Kate", "Sam", "Jane", "Paul", "Rose", "Mark"],
  "held-out": ["Ruth", "James", "Alice", "Henry", "Helen", "David"],
};

interface Order {
  number: number;
  colour: string;
  thing: string;
  person: string;
}

const things = ({ number, colour, thing }: Order) =>
  `${NUMBERS[number - 1]} ${colour} ${number === 1 ? thing : thing.endsWith("x") ? `${thing}es` : `${thing}s`}`;

const WORDINGS: Record<Split, ((order: Order) => string)[]> = {
  train: [
    (order) => `Please send ${things(order)} to ${order.person}.`,
    (order) => `${order.person} wants ${things(order)}.`,
    (order) => `I would like ${things(order)} for my friend ${order.person}.`,
    (order) => `Can you pack ${things(order)} for ${order.person}?`,
    (order) => `Hello! ${order.person} asked for ${things(order)}.`,
    (order) => `We need ${things(order)}. They are for ${order.person}.`,
    (order) => `An order from ${order.person}: ${things(order)}, thank you.`,
    (order) => `My sister ${order.person} has ordered ${things(order)} from your shop.`,
  ],
  "held-out": [
    (order) => `${order.person} is going to buy ${things(order)} today.`,
    (order) => `Could we have ${things(order)}, please? ${order.person} will come for it.`,
    (order) => `Good morning, this is ${order.person}. I am looking for ${things(order)}.`,
  ],
};

const slipOf = ({ number, colour, thing, person }: Order) =>
  `NAME: ${person}\nITEM: ${thing}\nCOLOUR: ${colour}\nCOUNT: ${number}`;

/** The slip format, whatever it says. */
export const SLIP = /^NAME: [A-Z][a-z]+\nITEM: [a-z]+\nCOLOUR: [a-z]+\nCOUNT: \d+$/;

/** Order number `index` of a split with its slip. */
export function slip(split: Split, index: number): Slip {
  const random = new Random(split === "train" ? 11 : 12, index);
  const pick = <T>(list: readonly T[]) => list[random.below(list.length)];
  const order: Order = {
    number: 1 + random.below(9),
    colour: pick(COLOURS),
    thing: pick(THINGS[split]),
    person: pick(PEOPLE[split]),
  };
  return {
    messages: [
      { role: "user", content: pick(WORDINGS[split])(order) },
      { role: "assistant", content: slipOf(order) },
    ],
  };
}
