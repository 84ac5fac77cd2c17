/** Turns of conversations as data sets write them: OpenAI's {role, content}, ShareGPT's {from, value}, tool calls, reasoning, weights. */
import type { ChatMessage, ChatTool } from "../../text/index.ts";
import { parsedOf } from "./json.ts";

/** A turn, and whether it is learnt (of the assistant's: unless this says no). */
export type Turn = ChatMessage & { learn?: boolean };

/** Told of something that stands in a record and is not used. */
export type OnNote = (note: string) => void;

type Json = Record<string, unknown>;

const ROLES: Record<string, ChatMessage["role"]> = {
  system: "system",
  developer: "system",
  user: "user",
  human: "user",
  assistant: "assistant",
  gpt: "assistant",
  chatgpt: "assistant",
  bing: "assistant",
  bard: "assistant",
  bot: "assistant",
  ai: "assistant",
  model: "assistant",
  tool: "tool",
  function: "tool",
  observation: "tool",
  function_response: "tool",
  // A call that stands alone, as ShareGPT's tool data have it.
  function_call: "assistant",
  tool_call: "assistant",
};

/** Fields of a turn that are used, or say nothing to a model. */
const KNOWN = new Set(
  "role from content value parts tool_calls function_call tool_call_id reasoning_content reasoning thinking id type".split(
    " ",
  ),
);
/** Fields that say whether a turn is learnt: `weight` is OpenAI's, the others those of trainers. */
const LEARN = ["weight", "train", "training", "trainable", "loss", "loss_weight"];

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a list is one of turns. */
export const looksLikeMessages = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((turn) => isObject(turn) && ("role" in turn || "from" in turn));

/**
 * The turns of a list, or why they are none.
 * What a model should not learn from is marked so; what is not understood is a reason or a note, and never learnt.
 */
export function turnsOf(list: readonly unknown[], note: OnNote = () => {}): Turn[] | string {
  const turns: Turn[] = [];
  for (const value of list) {
    const turn = turnOf(value, note);
    if (typeof turn === "string") return turn;
    if (turn.role === "system" && turn.content.trim() === "") continue;
    turns.push(turn);
  }
  if (turns.length === 0) return "empty";
  return withLastReasoning(turns, note);
}

interface Thinking {
  reasoning?: string;
}

function turnOf(value: unknown, note: OnNote): (Turn & Thinking) | string {
  const lacks = "messages without a role (system, user, assistant or tool) and a content";
  if (!isObject(value)) return lacks;
  const name = value.role ?? value.from;
  if (typeof name !== "string" || name === "") return lacks;
  if (!Object.hasOwn(ROLES, name.toLowerCase()))
    return `a message of the unknown role ${name.slice(0, 40)} (system, user, assistant and tool are known)`;
  const role = ROLES[name.toLowerCase()];
  const alone = /_call$/.test(name);
  const calls = alone
    ? callsOf([value.content ?? value.value])
    : callsOf(value.tool_calls ?? (value.function_call ? [value.function_call] : []));
  if (typeof calls === "string") return calls;
  if (calls.length > 0 && role !== "assistant") return "tool calls of somebody else than the assistant";
  const content = alone ? "" : contentOf(value.content ?? value.value ?? value.parts, calls.length > 0);
  if (content === null)
    return Array.isArray(value.content ?? value.parts) ? "content that is not text (images, sound …)" : lacks;
  const reasoning = value.reasoning_content ?? value.reasoning ?? value.thinking ?? "";
  if (typeof reasoning !== "string") return "reasoning that is not text";
  if (reasoning !== "" && role !== "assistant") return "reasoning of somebody else than the assistant";
  // Reasoning alone is no reply either.
  if (content.trim() === "" && calls.length === 0) {
    if (role === "assistant") return "an empty reply";
    if (role === "user") return "an empty message";
  }
  const learn = learnOf(value);
  if (typeof learn === "string") return learn;
  const unused = Object.keys(value).filter(
    (key) => !KNOWN.has(key) && !LEARN.includes(key) && value[key] !== null && value[key] !== undefined,
  );
  // A tool's name is that of the call that it answers.
  for (const key of unused)
    if (!(key === "name" && role === "tool")) note(`fields of messages not used: ${key.slice(0, 40)}`);
  const toolCallId = typeof value.tool_call_id === "string" ? { toolCallId: value.tool_call_id } : {};
  return {
    role,
    content,
    ...(calls.length > 0 && { toolCalls: calls }),
    ...toolCallId,
    ...(learn === false && role === "assistant" && { learn: false }),
    ...(reasoning.trim() !== "" && { reasoning: reasoning.trim() }),
  };
}

/** The text of a content: a string, or parts that are all text. Null where it is something else. */
function contentOf(content: unknown, mayBeMissing: boolean): string | null {
  if (typeof content === "string") return content;
  if (content === undefined || content === null) return mayBeMissing ? "" : null;
  if (!Array.isArray(content)) return null;
  const texts = content.map((part) => (isObject(part) && (part.type ?? "text") === "text" ? part.text : part));
  return texts.every((text) => typeof text === "string") ? texts.join("") : null;
}

function callsOf(list: unknown): NonNullable<ChatMessage["toolCalls"]> | string {
  const parsed = typeof list === "string" ? parsedOf(list) : (list ?? []);
  if (!Array.isArray(parsed)) return "tool calls that are no list";
  const calls: { id?: string; name: string; arguments: string }[] = [];
  for (const entry of parsed.flatMap((one) => (typeof one === "string" ? (parsedOf(one) ?? [null]) : [one]))) {
    const call = isObject(entry) && isObject(entry.function) ? entry.function : entry;
    if (!isObject(call) || typeof call.name !== "string" || call.name === "") return "a tool call without a name";
    const args = call.arguments ?? call.parameters ?? {};
    const id = isObject(entry) && typeof entry.id === "string" ? { id: entry.id } : {};
    calls.push({ ...id, name: call.name, arguments: typeof args === "string" ? args : JSON.stringify(args) });
  }
  return calls;
}

/** Whether a turn is learnt, or why it cannot be said. */
function learnOf(turn: Json): boolean | string {
  for (const field of LEARN) {
    const value = turn[field];
    if (value === undefined || value === null || value === true || value === 1) continue;
    if (value === false || value === 0) return false;
    return `a ${field} of a message that is neither 0 nor 1`;
  }
  return true;
}

/**
 * A model writes its reasoning before its reply, and sees none of its earlier replies': so the last one's is kept, and earlier replies that
 * reasoned are there to be read and not learnt.
 */
function withLastReasoning(turns: (Turn & Thinking)[], note: OnNote): Turn[] {
  const last = turns.findLastIndex(({ role }) => role === "assistant");
  return turns.map(({ reasoning, ...turn }, i) => {
    if (reasoning === undefined) return turn;
    if (i === last) return { ...turn, content: `<think>\n${reasoning}\n</think>\n\n${turn.content}` };
    note("replies before the last that reasoned: read, and not learnt");
    return { ...turn, learn: false };
  });
}

/** Tools that a record offers, as OpenAI writes them; null where there is something else. */
export function toolsOf(value: unknown): ChatTool[] | null {
  const list = typeof value === "string" ? (value.trim() === "" ? [] : parsedOf(value)) : (value ?? []);
  if (!Array.isArray(list)) return null;
  const tools: ChatTool[] = [];
  for (const entry of list) {
    const tool = isObject(entry) && isObject(entry.function) ? entry.function : entry;
    if (!isObject(tool) || typeof tool.name !== "string" || tool.name === "") return null;
    const { name, description, parameters } = tool;
    tools.push({
      name,
      ...(typeof description === "string" && { description }),
      ...(parameters !== undefined && parameters !== null && { parameters }),
    });
  }
  return tools;
}
