/** Conversations as tokens by the template of the folder that the tokenizer came from: the one way for everything that talks or learns to talk. */
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import {
  type ChatMessage,
  type ChatOptions,
  DEEPSEEK_TEMPLATE,
  type EncodedChat,
  encodeDeepseek,
} from "./chat-template.ts";
import { encodeTemplate } from "./jinja-template.ts";

/** The folder's own template in Jinja, for conversations with tools or without; null where it is DeepSeek's, or it has none. */
export function templateOf({ parts }: Tokenizer, withTools = false): string | null {
  const { chatTemplate, toolTemplate } = parts;
  const template = withTools ? (toolTemplate ?? chatTemplate) : chatTemplate;
  return template === DEEPSEEK_TEMPLATE ? null : template;
}

/**
 * The conversation as token ids by the folder's template, or DeepSeek's where it brings none, with a mask: 1 on the assistant's words and
 * the end that closes them. Whatever a user types, it cannot forge a mark.
 * @throws InputError if the template cannot be used, or the tokenizer lacks the marks of DeepSeek's
 */
export function encodeChat(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  options: ChatOptions & { masked?: boolean } = {},
): EncodedChat & { text: string | null } {
  const template = templateOf(tokenizer, (options.tools ?? []).length > 0);
  if (template === null) return { ...encodeDeepseek(tokenizer, messages, options), text: null };
  return encodeTemplate(template, messages, tokenizer, options);
}
