/** KaTeX with its fonts, in a chunk of its own that is fetched with the first formula. */
import "katex/dist/katex.min.css";
import katex from "katex";
import { LIMITS } from "./limits.ts";

/** Builds the formula node by node (its lengths are set through the DOM, which the policy allows, not through style attributes). */
export function typeset(tex: string, element: HTMLElement, displayMode: boolean): void {
  katex.render(tex, element, {
    displayMode,
    trust: false,
    strict: "ignore",
    throwOnError: true,
    maxExpand: LIMITS.texExpansions,
    maxSize: LIMITS.texSize,
  });
}
