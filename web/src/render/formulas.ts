/** Formulas are set one by one when the page has time, and each only once. */
import { LIMITS } from "./limits.ts";
import { breathe } from "./slices.ts";

let module: Promise<typeof import("./katex.ts")> | null = null;
/** Set formulas by source, so that the growing end of a text does not set them again with every word. */
const made = new Map<string, HTMLElement | null>();
const MOST_KEPT = 500;

function keep(key: string, element: HTMLElement | null): void {
  if (made.size >= MOST_KEPT) made.delete(made.keys().next().value!);
  made.set(key, element);
}

function show(element: HTMLElement, set: HTMLElement | null): void {
  if (!set) {
    element.classList.add("failed");
    return;
  }
  element.dataset.tex = element.textContent ?? "";
  element.replaceChildren(...[...set.childNodes].map((node) => node.cloneNode(true)));
  element.classList.add("rendered");
}

function keyOf(element: HTMLElement): string {
  return `${element.classList.contains("display") ? "D" : "I"}${element.textContent}`;
}

/** Sets what is in `root`. Formulas beyond the limits, or that KaTeX does not understand, stay as their source. */
export async function setFormulas(root: ParentNode): Promise<void> {
  const elements = [...root.querySelectorAll<HTMLElement>(".math:not(.rendered, .failed)")].slice(0, LIMITS.formulas);
  const missing: HTMLElement[] = [];
  for (const element of elements) {
    const known = made.get(keyOf(element));
    if (known === undefined) missing.push(element);
    else show(element, known);
  }
  if (missing.length === 0) return;
  module ??= import("./katex.ts");
  const { typeset } = await module;
  for (const element of missing) {
    await breathe();
    if (!element.isConnected) continue;
    const key = keyOf(element);
    if (!made.has(key)) keep(key, attempt(typeset, element));
    show(element, made.get(key)!);
  }
}

function attempt(typeset: typeof import("./katex.ts").typeset, element: HTMLElement): HTMLElement | null {
  const tex = element.textContent ?? "";
  if (tex.length > LIMITS.tex) return null;
  try {
    const target = document.createElement("span");
    typeset(tex, target, element.classList.contains("display"));
    return target;
  } catch {
    return null;
  }
}
