/**
 * Thoughts that a server leaves in the answer's text, between tags, because it was not told how its model marks them. A prompt may have opened the tag
 * already; then only its end stands in the text.
 */
import { heldBack } from "../../text/index.ts";

const TAGS = [
  ["<think>", "</think>"],
  ["<thinking>", "</thinking>"],
  ["<thought>", "</thought>"],
  ["◁think▷", "◁/think▷"],
  ["<seed:think>", "</seed:think>"],
  ["[THINK]", "[/THINK]"],
] as const;
const OPENING: readonly string[] = TAGS.map(([open]) => open);
const CLOSING: readonly string[] = TAGS.map(([, close]) => close);

/** Characters of an answer in which the end of a thought is sought, each time that some come. */
const TAIL = 4096;

export interface Piece {
  type: "text" | "reasoning";
  text: string;
}

export interface ThoughtForm {
  /** The prompt is known to open the thought. */
  opened: boolean;
  /** Nobody reads along: all may be held back until the end, when it is certain what was thought. */
  whole: boolean;
}

export class Thoughts {
  /** The end of a thought came that nothing had opened. */
  unopened = false;
  /** A thought that was taken for opened never ended: it was the answer. */
  neverClosed = false;
  private readonly form: ThoughtForm;
  private state: "beginning" | "thought" | "answer" = "beginning";
  private held = "";
  /** Of a thought that nothing in the text opened: all of it, should it turn out to be the answer. */
  private assumed: string | null = null;
  private closed = false;
  /** The end of what was passed on as the answer. */
  private tail = "";
  /** Line breaks around a thought belong to neither part. */
  private trim = false;
  private close: readonly string[] = CLOSING;

  constructor(form: ThoughtForm) {
    this.form = form;
  }

  /** What is thought comes in a field of its own: text is the answer. */
  told(): void {
    if (this.state === "beginning" && this.form.opened) this.state = "answer";
  }

  /** Characters that are held back. */
  get waiting(): number {
    return this.held.length;
  }

  push(added: string): Piece[] {
    this.held += added;
    if (this.form.whole) return [];
    const pieces: Piece[] = [];
    while (this.step(pieces));
    return pieces;
  }

  end(): Piece[] {
    const pieces: Piece[] = [];
    if (this.form.whole) this.begin(true);
    else if (this.state === "beginning") this.state = "answer";
    if (this.form.whole && this.state === "answer") this.divide(pieces);
    while (this.step(pieces));
    this.give(pieces, this.held);
    this.held = "";
    if (this.state === "thought" && this.assumed !== null) {
      this.neverClosed = true;
      return this.form.whole
        ? [{ type: "text", text: this.assumed }]
        : [...pieces, { type: "text", text: this.assumed }];
    }
    return pieces;
  }

  private step(pieces: Piece[]): boolean {
    if (this.state === "beginning") return this.begin(false);
    if (this.trim) {
      this.held = this.held.replace(/^[\r\n]+/, "");
      if (this.held === "") return false;
      this.trim = false;
    }
    if (this.state === "answer") {
      // The end of a thought that was passed on as text already is noticed, for the next answer.
      this.tail = (this.tail + this.held).slice(-TAIL);
      this.unopened ||= !this.closed && CLOSING.some((mark) => unopenedEnd(this.tail, mark) >= 0);
      this.give(pieces, this.held);
      this.held = "";
      return false;
    }
    const found = first(this.held, this.close);
    const shown = found ? found.at : this.held.length - heldBack(this.held, this.close);
    this.give(pieces, this.held.slice(0, shown));
    this.held = this.held.slice(shown + (found?.mark.length ?? 0));
    if (!found) return false;
    this.state = "answer";
    this.assumed = null;
    this.closed = true;
    this.trim = true;
    return true;
  }

  /** Whether the text begins with a thought; false while that is not known. */
  private begin(last: boolean): boolean {
    const start = this.held.trimStart();
    const at = OPENING.findIndex((mark) => start.startsWith(mark));
    if (at < 0 && !last && (start === "" || OPENING.some((mark) => mark.startsWith(start)))) return false;
    this.state = at >= 0 || this.form.opened ? "thought" : "answer";
    if (at >= 0) {
      this.held = start.slice(OPENING[at].length);
      this.close = [CLOSING[at]];
    } else if (this.form.opened) this.assumed = "";
    this.trim = this.state === "thought";
    return true;
  }

  /** Of a whole text that no tag begins: what stands before the end of a thought was thought. */
  private divide(pieces: Piece[]): void {
    for (const mark of CLOSING) {
      const at = unopenedEnd(this.held, mark);
      if (at < 0) continue;
      this.unopened = true;
      pieces.push({ type: "reasoning", text: this.held.slice(0, at).trim() });
      this.held = this.held.slice(at + mark.length).replace(/^[\r\n]+/, "");
      return;
    }
  }

  private give(pieces: Piece[], text: string): void {
    if (text === "") return;
    if (this.assumed !== null) this.assumed += text;
    pieces.push({ type: this.state === "thought" ? "reasoning" : "text", text });
  }
}

function first(text: string, marks: readonly string[]): { at: number; mark: string } | null {
  const found = marks.map((mark) => ({ at: text.indexOf(mark), mark })).filter(({ at }) => at >= 0);
  return found.sort((a, b) => a.at - b.at)[0] ?? null;
}

/** Where a closing tag ends a thought: one in quotes, in code or in the middle of a line that goes on is talked about. */
function unopenedEnd(text: string, mark: string): number {
  const at = text.indexOf(mark);
  if (at < 0 || /[`"'“«]$/.test(text.slice(0, at))) return -1;
  const after = text.slice(at + mark.length);
  return after === "" || /^\s*[\r\n]/.test(after) || /[\r\n]\s*$/.test(text.slice(0, at)) ? at : -1;
}
