/** What a selection with formulas puts on the clipboard: their source instead of one symbol a line. */

/** The formula around a place, if there is one: it is copied whole. */
const formulaAt = (node: Node): Element | null =>
  (node instanceof Element ? node : node.parentElement)?.closest(".math.rendered") ?? null;

function sourceOf(formula: HTMLElement): string {
  const mark = formula.classList.contains("display") ? "$$" : "$";
  return `${mark}${formula.dataset.tex ?? ""}${mark}`;
}

/** The text of elements as the page shows them, which only elements in the page have. */
function shownText(content: DocumentFragment): { text: string; html: string } {
  const frame = document.createElement("div");
  frame.className = "md copying";
  frame.append(content);
  document.body.append(frame);
  const made = { text: frame.innerText, html: frame.innerHTML };
  frame.remove();
  return made;
}

export function copySelection(event: ClipboardEvent): void {
  const selection = getSelection();
  // What is selected in a field is the field's own affair.
  if (!event.clipboardData || !selection || selection.isCollapsed || selection.rangeCount === 0) return;
  const range = selection.getRangeAt(0).cloneRange();
  const [first, last] = [formulaAt(range.startContainer), formulaAt(range.endContainer)];
  if (first) range.setStartBefore(first);
  if (last) range.setEndAfter(last);
  const content = range.cloneContents();
  const formulas = content.querySelectorAll<HTMLElement>(".math.rendered");
  if (formulas.length === 0) return;
  for (const formula of formulas) formula.replaceChildren(sourceOf(formula));
  for (const head of content.querySelectorAll(".code-head")) head.remove();
  const { text, html } = shownText(content);
  event.clipboardData.setData("text/plain", text);
  event.clipboardData.setData("text/html", html);
  event.preventDefault();
}
