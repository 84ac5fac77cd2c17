/** What a record holds: a text, or a conversation in one of the forms that data sets have. */
import type { ChatMessage, ChatTool } from "../../text/index.ts";
import { parsedOf } from "./json.ts";
import { looksLikeMessages, type OnNote, type Turn, toolsOf, turnsOf } from "./messages.ts";

export type Document = { text: string; slice?: string } | { messages: Turn[]; tools?: ChatTool[]; slice?: string };

/** Where in a record the document is. Without any: a text in `text`, a conversation in `messages` or `conversations`, or one of the known pairs. */
export interface Fields {
  /** The field of a text or of a conversation. */
  field?: string;
  /** The fields of a question and of its reply, which become a conversation. */
  promptField?: string;
  replyField?: string;
}

const CONVERSATIONS = ["messages", "conversations", "conversation"];

/** A question's field, those of replies to it, and what may stand between the question and its reply. */
const PAIRS: readonly { prompt: string; replies: readonly string[]; inputs?: readonly string[] }[] = [
  { prompt: "instruction", replies: ["output", "response", "completion"], inputs: ["input", "context"] },
  { prompt: "prompt", replies: ["completion", "response", "reply", "output"], inputs: ["input", "context"] },
  { prompt: "question", replies: ["answer", "response"], inputs: ["context", "passage"] },
  { prompt: "query", replies: ["response", "answer"], inputs: ["context", "passage"] },
  { prompt: "problem", replies: ["solution"] },
  { prompt: "input", replies: ["output"] },
];

/** Fields beside a conversation that are part of it. */
const SYSTEMS = ["system", "system_prompt"];
const TOOLS = ["tools", "functions"];
/** With these, a question is not whole without them. */
const CHOICES = ["choices", "options"];
/** Whether a record is learnt from at all, as some data sets say it of whole conversations. */
const WANTED = ["weight", "train", "training", "trainable"];
/** True or false of a reply: whether it is one to learn, as sets of single judged replies have it. */
const VERDICT = "label";
const REPLY_PAIRS = ["chosen", "rejected", "preferred_output", "non_preferred_output"];

type Json = Record<string, unknown>;

/** The columns of a table that a document can come from. */
export function columnsOf({ field, promptField, replyField }: Fields): string[] {
  const beside = [...SYSTEMS, ...TOOLS, ...WANTED, "slice"];
  if (promptField !== undefined || replyField !== undefined)
    return [promptField ?? "prompt", replyField ?? "reply", ...beside];
  if (field !== undefined) return [field, ...beside];
  const pairs = PAIRS.flatMap(({ prompt, replies, inputs = [] }) => [prompt, ...replies, ...inputs]);
  return [...new Set(["text", ...CONVERSATIONS, ...pairs, "history", VERDICT, ...CHOICES, ...REPLY_PAIRS, ...beside])];
}

/** A document, or why the record holds none. */
export function documentOf(json: unknown, fields: Fields, note: OnNote = () => {}): Document | string {
  if (looksLikeMessages(json) && Object.values(fields).every((field) => field === undefined))
    return conversationOf(json, {}, note);
  if (typeof json !== "object" || json === null) return `not an object with ${namesOf(fields).join(" or ")}`;
  if (Array.isArray(json) && json.length > 0 && json.every((part) => typeof part === "object" && part !== null))
    return "a list of records in place of one (a file that is one list is named .json)";
  const record = json as Json;
  const unwanted = unwantedOf(record, note);
  if (unwanted !== null) return unwanted;
  const { field, promptField, replyField } = fields;
  if (promptField !== undefined || replyField !== undefined) {
    const [prompt, reply] = namesOf(fields).map((name) => record[name]);
    if (typeof prompt !== "string" || typeof reply !== "string")
      return `has no ${namesOf(fields).join(" and ")} as text${fieldsOf(record)}`;
    return pairOf(prompt, reply, record, note);
  }
  if (field !== undefined) {
    const value = record[field];
    return typeof value === "string" || Array.isArray(value)
      ? textOrConversation(value, record, note)
      : `has no ${field}${fieldsOf(record)}`;
  }
  return unnamed(record, note);
}

/** Why the record says that nothing is to be learnt from it, or null. */
function unwantedOf(record: Json, note: OnNote): string | null {
  for (const field of WANTED) {
    const value = record[field];
    if (value === false || value === 0) return `a record of ${field} ${value}`;
    if (typeof value === "number" && value !== 1) note(`${field} of a record: not used`);
  }
  return null;
}

/** The document of a record whose fields nobody named. */
function unnamed(record: Json, note: OnNote): Document | string {
  const names = ["text", ...CONVERSATIONS];
  const present = names.filter((name) => isFilled(record[name]));
  for (const name of names) {
    const value = record[name];
    if (present.includes(name))
      for (const other of present) if (other !== name) note(`${other} beside ${name}: not used`);
    if (name !== "text" && typeof value === "string" && value.trim() !== "") {
      const parsed = parsedOf(value);
      return Array.isArray(parsed)
        ? conversationOf(parsed, record, note)
        : `${name} that is text, and no list of messages`;
    }
    if (typeof value === "string" || Array.isArray(value)) return textOrConversation(value, record, note);
  }
  if (REPLY_PAIRS.some((name) => name in record))
    return "a pair of replies, one of them preferred (learn from it in a stage with preference)";
  if (CHOICES.some((name) => record[name] !== undefined && record[name] !== null))
    return `a question with choices${fieldsOf(record)}`;
  for (const { prompt, replies, inputs = [] } of PAIRS) {
    const reply = replies.find((name) => isTurn(record[name]));
    if (!isTurn(record[prompt]) || reply === undefined) continue;
    if (record[VERDICT] === false) return "a reply that is labelled false";
    const given = inputs.map((name) => record[name]).filter(isFilled);
    if (!given.every((input) => typeof input === "string")) return "an input that is not text";
    if (given.length > 0 && typeof record[prompt] !== "string") note("an input beside messages: not used");
    return pairOf(record[prompt], record[reply], record, note, given.join("\n\n"));
  }
  return `has no text or messages${fieldsOf(record)}`;
}

/** Whether a field says anything. */
const isFilled = (value: unknown): boolean =>
  Array.isArray(value) ? value.length > 0 : typeof value === "string" ? value.trim() !== "" : (value ?? null) !== null;

const isTurn = (value: unknown): boolean => typeof value === "string" || looksLikeMessages(value);

function textOrConversation(value: string | unknown[], record: Json, note: OnNote): Document | string {
  if (typeof value !== "string") return conversationOf(value, record, note);
  return value.trim() === "" ? "empty" : { text: value, ...sliceOf(record) };
}

/** A question and its reply, as text or as messages, with the turns before them. */
function pairOf(prompt: unknown, reply: unknown, record: Json, note: OnNote, input = ""): Document | string {
  if ([prompt, reply].some((side) => typeof side === "string" && side.trim() === "")) return "empty";
  const question = input !== "" && typeof prompt === "string" ? `${prompt}\n\n${input}` : prompt;
  const before = historyOf(record.history);
  if (before === null) return "a history that is no list of questions and replies";
  const opening = typeof question === "string" ? [{ role: "user", content: question }] : (question as unknown[]);
  const end = typeof reply === "string" ? [{ role: "assistant", content: reply }] : (reply as unknown[]);
  return conversationOf([...before, ...opening, ...end], record, note);
}

/** Earlier turns of Alpaca's later forms: [[question, reply], …]. */
function historyOf(history: unknown): ChatMessage[] | null {
  if (history === undefined || history === null || history === "") return [];
  const isPair = (pair: unknown): pair is [string, string] =>
    Array.isArray(pair) && pair.length === 2 && pair.every((side) => typeof side === "string");
  if (!Array.isArray(history) || !history.every(isPair)) return null;
  return history.flatMap(([prompt, reply]) => conversation(prompt, reply));
}

function conversationOf(list: unknown, record: Json, note: OnNote): Document | string {
  if (!Array.isArray(list) || list.length === 0) return "empty";
  const turns = turnsOf(list, note);
  if (typeof turns === "string") return turns;
  const system = SYSTEMS.map((name) => record[name]).find((value) => typeof value === "string" && value.trim() !== "");
  if (system !== undefined) {
    if (turns[0].role !== "system") turns.unshift({ role: "system", content: system as string });
    else if (turns[0].content !== system) note("a system prompt beside the messages' own: not used");
  }
  const offered = TOOLS.map((name) => record[name]).find((value) => value !== undefined && value !== null);
  const tools = toolsOf(offered);
  if (tools === null) return "tools that are no list of functions with names";
  return { messages: turns, ...(tools.length > 0 && { tools }), ...sliceOf(record) };
}

const sliceOf = ({ slice }: Json) => (typeof slice === "string" ? { slice } : {});

/** What is looked for, for messages. */
function namesOf({ field, promptField, replyField }: Fields): string[] {
  if (promptField !== undefined || replyField !== undefined) return [promptField ?? "prompt", replyField ?? "reply"];
  return field === undefined ? ["text", "messages", "conversations"] : [field];
}

/** The fields that are there, for a record that was not understood. */
function fieldsOf(record: Json): string {
  const names = Object.keys(record).filter((name) => name !== "slice");
  if (Array.isArray(record) || names.length === 0) return "";
  return ` (but ${names.slice(0, 8).join(", ").slice(0, 120)}; its fields are named by field, or promptField and replyField)`;
}

/** A question and its reply. */
export const conversation = (prompt: string, reply: string): ChatMessage[] => [
  { role: "user", content: prompt },
  { role: "assistant", content: reply },
];
