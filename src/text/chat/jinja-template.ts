/** A model's own chat template, in Jinja, from its tokenizer_config.json. */
import { Template } from "@huggingface/jinja";
import { InputError } from "../../base/index.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { ChatMessage, ChatOptions } from "./chat-template.ts";

export const TEMPLATE_LIMITS = { templateLength: 2 ** 16, outputLength: 2 ** 24 };

/**
 * Renders a model's own Jinja template. The text comes back whole, so marks that a user typed inside a content cannot be told from the
 * template's: `encodeTemplate` keeps them apart. Length of template and output are limited; the interpreter has no access to anything
 * outside the values given here.
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
  const { tools = [], thinking, addGenerationPrompt = false } = options;
  let text: string;
  try {
    text = new Template(template).render({
      messages: messages.map(asJinja),
      add_generation_prompt: addGenerationPrompt,
      bos_token: token(tokenizer.bosId),
      eos_token: token(tokenizer.eosId),
      ...(tools.length > 0 ? { tools: tools.map((tool) => ({ type: "function", function: { ...tool } })) } : {}),
      // Templates disagree on the name: DeepSeek's says thinking, others enable_thinking.
      ...(thinking === undefined ? {} : { thinking, enable_thinking: thinking }),
    });
  } catch (error) {
    throw new InputError(`chat_template: ${(error as Error).message.split("\n")[0]}`);
  }
  if (text.length > TEMPLATE_LIMITS.outputLength)
    throw new InputError(`chat_template: its output is longer than ${TEMPLATE_LIMITS.outputLength} characters`);
  return text;
}

/** A message as transformers gives it to templates. */
function asJinja({ role, content, toolCalls, toolCallId }: ChatMessage): Record<string, unknown> {
  const calls = toolCalls?.map(({ id, name, arguments: args }) => ({
    id,
    type: "function",
    function: { name, arguments: args },
  }));
  return {
    role,
    content: calls && calls.length > 0 && content === "" ? null : content,
    ...(calls && calls.length > 0 ? { tool_calls: calls } : {}),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
  };
}

/** Stand for a special token's text inside a content, by number, while the template is rendered. */
const OPEN = "\uE000";
const CLOSE = "\uE001";

/**
 * The conversation as token ids by a model's own template, with the text of which they are made. Special tokens that somebody typed inside a
 * content stay plain text.
 * @throws InputError as `renderTemplate`
 */
export function encodeTemplate(
  template: string,
  messages: readonly ChatMessage[],
  tokenizer: Tokenizer,
  options: ChatOptions = {},
): { ids: Int32Array<ArrayBuffer>; text: string } {
  const set = [...tokenizer.special.keys()].filter((mark) => mark.length > 0);
  const guarded = [OPEN, CLOSE, ...set.sort((a, b) => b.length - a.length)];
  const hide = (text: string) => hidden(text, guarded);
  const safe = messages.map((message) => ({
    ...message,
    content: hide(message.content),
    toolCalls: message.toolCalls?.map((call) => ({ ...call, name: hide(call.name), arguments: hide(call.arguments) })),
  }));
  let rendered = renderTemplate(template, safe, tokenizer, options);
  if (options.continueFinal) {
    // What stands behind the last content closes it.
    const { content } = safe[safe.length - 1];
    const at = rendered.lastIndexOf(content.trimEnd());
    if (at < 0) throw new InputError("chat_template: it leaves out the last message, which was to be continued");
    rendered = rendered.slice(0, at + content.trimEnd().length);
  }
  const ids: number[] = [];
  const plain = rendered.split(new RegExp(`${OPEN}(\\d+)${CLOSE}`)).map((part, i) => {
    const text = i % 2 === 0 ? part : guarded[Number(part)];
    ids.push(...tokenizer.encode(text, { special: i % 2 === 0 ? "parse" : "text" }));
    return text;
  });
  return { ids: Int32Array.from(ids), text: plain.join("") };
}

function hidden(text: string, guarded: readonly string[]): string {
  if (!guarded.some((mark) => text.includes(mark))) return text;
  const pattern = new RegExp(guarded.map((mark) => mark.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "g");
  return text.replace(pattern, (mark) => `${OPEN}${guarded.indexOf(mark)}${CLOSE}`);
}
