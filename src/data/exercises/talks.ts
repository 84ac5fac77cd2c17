/** Talks of several turns: a result that is used again, a slip that is put right, a name or a thing that is to be remembered. */
import { addSteps, subtractSteps, timesSteps } from "../tasks/index.ts";
import { between, type Exercise, type Making, oneIn, pick, type Turn } from "./exercise.ts";
import { type Drawn, FormSet } from "./form.ts";
import { person } from "./lexicon/names.ts";
import { thing } from "./lexicon/things.ts";
import { untidy } from "./wording.ts";

const set = (...templates: string[]) => new FormSet("talks", templates);

const FIRST = set(
  "[What is|What's|How much is|Calculate|Compute|Work out|Tell me|Please calculate] {a} {op} {b}[?|.|]",
  "{a} {op} {b}[?| =|]",
);
const THEN: Record<"+" | "-" | "x", FormSet> = {
  "+": set(
    "[And|Now|Then|Okay, and|Good, and|Thanks. And] plus {c}[?|]",
    "[Now|And|Then|Next|Please] add {c}[ to that| to it|][.|?|]",
    "[And if I add|What if I add|And with] {c} [more|to that|on top][?|]",
  ),
  "-": set(
    "[And|Now|Then|Okay, and|Good, and|Thanks. And] minus {c}[?|]",
    "[Now|And|Then|Next|Please] [subtract|take away] {c}[ from that| from it|][.|?|]",
    "[And if I take away|What if I take away|And without] {c}[ of that| from it|][?|]",
  ),
  x: set(
    "[And|Now|Then|Okay, and|Good, and|Thanks. And] times {c}[?|]",
    "[Now|And|Then|Next|Please] multiply [that|it|the result] by {c}[.|?|]",
    "[And|What is] that times {c}[?|]",
  ),
};
const OTHER = set(
  "[And|And what about|What about|How about|Now|And now] {a} {op} {b}[?|]",
  "[Same with|The same for|Do the same with] {a} and {b}[.|?|]",
);

const worked = (a: number, op: "+" | "-" | "x", b: number): { steps: string[]; value: number } => {
  if (op === "+") return { steps: addSteps(a, b), value: a + b };
  if (op === "-") return { steps: subtractSteps(a, b), value: a - b };
  const [top, bottom] = String(a).length >= String(b).length ? [a, b] : [b, a];
  return { steps: timesSteps(top, bottom), value: a * b };
};

interface Talk {
  turns: Turn[];
  drawn: Drawn[];
  problem: string;
  answer?: string;
}

/** "What is 24 x 51?" … "and plus 7?" … */
function followUps(making: Making): Talk {
  const { random, forms } = making;
  const turns: Turn[] = [];
  const drawn: Drawn[] = [];
  const say = (asked: Drawn, steps: string[], answer: number | string) => {
    drawn.push(asked);
    turns.push({ role: "user", content: untidy(random, asked.text) });
    turns.push({ role: "assistant", content: `${steps.join("\n")}\nThe answer is ${answer}.` });
  };
  let op = pick(random, ["+", "-", "x"] as const);
  let [a, b] =
    op === "x" ? [between(random, 2, 99), between(random, 2, 12)] : [between(random, 2, 300), between(random, 2, 99)];
  if (op === "-" && a < b) [a, b] = [b, a];
  let { steps, value } = worked(a, op, b);
  let problem = `${a} ${op} ${b}`;
  say(FIRST.draw(random, { a: String(a), b: String(b), op }, forms), [`${a} ${op} ${b}:`, ...steps], value);
  for (let left = between(random, 1, 3); left > 0; left--) {
    if (oneIn(random, 4)) {
      const [c, d] = [between(random, 100, 300), between(random, 2, op === "x" ? 9 : 99)];
      ({ steps, value } = worked(c, op, d));
      say(OTHER.draw(random, { a: String(c), b: String(d), op }, forms), [`${c} ${op} ${d}:`, ...steps], value);
      problem += ` ; ${c} ${op} ${d}`;
      continue;
    }
    const before = value;
    op = before > 999 ? pick(random, ["+", "-"] as const) : pick(random, ["+", "-", "x"] as const);
    const c =
      op === "x"
        ? between(random, 2, 9)
        : op === "-"
          ? between(random, 1, Math.max(1, Math.min(99, before)))
          : between(random, 1, 99);
    if (op === "-" && c > before) continue;
    ({ steps, value } = worked(before, op, c));
    say(
      THEN[op].draw(random, { c: String(c) }, forms === "unseen" ? "any" : forms),
      [`${before} ${op} ${c}:`, ...steps],
      value,
    );
    problem += ` ${op} ${c}`;
  }
  return { turns, drawn, problem, answer: String(value) };
}

const TOLD = set(
  "[My name is|I am|I'm|Call me|You can call me|People call me|Please call me|This is|Hello, I am|Hi, I'm|Hi there, my name is] {name}[.|!|, by the way.| and I like {things}.]",
);
const GREETED = set(
  "[Hello|Hi|Nice to meet you|Good to meet you|Welcome], {name}[!|.] [How can I help you?|What can I do for you?|What would you like to know?|]",
);
const WHO = set(
  "[What is|What's|Do you remember|Can you tell me|Tell me|Do you know|Remind me:] my name[?|.|, please?]",
  "[Who am I|What am I called|How am I called|What did I say my name was|Did I tell you my name][?|]",
);
const NAMED = set("[Your name is|You are|You said that your name is] {name}.");
const LIKES = set(
  "[My favourite|The best] [colour|animal|food|number|season|game|fruit] [is|of mine is] {x}[.|!]",
  "I [really |]like {x}[.| best.| a lot.| very much.]",
  "[Remember|Please remember|Keep in mind|Don't forget|Note]: [the word is|it is|my word is|the code is] {x}.",
);
const NOTED = set(
  "[Okay|All right|Good to know|Thank you for telling me|I will remember that|Noted|I see|That is nice]: {x}.",
);
const ASKED = set(
  "[What was it|What did I say|What did I tell you|Which one was it|Do you remember it|What was the thing I told you][?|, please?]",
  "[What do I like|What was my favourite|Which word was it|What should you remember|Tell me what I said][?|]",
);
const SAID = set("[You said|It was|You told me]: {x}.");

const BETWEEN_QUESTIONS: readonly [string, string][] = [
  ["How are you?", "I am well, thank you. What can I do for you?"],
  ["Thanks.", "You are welcome."],
  ["What can you do?", "I can calculate, write small functions, find bugs and talk about everyday things."],
  ["Are you a robot?", "I am a small language model that runs on this computer."],
  ["Nice.", "I am glad."],
  ["Tell me something.", "Many rivers begin as small springs in the mountains."],
];

/** A name or a thing that is said early and asked for later. */
function memory(making: Making): Talk {
  const { random, forms } = making;
  const drawn: Drawn[] = [];
  const turns: Turn[] = [];
  const add = (asked: Drawn, reply: string) => {
    drawn.push(asked);
    turns.push({ role: "user", content: untidy(random, asked.text) }, { role: "assistant", content: reply });
  };
  const free = forms === "unseen" ? "any" : forms;
  const who = person(making);
  const what = thing(making);
  const aboutName = oneIn(random, 2);
  const slots = {
    name: who.name,
    things: what.many,
    x: oneIn(random, 2) ? what.many : String(between(random, 3, 999)),
  };
  if (aboutName) add(TOLD.draw(random, slots, free), GREETED.draw(random, slots, "seen").text.trim());
  else add(LIKES.draw(random, slots, free), NOTED.draw(random, slots, "seen").text);
  for (let i = random.below(3); i > 0; i--) {
    if (oneIn(random, 2)) {
      const [question, reply] = pick(random, BETWEEN_QUESTIONS);
      turns.push({ role: "user", content: untidy(random, question) }, { role: "assistant", content: reply });
    } else {
      const [a, b] = [between(random, 2, 60), between(random, 2, 60)];
      turns.push(
        { role: "user", content: `What is ${a} + ${b}?` },
        { role: "assistant", content: `${a} + ${b}:\n${addSteps(a, b).join("\n")}\nThe answer is ${a + b}.` },
      );
    }
  }
  if (aboutName) add(WHO.draw(random, slots, forms), NAMED.draw(random, slots, "seen").text);
  else add(ASKED.draw(random, slots, forms), SAID.draw(random, slots, "seen").text);
  const answer = aboutName ? who.name : slots.x;
  return { turns, drawn, problem: `remember ${answer}`, answer };
}

const WRONG = set(
  "[No, I meant|Sorry, I meant|I meant|I mean|Oops, I meant|Wait, I meant|Not that, I meant] {a} {op} {b}[.|, sorry.|]",
  "[Sorry|Oh|Wait|Oops], [that should be|it should be|make that|I wanted] {a} {op} {b}[.|]",
);

/** The person corrects the question. */
function correction(making: Making): Talk {
  const { random, forms } = making;
  const op = pick(random, ["+", "-", "x"] as const);
  const draw = () => {
    const [x, y] =
      op === "x" ? [between(random, 2, 99), between(random, 2, 9)] : [between(random, 20, 300), between(random, 2, 99)];
    return op === "-" && x < y ? [y, x] : [x, y];
  };
  const [a, b] = draw();
  let [c, d] = draw();
  if (oneIn(random, 2)) c = a >= d || op !== "-" ? a : c;
  if (c === a && d === b) d = d === 2 ? 3 : d - 1;
  const first = FIRST.draw(random, { a: String(a), b: String(b), op }, forms === "unseen" ? "any" : forms);
  const second = WRONG.draw(random, { a: String(c), b: String(d), op }, forms);
  const one = worked(a, op, b);
  const other = worked(c, op, d);
  const reply = (x: number, y: number, made: { steps: string[]; value: number }) =>
    `${x} ${op} ${y}:\n${made.steps.join("\n")}\nThe answer is ${made.value}.`;
  return {
    turns: [
      { role: "user", content: untidy(random, first.text) },
      { role: "assistant", content: reply(a, b, one) },
      { role: "user", content: untidy(random, second.text) },
      { role: "assistant", content: reply(c, d, other) },
    ],
    drawn: [first, second],
    problem: `${a} ${op} ${b} no ${c} ${op} ${d}`,
    answer: String(other.value),
  };
}

export function talks(making: Making): Exercise {
  const talk = pick(making.random, [followUps, followUps, memory, memory, correction])(making);
  return {
    kind: "talks",
    turns: talk.turns,
    problem: talk.problem,
    form: talk.drawn.map(({ form }) => form).join(" "),
    unseen: talk.drawn.some(({ unseen }) => unseen),
    ...(talk.answer !== undefined && { answer: talk.answer }),
  };
}
