/**
 * Which characters of a rendered conversation are the assistant's. A template may say so with {% generation %} … {% endgeneration %}, as
 * transformers reads it; of others it follows from what is added when the assistant's turn is.
 */
import { InputError } from "../../base/index.ts";
import type { ChatMessage } from "./chat-template.ts";

export interface Span {
  from: number;
  to: number;
}

/** Renders messages by the template at hand, or by another. */
export type Render = (
  messages: readonly ChatMessage[],
  own?: { template?: string; addGenerationPrompt?: boolean; continueFinal?: boolean },
) => string;

const BEGIN = "\uE002";
const END = "\uE003";
const BLOCK = /(^[ \t]*)?\{%(-?)\s*(end)?generation\s*(-?)%\}/gm;
const hasBlocks = (template: string): boolean => /\{%-?\s*generation\s*-?%\}/.test(template);

/** A template with each generation block replaced by one that does nothing, and a mark before either end, if asked for. */
function replaced(template: string, marks: boolean): string {
  return template.replace(BLOCK, (_, _indent, left: string, end: string | undefined, right: string) => {
    const mark = marks ? `{{${left} '${end ? END : BEGIN}' }}` : `{{${left} '' }}`;
    return `${mark}{% ${end ? "endif" : "if true"} ${right}%}`;
  });
}

export const withoutSpans = (template: string): string => (hasBlocks(template) ? replaced(template, false) : template);

/**
 * The spans of the assistant's turns that are to be learnt, in order.
 * @param rendered the whole conversation
 * @param lastMarkEnd where the last of the template's own marks in a text ends: the end of a turn is learnt, what follows it is not
 * @throws InputError where they cannot be told
 */
export function spansOf(
  template: string,
  messages: readonly ChatMessage[],
  rendered: string,
  render: Render,
  lastMarkEnd: (text: string) => number,
): Span[] {
  const turns = messages.flatMap(({ role }, i) => (role === "assistant" ? [i] : []));
  const spans = hasBlocks(template)
    ? markedSpans(template, messages, rendered, render)
    : turns.map((i) => addedSpan(messages, i, rendered, render, lastMarkEnd));
  const unlearnt = turns.filter((i) => messages[i].learn === false);
  if (unlearnt.length === 0) return spans;
  if (spans.length !== turns.length)
    throw new InputError(
      `chat_template: it marks ${spans.length} generations for ${turns.length} turns of the assistant, some of which are not to be learnt: which ones cannot be told`,
    );
  return spans.filter((_, n) => messages[turns[n]].learn !== false);
}

function markedSpans(template: string, messages: readonly ChatMessage[], rendered: string, render: Render): Span[] {
  const marked = render(messages, { template: replaced(template, true) });
  const spans: Span[] = [];
  let plain = "";
  let from = -1;
  for (const part of marked.split(/([\uE002\uE003])/)) {
    if (part === BEGIN) from = plain.length;
    else if (part === END) {
      if (from < 0) throw new InputError("chat_template: its generation blocks do not follow each other");
      spans.push({ from, to: plain.length });
      from = -1;
    } else plain += part;
  }
  if (plain !== rendered)
    throw new InputError("chat_template: it writes something else where its generation blocks are marked");
  return spans;
}

/** What the turn adds to the text before it, without what asks for it. */
function addedSpan(
  messages: readonly ChatMessage[],
  turn: number,
  rendered: string,
  render: Render,
  lastMarkEnd: (text: string) => number,
): Span {
  const fail = (why: string): never => {
    throw new InputError(
      `chat_template: what the assistant says in message ${turn + 1} of ${messages.length} cannot be told from the rest (${why}); put {% generation %} and {% endgeneration %} around it in the template`,
    );
  };
  const attempt = (work: () => string): string => {
    try {
      return work();
    } catch (error) {
      return fail((error as Error).message.replace(/^chat_template: /, ""));
    }
  };
  const before = turn === 0 ? "" : attempt(() => render(messages.slice(0, turn)));
  const asked = turn === 0 ? "" : attempt(() => render(messages.slice(0, turn), { addGenerationPrompt: true }));
  const through = attempt(() => render(messages.slice(0, turn + 1)));
  if (!through.startsWith(before) || !asked.startsWith(before)) fail("the text before it changes with it");
  // Templates may ask for more than stands there later, an opened <think> say.
  let from = before.length;
  while (from < asked.length && from < through.length && asked[from] === through[from]) from++;
  if (asked.length > before.length && from === before.length) fail("it does not begin as a reply is asked for");
  const added = through.slice(from);
  const end = lastMarkEnd(added);
  const to = end > 0 ? from + end : through.length;
  if (!rendered.startsWith(through.slice(0, to))) fail("it is written otherwise when more follows");
  return { from, to };
}
