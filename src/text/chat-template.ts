/**
 * Conversations as tokens: DeepSeek's template, and any other that a tokenizer_config.json brings.
 *
 *   <｜begin▁of▁sentence｜>{system}<｜User｜>{user}<｜Assistant｜>{assistant}<｜end▁of▁sentence｜>
 */
import { Template } from "@huggingface/jinja";
import { InputError } from "../tensor/index.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { ASSISTANT, BOS, EOS, USER } from "./train-bpe.ts";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface ChatOptions {
  /** End with the assistant's mark, for it to reply (default false). */
  addGenerationPrompt?: boolean;
}

/** DeepSeek's template in Jinja, as it is written into tokenizer_config.json. */
export const DEEPSEEK_TEMPLATE =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}" +
  `{% elif message['role'] == 'user' %}{{ '${USER}' + message['content'] }}` +
  `{% elif message['role'] == 'assistant' %}{{ '${ASSISTANT}' + message['content'] + eos_token }}{% endif %}{% endfor %}` +
  `{% if add_generation_prompt %}{{ '${ASSISTANT}' }}{% endif %}`;

export const TEMPLATE_LIMITS = { templateLength: 2 ** 16, outputLength: 2 ** 24 };

/** The conversation as text by DeepSeek's template. */
export function applyChatTemplate(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
  return chatParts(messages, options)
    .map(({ mark, text, end }) => `${mark}${text}${end}`)
    .join("");
}

function chatParts(
  messages: readonly ChatMessage[],
  options: ChatOptions,
): { mark: string; text: string; end: string; reply: boolean }[] {
  const parts = [{ mark: BOS, text: "", end: "", reply: false }];
  for (const { role, content } of messages) {
    if (role === "system") parts.push({ mark: "", text: content, end: "", reply: false });
    else if (role === "user") parts.push({ mark: USER, text: content, end: "", reply: false });
    else parts.push({ mark: ASSISTANT, text: content, end: EOS, reply: true });
  }
  if (options.addGenerationPrompt) parts.push({ mark: ASSISTANT, text: "", end: "", reply: false });
  return parts;
}

/**
 * The conversation as token ids by DeepSeek's template, with a mask: 1 on the assistant's words and the end of sentence that closes them.
 * Contents are encoded as plain text: whatever a user types, it cannot forge a mark.
 * @throws InputError if the tokenizer lacks the template's marks
 */
export function encodeChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): { ids: Int32Array<ArrayBuffer>; assistantMask: Uint8Array } {
  const ids: number[] = [];
  const mask: number[] = [];
  const push = (id: number, reply: boolean) => {
    ids.push(id);
    mask.push(reply ? 1 : 0);
  };
  const mark = (token: string): number => {
    const id = tokenizer.special.get(token);
    if (id === undefined)
      throw new InputError(
        `the tokenizer has no token ${token}, which DeepSeek's chat template needs; use a model with that template`,
      );
    return id;
  };
  for (const part of chatParts(messages, options)) {
    if (part.mark) push(mark(part.mark), false);
    for (const id of tokenizer.encode(part.text, { special: "text" })) push(id, part.reply);
    if (part.end) push(mark(part.end), part.reply);
  }
  return { ids: Int32Array.from(ids), assistantMask: Uint8Array.from(mask) };
}

/**
 * Renders a model's own Jinja template. The text comes back whole, so marks that a user typed inside a content cannot be told from the
 * template's: encode contents apart (`encodeChat`) where that matters. Length of template and output are limited; the interpreter has no
 * access to anything outside the values given here.
 * @throws InputError for a template that is too long, cannot be read, or fails
 */
export function renderTemplate(
  template: string,
  messages: readonly ChatMessage[],
  tokenizer: Tokenizer,
  options: ChatOptions = {},
): string {
  if (template.length > TEMPLATE_LIMITS.templateLength)
    throw new InputError(`chat_template: longer than ${TEMPLATE_LIMITS.templateLength} characters`);
  const token = (id: number | null) => (id === null ? "" : new TextDecoder().decode(tokenizer.tokenBytes(id)));
  let text: string;
  try {
    text = new Template(template).render({
      messages: messages.map((message) => ({ ...message })),
      add_generation_prompt: options.addGenerationPrompt ?? false,
      bos_token: token(tokenizer.bosId),
      eos_token: token(tokenizer.eosId),
    });
  } catch (error) {
    throw new InputError(`chat_template: ${(error as Error).message.split("\n")[0]}`);
  }
  if (text.length > TEMPLATE_LIMITS.outputLength)
    throw new InputError(`chat_template: its output is longer than ${TEMPLATE_LIMITS.outputLength} characters`);
  return text;
}
