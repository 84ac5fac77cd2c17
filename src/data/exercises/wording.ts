/** How people type: numbers in several spellings, openings and closings around a question, and the small untidiness of real messages. */
import type { Random } from "../../base/index.ts";
import { type Making, oneIn, pick } from "./exercise.ts";
import { FormSet } from "./form.ts";

const ONES =
  "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(
    " ",
  );
const TENS = " ten twenty thirty forty fifty sixty seventy eighty ninety".split(" ");

/** 347 → "three hundred and forty-seven"; whole numbers below a million. */
export function numberInWords(n: number): string {
  if (n < 0) return `minus ${numberInWords(-n)}`;
  if (n < 20) return ONES[n];
  if (n < 100) return TENS[Math.floor(n / 10)] + (n % 10 ? `-${ONES[n % 10]}` : "");
  const [size, name, joint] = n < 1000 ? [100, "hundred", " and "] : [1000, "thousand", n % 1000 < 100 ? " and " : " "];
  const rest = n % size;
  return `${numberInWords(Math.floor(n / size))} ${name}${rest ? joint + numberInWords(rest) : ""}`;
}

/** 1234567 → "1,234,567" */
export const withCommas = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

/** A number as somebody might write it: in digits nearly always, some with commas, a few in words. */
export function written(random: Random, n: number): string {
  if (n < 1000 && oneIn(random, 12)) return numberInWords(n);
  return n >= 1000 && oneIn(random, 4) ? withCommas(n) : String(n);
}

const OPENINGS = new FormSet("openings", [
  "[Hi|Hello|Hey|Hi there|Hello there|Good morning|Good evening|Good day|Hey there|Greetings|Yo|Morning|Hiya|Howdy][!|,|.|, Minnow.|, Minnow!|] [|I have a question.|Quick question:|One more thing.|Can you help me?|I need some help.|Could you help me with this?|Here is a problem.|A small one for you.|Tell me something.]",
  "[Please help me with my homework.|This is from my homework:|My teacher asked this:|My son asks:|My daughter wants to know:|I am stuck on this one.|I cannot get this right.|Try this one:|Next one:|Here is one for you.|Question:|Q:|Problem:|Task:|Exercise:|I was wondering.|Just checking:|Help!|For a friend:]",
]);

const THANKS = new FormSet("closings", [
  "[Thanks|Thank you|Thanks a lot|Thank you very much|Many thanks|Cheers|Ta|Thanks in advance|Much appreciated|Thx][!|.|]",
]);

const STEPS = new FormSet("closings", [
  "[Show your work.|Show the steps.|Explain your steps.|Step by step, please.|Please show how you get there.|Walk me through it.|How do you get it?|Tell me how you did it.|Work it out step by step.|Go slowly.|I want to see the working.|Write down each step.]",
]);

/** A question with what people say before and after it. `steps`: the reply shows its working, so that it may be asked for. */
export function framed(
  making: Making,
  question: string,
  { steps = false }: { steps?: boolean } = {},
): { text: string; form: string; unseen: boolean } {
  const { random } = making;
  // Of an unseen form the question itself is unseen already; what stands around it may be of either sort, but training never sees reserved parts.
  const forms = making.forms === "seen" ? "seen" : "any";
  const parts: string[] = [];
  let form = "";
  let unseen = false;
  const add = (set: FormSet, name: string) => {
    const drawn = set.draw(random, {}, forms);
    parts.push(drawn.text.trim());
    form += ` ${name}${drawn.form}`;
    unseen ||= drawn.unseen;
  };
  if (oneIn(random, 4)) add(OPENINGS, "opening ");
  parts.push(question);
  if (oneIn(random, 8)) add(steps && random.below(2) ? STEPS : THANKS, "closing ");
  const lines = question.includes("\n") || random.below(6) === 0;
  return { text: parts.join(lines ? "\n" : " "), form, unseen };
}

/** A word with one slip of the fingers: two letters change places, one is left out, or one comes twice. */
export function slip(random: Random, word: string): string {
  const at = 1 + random.below(word.length - 2);
  const [a, b] = [word[at], word[at + 1]];
  return pick(random, [
    word.slice(0, at) + b + a + word.slice(at + 2),
    word.slice(0, at) + word.slice(at + 1),
    word.slice(0, at) + a + word.slice(at),
  ]);
}

/**
 * A message less tidy than it was: lower case, without marks, with a slip in a long word, with odd spaces. Words that `keep` matches stay as they are,
 * and so does everything between backticks, in fences and in quotation marks.
 */
export function untidy(random: Random, text: string, keep: ReadonlySet<string> = new Set()): string {
  if (random.below(5) < 3) return text;
  const lower = (piece: string) => piece.replace(/[A-Za-z]+/g, (word) => (keep.has(word) ? word : word.toLowerCase()));
  const pieces = text.split(/(```[\s\S]*?```|`[^`]*`|"[^"]*")/);
  const way = random.below(5);
  const change = (piece: string): string => {
    if (way === 0) return lower(piece);
    if (way === 1) return piece.replace(/[.!?]+(?=\s|$)/g, "");
    // Commas between numbers stay: they part the elements of a list.
    if (way === 2) return lower(piece).replace(/[.!?]+(?=\s|$)|(?<=[a-z]),(?=\s)/g, "");
    if (way === 3) {
      const long = [...piece.matchAll(/\b[a-z]{5,}\b/g)].filter(([word]) => !keep.has(word));
      if (long.length === 0) return piece;
      const chosen = pick(random, long);
      return piece.slice(0, chosen.index) + slip(random, chosen[0]) + piece.slice(chosen.index + chosen[0].length);
    }
    return piece.replace(/ /g, () => (oneIn(random, 12) ? "  " : " "));
  };
  return pieces.map((piece, i) => (i % 2 ? piece : change(piece))).join("");
}
