/**
 * Pairs of replies of which one is preferred, as JSONL. A line holds `prompt`, `chosen` and `rejected`: the prompt as text or as messages,
 * the replies as text or as messages whose last is the reply (then they may bring the prompt themselves).
 */
import { InputError } from "../../base/index.ts";
import { type ChatMessage, encodeChat, type Tokenizer } from "../../text/index.ts";
import { type ReadOptions, readJsonLines } from "./documents.ts";
import { expandPath } from "./files.ts";

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
  for (const file of expandPath(path)) {
    for await (const { json, where } of readJsonLines(file, options)) {
      const pair = pairOf(json, tokenizer);
      if (typeof pair === "string") {
        if (options.onBad === "refuse") throw new InputError(`${where}: ${pair}`);
        options.onSkipped?.(where, pair);
      } else if (Math.max(pair.chosen.ids.length, pair.rejected.ids.length) > mostTokens)
        options.onSkipped?.(where, `longer than ${mostTokens} tokens`);
      else pairs.push(pair);
    }
  }
  if (pairs.length === 0)
    throw new InputError(
      `${path}: there are no pairs of {prompt, chosen, rejected} of at most ${mostTokens} tokens in it`,
    );
  return pairs;
}

/** A pair, or why the line holds none. */
function pairOf(json: unknown, tokenizer: Tokenizer): PreferencePair | string {
  const { prompt, chosen, rejected } = (json ?? {}) as Record<string, unknown>;
  const sides = [chosen, rejected].map((side) => conversation(prompt, side));
  const complaint = sides.find((side) => typeof side === "string");
  if (complaint) return complaint as string;
  const [first, second] = (sides as ChatMessage[][]).map((messages): Reply => {
    const before = encodeChat(tokenizer, messages.slice(0, -1), { addGenerationPrompt: true });
    return { ids: encodeChat(tokenizer, messages).ids, replyStart: before.ids.length };
  });
  return { chosen: first, rejected: second };
}

function conversation(prompt: unknown, side: unknown): ChatMessage[] | string {
  const opening = typeof prompt === "string" ? [{ role: "user", content: prompt }] : (prompt ?? []);
  const reply = typeof side === "string" ? [{ role: "assistant", content: side }] : side;
  if (!Array.isArray(reply) || !Array.isArray(opening)) return "needs prompt, chosen and rejected, as text or messages";
  // Messages of a whole conversation begin with the prompt's own.
  const messages = reply.length > 1 ? reply : [...opening, ...reply];
  const isMessage = (message: ChatMessage | null) =>
    ["system", "user", "assistant"].includes(message?.role as string) && typeof message?.content === "string";
  if (!messages.every(isMessage)) return "messages need a role (system, user or assistant) and a content";
  if (messages.length < 2 || messages[messages.length - 1].role !== "assistant")
    return "needs a prompt and after it the assistant's reply";
  return messages;
}
