/**
 * A text on the page as it grows. Blocks that can no longer change are left alone; only the last one is made anew, and never while a former
 * request is still on its way, so that a fast stream costs no more than a slow one.
 */
import { type DecorationLabels, decorate } from "./decorate.ts";
import { setFormulas } from "./formulas.ts";
import { LIMITS } from "./limits.ts";
import type { Block, Kind } from "./markdown.ts";
import { unstack } from "./marks.ts";
import { renderInWorker } from "./pool.ts";
import { sanitize } from "./sanitize.ts";
import { breathe } from "./slices.ts";

export interface ViewLabels extends DecorationLabels {
  more: (characters: number) => string;
}

/** Constructs whose meaning may depend on text far behind them: such a text is rendered once more when it is complete. */
const FAR = /^ {0,3}\[[^\]\n]{1,999}\]:|\$\$|\\\[/m;

export class MarkdownView {
  private readonly root: HTMLElement;
  private readonly labels: ViewLabels;
  private readonly kind: Kind;
  private text = "";
  private final = false;
  /** Characters and elements of blocks that are closed. */
  private closed = 0;
  private closedElements = 0;
  private shown = "";
  private busy = false;
  private finished = false;
  private gone = false;

  constructor(root: HTMLElement, labels: ViewLabels, kind: Kind = "answer") {
    this.root = root;
    this.labels = labels;
    this.kind = kind;
  }

  update(text: string, final: boolean): void {
    const clean = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
    if (clean === this.text && final === this.final && (this.finished || this.busy)) return;
    // A text that was complete and is not the same any more has its last block open again.
    const reopened = this.final && (!final || clean !== this.text);
    if (reopened || !clean.startsWith(this.text) || (final && FAR.test(clean))) this.restart();
    this.text = clean;
    this.final = final;
    this.finished = false;
    void this.work();
  }

  destroy(): void {
    this.gone = true;
  }

  private restart(): void {
    this.closed = 0;
    this.closedElements = 0;
    this.shown = "";
  }

  private async work(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    while (!this.finished && !this.gone) {
      const { text, final, closed } = this;
      const blocks = await renderInWorker({ text: text.slice(closed), final, kind: this.kind, urgent: !final });
      if (this.gone) break;
      // The text was replaced while the worker thought of the old one.
      if (!this.text.startsWith(text) || this.closed !== closed) continue;
      await this.place(blocks, closed, text, final);
      this.finished = this.text === text && this.final === final;
    }
    this.busy = false;
  }

  private async place(blocks: Block[], from: number, text: string, final: boolean): Promise<void> {
    let position = from;
    for (const [index, block] of blocks.entries()) {
      const source = text.slice(position, position + block.length);
      const last = index === blocks.length - 1;
      if (!last || source !== this.shown) {
        if (index > 0) await breathe();
        if (this.gone || this.closed !== position) return;
        this.put(this.element(block, source));
      }
      position += block.length;
      if (!last || final) {
        this.closed = position;
        this.closedElements++;
        this.shown = "";
      } else this.shown = source;
    }
    while (this.root.childNodes.length > this.closedElements + (final || blocks.length === 0 ? 0 : 1))
      this.root.lastChild!.remove();
  }

  /** Puts a block behind the closed ones, in place of what stood there. */
  private put(element: HTMLElement): void {
    const old = this.root.childNodes[this.closedElements];
    if (old) this.root.replaceChild(element, old);
    else this.root.append(element);
    void setFormulas(element);
  }

  private element(block: Block, source: string): HTMLElement {
    const element = document.createElement("div");
    element.className = "block";
    if (block.html === null) element.append(...this.plain(source, 0));
    else {
      const fragment = sanitize(block.html);
      decorate(fragment, this.labels);
      element.append(fragment);
    }
    return element;
  }

  /** Text as it is, a piece at a time: laying out a megabyte at once would freeze the page by itself. */
  private plain(source: string, from: number): HTMLElement[] {
    const to = from + LIMITS.plain;
    const text = document.createElement("div");
    text.className = "plain";
    text.dir = "auto";
    text.textContent = unstack(source.slice(from, to));
    if (to >= source.length) return [text];
    const more = document.createElement("button");
    more.type = "button";
    more.className = "button";
    more.textContent = this.labels.more(source.length - to);
    more.addEventListener("click", () => more.replaceWith(...this.plain(source, to)));
    return [text, more];
  }
}
