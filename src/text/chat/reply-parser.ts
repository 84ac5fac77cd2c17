/** An assistant's reply as it comes, parted into reasoning, answer and calls of tools. */
import { heldBack } from "./held-back.ts";
import { CALL_BEGIN, CALL_END, CALL_SEPARATOR, CALLS_BEGIN, CALLS_END, THINK_BEGIN, THINK_END } from "./tool-format.ts";

/** A piece of a reply. Of a call, the first piece names it and has no arguments yet. */
export type ReplyPart =
  | { type: "text" | "reasoning"; text: string }
  | { type: "tool_call"; index: number; id?: string; name?: string; arguments: string };

export interface ReplyForm {
  /** What the reply begins with: its answer; reasoning, because the prompt ended with <think>; or either, as a <think> tells. */
  begins: "answer" | "reasoning" | "either";
  /** Calls are parted from text. */
  calls: boolean;
  /** It is calls and nothing else, but for reasoning (default false). */
  onlyCalls?: boolean;
  /** A new call's id. */
  newId: () => string;
}

/** Whether a text's end is the beginning of a mark, and too much of it to be anything else. */
const isCutMark = (held: string, tail: string): boolean =>
  CALLS_BEGIN.startsWith(held) && held.length > (tail === "" ? 1 : 0);

/** DeepSeek-V3 wrote "function" for a name, and name and arguments fenced after it. */
const FENCED_NAME = "function";
const FENCE_BEGIN = "\n```json\n";
const FENCE_END = "\n```";

type State =
  | "beginning"
  | "reasoning"
  | "answer"
  | "between"
  | "name"
  | "fenced name"
  | "arguments"
  | "fenced arguments";

export class ReplyParser {
  private readonly form: ReplyForm;
  private state: State;
  private text = "";
  private calls = 0;
  /** Line breaks around reasoning belong to neither part. */
  private trim: boolean;

  constructor(form: ReplyForm) {
    this.form = form;
    this.state = form.begins === "answer" ? "answer" : form.begins === "reasoning" ? "reasoning" : "beginning";
    this.trim = form.begins !== "answer";
  }

  /** Whether what comes now is reasoning. */
  get reasoning(): boolean {
    return this.state === "reasoning";
  }

  /** Whether what comes now is a call: its beginning has been read. */
  get calling(): boolean {
    return !["beginning", "reasoning", "answer"].includes(this.state);
  }

  push(text: string): ReplyPart[] {
    this.text += text;
    const parts: ReplyPart[] = [];
    while (this.step(parts));
    return parts;
  }

  /**
   * What was held back, at the end. Of a call that was cut before its arguments nothing is shown, and no mark ever is.
   * @param tail what the end of the text left of a character that was cut
   */
  end(tail = ""): ReplyPart[] {
    const { state } = this;
    const text = this.text + tail;
    // Of arguments only the beginning of the mark that ends them is ever held back.
    const { calls, onlyCalls = false } = this.form;
    const cut = this.calling || (calls && state === "answer" && (onlyCalls || isCutMark(this.text, tail)));
    this.text = "";
    if (text === "" || cut) return [];
    return [{ type: state === "reasoning" ? "reasoning" : "text", text }];
  }

  /** Reads up to the next mark; false when more text is needed. */
  private step(parts: ReplyPart[]): boolean {
    switch (this.state) {
      case "beginning": {
        if (THINK_BEGIN.startsWith(this.text)) return false;
        const thinks = this.text.startsWith(THINK_BEGIN);
        if (thinks) this.text = this.text.slice(THINK_BEGIN.length);
        this.state = thinks ? "reasoning" : "answer";
        this.trim = thinks;
        return true;
      }
      case "reasoning":
        return this.stream(THINK_END, (text) => parts.push({ type: "reasoning", text }), "answer");
      case "answer": {
        const mark = this.form.calls ? CALLS_BEGIN : null;
        return this.stream(mark, (text) => parts.push({ type: "text", text }), "between");
      }
      case "between":
        return this.between();
      case "name":
        return this.name(parts, CALL_SEPARATOR);
      case "fenced name":
        return this.name(parts, FENCE_BEGIN);
      case "arguments":
      case "fenced arguments": {
        const give = (text: string) => parts.push({ type: "tool_call", index: this.calls - 1, arguments: text });
        return this.stream(this.state === "arguments" ? CALL_END : FENCE_END + CALL_END, give, "between");
      }
    }
  }

  /** Passes text on until the mark, and then goes over to another state. */
  private stream(mark: string | null, give: (text: string) => void, next: State): boolean {
    if (this.trim) {
      this.text = this.text.replace(/^[\r\n]+/, "");
      if (this.text === "") return false;
      this.trim = false;
    }
    const at = mark === null ? -1 : this.text.indexOf(mark);
    const shown = at >= 0 ? at : this.text.length - (mark === null ? 0 : heldBack(this.text, [mark]));
    if (shown > 0) give(this.text.slice(0, shown));
    this.text = this.text.slice(at >= 0 ? at + mark!.length : shown);
    if (at < 0) return false;
    this.trim = this.state === "reasoning";
    this.state = next;
    return true;
  }

  /** Between calls: only their marks count. What follows the last is text again. */
  private between(): boolean {
    const next = this.text.indexOf(CALL_BEGIN);
    const last = this.text.indexOf(CALLS_END);
    if (last >= 0 && (next < 0 || last < next)) {
      this.text = this.text.slice(last + CALLS_END.length);
      this.state = "answer";
      return true;
    }
    if (next < 0) return false;
    this.text = this.text.slice(next + CALL_BEGIN.length);
    this.state = "name";
    return true;
  }

  private name(parts: ReplyPart[], mark: string): boolean {
    const at = this.text.indexOf(mark);
    if (at < 0) return false;
    const name = this.text.slice(0, at).trim();
    this.text = this.text.slice(at + mark.length);
    if (this.state === "name" && name === FENCED_NAME) {
      this.state = "fenced name";
      return true;
    }
    this.state = this.state === "name" ? "arguments" : "fenced arguments";
    parts.push({ type: "tool_call", index: this.calls++, id: this.form.newId(), name, arguments: "" });
    return true;
  }
}
