/** Conversations as tokens by a model's own chat template, in Jinja. */
import { InputError } from "../../base/index.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type Render, type Span, spansOf, withoutSpans } from "./assistant-spans.ts";
import type { ChatMessage, ChatOptions, EncodedChat } from "./chat-template.ts";
import { renderJinja } from "./jinja.ts";
import type { ChatTool } from "./tool-format.ts";

/**
 * Renders a model's own Jinja template. The text comes back whole, so marks that a user typed inside a content cannot be told from the
 * template's: `encodeTemplate` keeps them apart.
 * @throws InputError for a template that is too long, cannot be read, fails, or goes beyond `TEMPLATE_LIMITS`
 */
export function renderTemplate(
  template: string,
  messages: readonly ChatMessage[],
  tokenizer: Tokenizer,
  options: ChatOptions = {},
): string {
  const { tools = [], thinking, addGenerationPrompt = false } = options;
  const asDicts = wantsParsedArguments(template);
  const values = {
    messages: messages.map((message) => asJinja(message, asDicts)),
    add_generation_prompt: addGenerationPrompt,
    tools: tools.length > 0 ? tools.map((tool) => ({ type: "function", function: { ...tool } })) : null,
    documents: null,
    ...tokenizer.namedTokens,
    // Templates disagree on the name: DeepSeek's says thinking, others enable_thinking.
    ...(thinking === undefined ? {} : { thinking, enable_thinking: thinking }),
  };
  const size = messages.reduce((sum, { content }) => sum + content.length, 0);
  return renderJinja(withoutSpans(template), values, size);
}

/** Whether a template takes a call's arguments for an object, as transformers' documentation has it; DeepSeek's own take text. */
function wantsParsedArguments(template: string): boolean {
  return (
    /arguments\s*(\|\s*(tojson|items|dictsort|length)|\.items\(|\.keys\()/.test(template) &&
    !/arguments\s+is\s+(not\s+)?string/.test(template)
  );
}

/** A message as transformers gives it to templates. */
function asJinja(
  { role, content, toolCalls = [], toolCallId }: ChatMessage,
  asDicts: boolean,
): Record<string, unknown> {
  const calls = toolCalls.map(({ id, name, arguments: args }) => ({
    id,
    type: "function",
    function: { name, arguments: asDicts ? parsed(args) : args },
  }));
  return {
    role,
    content: calls.length > 0 && content === "" ? null : content,
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(toolCallId === undefined ? {} : { tool_call_id: toolCallId }),
  };
}

function parsed(args: string): unknown {
  try {
    return JSON.parse(args);
  } catch {
    return args;
  }
}

/** Stand for a mark's text inside a content, by number, while the template is rendered. */
const OPEN = "\uE000";
const CLOSE = "\uE001";

/** Keeps what somebody wrote apart from what a template writes. */
class Guard {
  private readonly tokenizer: Tokenizer;
  private readonly marks: readonly string[];
  private readonly pattern: RegExp;

  constructor(tokenizer: Tokenizer) {
    this.tokenizer = tokenizer;
    this.marks = [OPEN, CLOSE, "\uE002", "\uE003", ...[...tokenizer.guarded].sort((a, b) => b.length - a.length)];
    this.pattern = new RegExp(this.marks.map((mark) => mark.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "g");
  }

  /** A text, or all texts within a value, with marks replaced. */
  hide<Value>(value: Value): Value {
    return this.hidden(value) as Value;
  }

  private hidden(value: unknown): unknown {
    if (typeof value === "string")
      return value.replace(this.pattern, (mark) => `${OPEN}${this.marks.indexOf(mark)}${CLOSE}`);
    if (Array.isArray(value)) return value.map((item) => this.hidden(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.hidden(key), this.hidden(item)]));
  }

  /** The parts of a rendered text, those that were hidden as they were. */
  parts(rendered: string): { text: string; special: "parse" | "text" }[] {
    return rendered.split(new RegExp(`${OPEN}(\\d{1,9})${CLOSE}`)).map((part, i) => {
      const mark = i % 2 === 1 ? this.marks[Number(part)] : undefined;
      return { text: mark ?? part, special: mark === undefined ? "parse" : "text" };
    });
  }

  text(rendered: string): string {
    return this.parts(rendered)
      .map(({ text }) => text)
      .join("");
  }

  /** Where the last mark of the template's own ends; −1 where there is none. */
  lastMarkEnd(rendered: string): number {
    return this.tokenizer.guarded.reduce((end, mark) => {
      const at = rendered.lastIndexOf(mark);
      return at < 0 ? end : Math.max(end, at + mark.length);
    }, -1);
  }
}

/**
 * The conversation as token ids by a model's own template, with the text of which they are made. Marks that somebody typed inside a content
 * stay plain text. The mask is made where `masked` asks for it.
 * @throws InputError as `renderTemplate`; for the mask, also where the assistant's words cannot be told from the template's
 */
export function encodeTemplate(
  template: string,
  messages: readonly ChatMessage[],
  tokenizer: Tokenizer,
  options: ChatOptions & { masked?: boolean } = {},
): EncodedChat & { text: string } {
  const guard = new Guard(tokenizer);
  const safe = messages.map((message) => ({
    ...message,
    content: guard.hide(message.content),
    toolCalls: message.toolCalls && guard.hide(message.toolCalls),
  }));
  const tools = options.tools && (guard.hide(options.tools) as readonly ChatTool[]);
  const render: Render = (list, own) =>
    renderTemplate(own?.template ?? template, list, tokenizer, { ...options, tools, ...own });
  let rendered = render(safe);
  if (options.continueFinal) {
    // What stands behind the last content closes it.
    const { content } = safe[safe.length - 1];
    const at = rendered.lastIndexOf(content.trimEnd());
    if (at < 0) throw new InputError("chat_template: it leaves out the last message, which was to be continued");
    rendered = rendered.slice(0, at + content.trimEnd().length);
  }
  const ids: number[] = [];
  // One by one: a long text has more than a call takes arguments.
  for (const { text, special } of guard.parts(rendered))
    for (const id of tokenizer.encode(text, { special })) ids.push(id);
  const spans = options.masked ? spansOf(template, safe, rendered, render, (text) => guard.lastMarkEnd(text)) : [];
  const bytesBefore = (at: number) => Buffer.byteLength(guard.text(rendered.slice(0, at)));
  const inBytes = spans.map(({ from, to }) => ({ from: bytesBefore(from), to: bytesBefore(to) }));
  return { ids: Int32Array.from(ids), assistantMask: maskOf(ids, inBytes, tokenizer), text: guard.text(rendered) };
}

/** 1 on tokens that have a part in a span of bytes, as transformers counts them: tokens of byte-level BPE are the text's bytes. */
function maskOf(ids: readonly number[], spans: readonly Span[], tokenizer: Tokenizer): Uint8Array<ArrayBuffer> {
  const mask = new Uint8Array(ids.length);
  let at = 0;
  let next = 0;
  for (const [i, id] of ids.entries()) {
    const end = at + tokenizer.tokenBytes(id).length;
    while (next < spans.length && spans[next].to <= at) next++;
    if (next < spans.length && spans[next].from < end) mask[i] = 1;
    at = end;
  }
  return mask;
}
