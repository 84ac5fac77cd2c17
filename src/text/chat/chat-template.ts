/**
 * Conversations as tokens by DeepSeek's template (`jinja-template.ts` has those that other models bring).
 *
 *   <｜begin▁of▁sentence｜>{system}<｜User｜>{user}<｜Assistant｜>{assistant}<｜end▁of▁sentence｜>
 *
 * Tools stand after the system's words, see `tool-format.ts`.
 */
import { InputError } from "../../base/index.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { ASSISTANT, BOS, EOS, USER } from "../tokenizer/train-bpe.ts";
import {
  CALL_BEGIN,
  type ChatPiece,
  type ChatTool,
  type ChatToolCall,
  callPieces,
  OUTPUT_BEGIN,
  OUTPUT_END,
  toolPieces,
  withoutMarks,
} from "./tool-format.ts";

export interface ChatMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  /** Calls that an assistant made. */
  toolCalls?: readonly (ChatToolCall & { id?: string })[];
  /** Of a tool's message: the call that it answers. */
  toolCallId?: string;
  /** False: an assistant's words that are read and not learnt. */
  learn?: boolean;
}

export interface ChatOptions {
  /** End with the assistant's mark, for it to reply (default false). */
  addGenerationPrompt?: boolean;
  /** The last message is the assistant's, and stays open for it to go on (default false). */
  continueFinal?: boolean;
  /** What the assistant may call. */
  tools?: readonly ChatTool[];
  /** For templates that let a model think or not: which (default: as the template does). */
  thinking?: boolean;
}

/** DeepSeek's template in Jinja, as it is written into tokenizer_config.json. */
export const DEEPSEEK_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}" +
  `{% elif message['role'] == 'user' %}{{ '${USER}' + message['content'] }}` +
  `{% elif message['role'] == 'assistant' %}{{ '${ASSISTANT}' + message['content'] + eos_token }}{% endif %}{% endfor %}` +
  `{% if add_generation_prompt %}{{ '${ASSISTANT}' }}{% endif %}`;

/** Marks that must be tokens of their own. */
const TURN_MARKS: ReadonlySet<string> = new Set([BOS, EOS, USER, ASSISTANT]);

export interface EncodedChat {
  ids: Int32Array<ArrayBuffer>;
  /** 1 on the assistant's words and the end that closes them, where they are to be learnt. */
  assistantMask: Uint8Array<ArrayBuffer>;
}

/** The conversation as text by DeepSeek's template. */
export function applyChatTemplate(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
  return chatPieces(messages, options)
    .map(({ mark, text }) => mark ?? text)
    .join("");
}

function chatPieces(messages: readonly ChatMessage[], options: ChatOptions): ChatPiece[] {
  const { tools = [], continueFinal = false, addGenerationPrompt = false } = options;
  const pieces: ChatPiece[] = [{ mark: BOS, reply: false }];
  const firstTurn = messages.findIndex(({ role }) => role !== "system");
  messages.forEach(({ role, content, toolCalls = [], learn = true }, i) => {
    if (i === firstTurn && tools.length > 0) pieces.push(...toolPieces(tools));
    if (role === "system") pieces.push({ text: content, reply: false });
    else if (role === "user") pieces.push({ mark: USER, reply: false }, { text: content, reply: false });
    else if (role === "tool")
      pieces.push(
        { mark: OUTPUT_BEGIN, reply: false },
        { text: content, reply: false },
        { mark: OUTPUT_END, reply: false },
      );
    else {
      // After what a tool gave, the assistant goes on without a mark of its own.
      if (messages[i - 1]?.role !== "tool") pieces.push({ mark: ASSISTANT, reply: false });
      const own: ChatPiece[] = [{ text: content, reply: true }, ...callPieces(toolCalls)];
      if (!(continueFinal && i === messages.length - 1)) own.push({ mark: EOS, reply: true });
      pieces.push(...own.map((piece) => ({ ...piece, reply: learn })));
    }
  });
  if (firstTurn < 0 && tools.length > 0) pieces.push(...toolPieces(tools));
  if (addGenerationPrompt && messages.at(-1)?.role !== "tool") pieces.push({ mark: ASSISTANT, reply: false });
  return pieces;
}

/**
 * The conversation as token ids by DeepSeek's template, with a mask: 1 on the assistant's words and the end of sentence that closes them.
 * Contents are encoded as plain text: whatever a user types, it cannot forge a mark.
 * @throws InputError if the tokenizer lacks the template's marks
 */
export function encodeDeepseek(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): EncodedChat {
  const ids: number[] = [];
  const mask: number[] = [];
  const push = (encoded: Iterable<number>, reply: boolean) => {
    for (const id of encoded) {
      ids.push(id);
      mask.push(reply ? 1 : 0);
    }
  };
  // Where the marks of tools are no tokens they are written as text, and kept out of everybody's words.
  const hasToolMarks = tokenizer.special.has(CALL_BEGIN);
  for (const { mark, text = "", reply } of chatPieces(messages, options)) {
    if (mark === undefined)
      push(tokenizer.encode(hasToolMarks ? text : withoutMarks(text), { special: "text" }), reply);
    else if (tokenizer.special.has(mark)) push([tokenizer.special.get(mark)!], reply);
    else if (TURN_MARKS.has(mark)) {
      throw new InputError(
        `the tokenizer has no token ${mark}, which DeepSeek's chat template needs; use a model with that template`,
      );
    } else push(tokenizer.encode(mark, { special: "text" }), reply);
  }
  return { ids: Int32Array.from(ids), assistantMask: Uint8Array.from(mask) };
}
