/** What the page adds to cleaned HTML: a head with a copy button over code, frames in which wide things scroll, and where a text begins. */
import { directionOf } from "../lib/direction.ts";

export interface DecorationLabels {
  copy: string;
  code: string;
  table: string;
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, text = ""): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

const DIRECTED = "p, h3, h4, h5, h6, th, td, ul, ol, blockquote, table";

/**
 * Each piece of text begins where its first letter says, and what holds several (a list with its marks, a table) where the first of them does. One
 * without letters goes with what is around it.
 */
function direct(root: DocumentFragment): void {
  for (const element of root.querySelectorAll<HTMLElement>(DIRECTED)) {
    const direction = directionOf(element.textContent ?? "");
    if (direction) element.dir = direction;
  }
}

export function decorate(root: DocumentFragment, labels: DecorationLabels): void {
  direct(root);
  for (const pre of root.querySelectorAll("pre")) {
    const language = pre.className.replace(/^language-/, "");
    const frame = make("div", "code");
    const head = make("div", "code-head");
    const button = make("button", "copy", labels.copy);
    button.type = "button";
    head.append(make("span", "", language), button);
    pre.className = "";
    pre.dir = "ltr";
    pre.tabIndex = 0;
    pre.setAttribute("role", "region");
    pre.setAttribute("aria-label", language ? `${labels.code}: ${language}` : labels.code);
    pre.replaceWith(frame);
    frame.append(head, pre);
  }
  for (const table of root.querySelectorAll("table")) {
    const frame = make("div", "table");
    frame.tabIndex = 0;
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", labels.table);
    table.replaceWith(frame);
    frame.append(table);
  }
}
