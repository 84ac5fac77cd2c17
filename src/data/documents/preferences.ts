/**
 * Pairs of replies of which one is preferred, as JSONL, JSON or Parquet, in the forms that data sets have: `prompt`, `chosen` and `rejected`, each as
 * text or as messages, replies alone or with the conversation before them; or OpenAI's `input`, `preferred_output` and `non_preferred_output`.
 */
import { InputError } from "../../base/index.ts";
import { type ChatTool, encodeChat, type Tokenizer } from "../../text/index.ts";
import { type ReadOptions, readObjects, reasonOf } from "./documents.ts";
import { expandPath } from "./files.ts";
import { parsedOf } from "./json.ts";
import { looksLikeMessages, type Turn, toolsOf, turnsOf } from "./messages.ts";

/** A conversation as tokens, of which those from `replyStart` on are the reply. */
export interface Reply {
  ids: Int32Array<ArrayBuffer>;
  replyStart: number;
}

export interface PreferencePair {
  chosen: Reply;
  rejected: Reply;
}

/**
 * The pairs of a path (see `expandPath`). Those with a side longer than `mostTokens` are left out and reported, as bad lines are.
 * @throws InputError if there are none
 */
export async function readPreferences(
  path: string,
  tokenizer: Tokenizer,
  mostTokens: number,
  options: ReadOptions = {},
): Promise<PreferencePair[]> {
  const pairs: PreferencePair[] = [];
  const reasons = new Map<string, number>();
  const skip = (where: string, why: string): void => {
    reasons.set(reasonOf(why), (reasons.get(reasonOf(why)) ?? 0) + 1);
    options.onSkipped?.(where, why);
  };
  for (const file of expandPath(path)) {
    for await (const { json, where } of readObjects(file, { ...options, onSkipped: skip })) {
      const pair = pairOf(json, tokenizer);
      if (typeof pair === "string") {
        if (options.onBad === "refuse") throw new InputError(`${where}: ${pair}`);
        skip(where, pair);
      } else if (Math.max(pair.chosen.ids.length, pair.rejected.ids.length) > mostTokens)
        skip(where, `longer than ${mostTokens} tokens`);
      else pairs.push(pair);
    }
  }
  if (pairs.length > 0) return pairs;
  const list = [...reasons].map(([reason, count]) => `${count} ${reason}`).join(", ");
  throw new InputError(
    `${path}: there are no pairs of {prompt, chosen, rejected} of at most ${mostTokens} tokens in it (${list || "it is empty"})`,
  );
}

/** A pair, or why the record holds none. */
function pairOf(json: unknown, tokenizer: Tokenizer): PreferencePair | string {
  const record = (json ?? {}) as Record<string, unknown>;
  const input = (record.input ?? {}) as Record<string, unknown>;
  const openai = record.preferred_output !== undefined;
  const opening = openai
    ? input.messages
    : (record.prompt ?? record.messages ?? record.conversations ?? record.question);
  const tools = toolsOf(openai ? input.tools : record.tools);
  if (tools === null) return "tools that are no list of functions with names";
  const sides: Reply[] = [];
  for (const side of openai
    ? [record.preferred_output, record.non_preferred_output]
    : [record.chosen, record.rejected]) {
    const turns = conversation(opening, side, record.system);
    if (typeof turns === "string") return turns;
    sides.push(replyOf(turns, tools, tokenizer));
  }
  const [chosen, rejected] = sides;
  if (chosen.ids.length === rejected.ids.length && chosen.ids.every((id, i) => id === rejected.ids[i]))
    return "chosen and rejected are the same";
  return { chosen, rejected };
}

function replyOf(turns: readonly Turn[], tools: readonly ChatTool[], tokenizer: Tokenizer): Reply {
  const read = turns.map((turn, i) => ({ ...turn, learn: i === turns.length - 1 }));
  const { ids, assistantMask } = encodeChat(tokenizer, read, { tools, masked: true });
  const end = assistantMask.lastIndexOf(1) + 1;
  return { ids: ids.slice(0, end), replyStart: assistantMask.indexOf(1) };
}

/** The turns up to a reply, or why there are none. */
function conversation(prompt: unknown, side: unknown, system: unknown): Turn[] | string {
  const needs = "needs prompt, chosen and rejected, as text or messages";
  const opening = listOf(prompt ?? [], "user");
  const reply = listOf(side, "assistant");
  if (opening === null || reply === null) return needs;
  // Messages of a whole conversation begin with the prompt's own.
  const turns = turnsOf(reply.length > 1 || opening.length === 0 ? reply : [...opening, ...reply]);
  if (typeof turns === "string") return turns;
  if (typeof system === "string" && system.trim() !== "" && turns[0].role !== "system")
    turns.unshift({ role: "system", content: system });
  if (turns.length < 2 || turns[turns.length - 1].role !== "assistant")
    return "needs a prompt and after it the assistant's reply";
  return turns;
}

/** A side as messages: they may be text, one message, a list of them, or either as JSON in a text. */
function listOf(side: unknown, role: string): unknown[] | null {
  if (Array.isArray(side)) return side;
  if (looksLikeMessages([side])) return [side];
  if (typeof side !== "string") return null;
  const parsed = side.trimStart().startsWith("[") ? parsedOf(side) : null;
  if (looksLikeMessages(parsed)) return parsed as unknown[];
  return role === "assistant" && /^\s*Human: /.test(side) ? transcript(side) : [{ role, content: side }];
}

/** A conversation in one text, as the first sets of pairs had it: "\n\nHuman: …\n\nAssistant: …". */
const transcript = (text: string): unknown[] =>
  `\n\n${text.trim()}`
    .split(/\n\n(?=Human: |Assistant: |Human:$|Assistant:$)/)
    .filter((turn) => turn !== "")
    .map((turn) => ({
      role: turn.startsWith("Human") ? "user" : "assistant",
      content: turn.slice(turn.indexOf(":") + 1).trim(),
    }));
