/**
 * Tools in a conversation, as DeepSeek-V3.1 writes them. An assistant's calls, after whatever it says:
 *
 *   <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>NAME<｜tool▁sep｜>ARGUMENTS<｜tool▁call▁end｜>…<｜tool▁calls▁end｜>
 *
 * and what a tool gave: <｜tool▁output▁begin｜>OUTPUT<｜tool▁output▁end｜>. Arguments are one JSON object.
 */
export const CALLS_BEGIN = "<｜tool▁calls▁begin｜>";
export const CALLS_END = "<｜tool▁calls▁end｜>";
export const CALL_BEGIN = "<｜tool▁call▁begin｜>";
export const CALL_END = "<｜tool▁call▁end｜>";
export const CALL_SEPARATOR = "<｜tool▁sep｜>";
export const OUTPUT_BEGIN = "<｜tool▁output▁begin｜>";
export const OUTPUT_END = "<｜tool▁output▁end｜>";
export const THINK_BEGIN = "<think>";
export const THINK_END = "</think>";

export interface ChatToolCall {
  name: string;
  /** JSON. */
  arguments: string;
}

export interface ChatTool {
  name: string;
  description?: string;
  /** JSON Schema of the arguments. */
  parameters?: unknown;
}

/** A piece of a conversation: a mark of the template, or somebody's words, which stay words whatever they say. */
export interface ChatPiece {
  mark?: string;
  text?: string;
  /** The assistant's own. */
  reply: boolean;
}

/** What a model is told of its tools, after the system's words. */
export function toolPieces(tools: readonly ChatTool[]): ChatPiece[] {
  const list = tools.map(({ name, description, parameters }) => {
    const about = description ? `${description}\n` : "";
    return `### ${name}\n${about}Arguments, as JSON Schema: ${JSON.stringify(parameters ?? { type: "object" })}\n`;
  });
  const words = (text: string): ChatPiece => ({ text, reply: false });
  const mark = (text: string): ChatPiece => ({ mark: text, reply: false });
  return [
    words(`\n\n## Tools\nYou can call these tools:\n\n${list.join("\n")}\nTo call one or more, write nothing but:\n`),
    mark(CALLS_BEGIN),
    mark(CALL_BEGIN),
    words("name"),
    mark(CALL_SEPARATOR),
    words("arguments"),
    mark(CALL_END),
    mark(CALLS_END),
    words(
      "\nThe name is one of those above, the arguments one JSON object; calls follow each other without a space.\n",
    ),
  ];
}

export function callPieces(calls: readonly ChatToolCall[]): ChatPiece[] {
  if (calls.length === 0) return [];
  const mark = (text: string): ChatPiece => ({ mark: text, reply: true });
  const words = (text: string): ChatPiece => ({ text, reply: true });
  return [
    mark(CALLS_BEGIN),
    ...calls.flatMap(({ name, arguments: args }) => [
      mark(CALL_BEGIN),
      words(name),
      mark(CALL_SEPARATOR),
      words(args),
      mark(CALL_END),
    ]),
    mark(CALLS_END),
  ];
}

/**
 * Words in which no mark of this file stands: for tokenizers that have no tokens for the marks, so that they are written as text.
 * The wide bars of a mark become narrow ones.
 */
export function withoutMarks(text: string): string {
  return text.includes("｜tool▁") ? text.replaceAll("｜tool▁", "|tool▁") : text;
}
