/**
 * Wordings as a grammar. A form is a text with choices in brackets and slots in braces, "[Please |]add {a} [and|to] {b}", and stands for every
 * text that the choices make. Choices may hold choices.
 *
 * Some alternatives of each choice are reserved for tests, by the hash of their words: a text of the training split has none of them, a text of an
 * unseen form has at least one. So an unseen form is not a new mixture of known phrases, but holds a phrase that no training text of its kind has.
 */
import type { Random } from "../../base/index.ts";
import { hashShare } from "../cleaning/hash-share.ts";

/** Which wordings may come: those that training sees, those with a phrase that it never sees, or any. */
export type Forms = "seen" | "unseen" | "any";

/** The share of alternatives that are kept for tests. */
const RESERVED = 1 / 8;
/** A choice of fewer alternatives keeps them all: half of "the|a" would be missing from the language. */
const MIN_ALTERNATIVES = 4;

type Part = string | { slot: string } | { choice: Part[][]; reserved: boolean[] };

export interface Drawn {
  text: string;
  /** The choices that were made, as the words of each alternative: what tells one wording from another. */
  form: string;
  unseen: boolean;
}

/** A wording with choices. @throws SyntaxError for brackets that do not fit */
export class Form {
  private readonly parts: Part[];
  /** How many texts it stands for, whatever fills the slots. */
  readonly count: number;
  readonly canBeUnseen: boolean;

  /** kind: what the reserved alternatives are reserved in; the same words may be reserved in one kind and not in another. */
  constructor(template: string, kind: string) {
    const reader = new Reader(template, kind);
    this.parts = reader.sequence();
    if (!reader.atEnd) throw new SyntaxError(`a bracket too many in the form: ${template}`);
    this.count = countOf(this.parts);
    this.canBeUnseen = hasReserved(this.parts);
  }

  /** One of its texts; `slots` gives what stands in each brace. Where it has no wording that training never sees, any other comes instead. */
  draw(random: Random, slots: Readonly<Record<string, string>>, forms: Forms): Drawn {
    if (forms === "unseen" && !this.canBeUnseen) return this.draw(random, slots, "any");
    // A form with a reserved alternative somewhere soon draws it; the bound is for forms where it hides in a corner.
    for (let attempt = 0; attempt < 200; attempt++) {
      const drawing: Drawing = { text: "", form: "", unseen: false };
      write(this.parts, random, slots, forms, drawing);
      if (forms !== "unseen" || drawing.unseen) return drawing;
    }
    return this.draw(random, slots, "any");
  }
}

type Drawing = { -readonly [Key in keyof Drawn]: Drawn[Key] };

function write(
  parts: readonly Part[],
  random: Random,
  slots: Readonly<Record<string, string>>,
  forms: Forms,
  to: Drawing,
): void {
  for (const part of parts) {
    if (typeof part === "string") to.text += part;
    else if ("slot" in part) {
      const value = slots[part.slot];
      if (value === undefined) throw new RangeError(`nothing was given for the slot {${part.slot}}`);
      to.text += value;
    } else {
      let i = random.below(part.choice.length);
      while (forms === "seen" && part.reserved[i]) i = random.below(part.choice.length);
      if (part.reserved[i]) to.unseen = true;
      to.form += `${i}.`;
      write(part.choice[i], random, slots, forms, to);
    }
  }
}

const countOf = (parts: readonly Part[]): number =>
  parts.reduce(
    (product, part) =>
      typeof part === "object" && "choice" in part
        ? product * part.choice.reduce((sum, alternative) => sum + countOf(alternative), 0)
        : product,
    1,
  );

const hasReserved = (parts: readonly Part[]): boolean =>
  parts.some(
    (part) =>
      typeof part === "object" && "choice" in part && (part.reserved.some(Boolean) || part.choice.some(hasReserved)),
  );

class Reader {
  private readonly template: string;
  private readonly kind: string;
  private at = 0;

  constructor(template: string, kind: string) {
    this.template = template;
    this.kind = kind;
  }

  get atEnd(): boolean {
    return this.at >= this.template.length;
  }

  /** Up to the end, or to a "|" or "]" that closes an alternative. */
  sequence(): Part[] {
    const parts: Part[] = [];
    while (!this.atEnd && this.template[this.at] !== "|" && this.template[this.at] !== "]") {
      const letter = this.template[this.at];
      if (letter === "[") parts.push(this.choice());
      else if (letter === "{") parts.push({ slot: this.until("}") });
      else {
        const end = /[[\]{}|]/.exec(this.template.slice(this.at))?.index ?? this.template.length - this.at;
        if (end === 0) throw new SyntaxError(`a brace too many in the form: ${this.template}`);
        parts.push(this.template.slice(this.at, this.at + end));
        this.at += end;
      }
    }
    return parts;
  }

  private choice(): Part {
    const choice: Part[][] = [];
    const words: string[] = [];
    do {
      this.at++;
      const from = this.at;
      choice.push(this.sequence());
      words.push(this.template.slice(from, this.at));
    } while (this.template[this.at] === "|");
    if (this.template[this.at] !== "]") throw new SyntaxError(`a choice is not closed in the form: ${this.template}`);
    this.at++;
    const reserved = words.map(
      (text) => words.length >= MIN_ALTERNATIVES && text !== "" && hashShare(`${this.kind} ${text}`) < RESERVED,
    );
    if (reserved.every(Boolean)) reserved[0] = false;
    return { choice, reserved };
  }

  private until(end: string): string {
    const close = this.template.indexOf(end, this.at);
    if (close < 0) throw new SyntaxError(`a slot is not closed in the form: ${this.template}`);
    const name = this.template.slice(this.at + 1, close);
    this.at = close + 1;
    return name;
  }
}

/** Several forms of a kind, each as likely as the others. */
export class FormSet {
  readonly count: number;
  private readonly forms: Form[];

  constructor(kind: string, templates: readonly string[]) {
    this.forms = templates.map((template) => new Form(template, kind));
    this.count = this.forms.reduce((sum, form) => sum + form.count, 0);
  }

  /** As `Form.draw`, of one of the forms; of those that can be unseen, if that is asked for and there are any. */
  draw(random: Random, slots: Readonly<Record<string, string>>, forms: Forms): Drawn {
    const fitting = forms === "unseen" ? this.forms.filter(({ canBeUnseen }) => canBeUnseen) : this.forms;
    const among = fitting.length > 0 ? fitting : this.forms;
    const chosen = among[random.below(among.length)];
    const drawn = chosen.draw(random, slots, forms);
    return { ...drawn, form: `${this.forms.indexOf(chosen)}:${drawn.form}` };
  }
}
