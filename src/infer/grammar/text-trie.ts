/** Fixed texts as a tree of their codes: what may come next of many of them is one look-up. */
import type { Code } from "./code.ts";

export class TextTrie {
  /** The text that ends here, by its place in the list; −1: none does. */
  text = -1;
  readonly next = new Map<Code, TextTrie>();
  /** Codes of each text, at the root. */
  readonly lengths: number[] = [];
  /** Places of all texts that pass through here or end here, in order. */
  readonly texts: number[] = [];
  /** Codes that were read so far. */
  readonly depth: number;
  /** Fewest codes to the end of a text. */
  rest = Number.POSITIVE_INFINITY;

  constructor(depth = 0) {
    this.depth = depth;
  }

  static of(texts: readonly (readonly Code[])[]): TextTrie {
    const root = new TextTrie();
    texts.forEach((text, i) => {
      root.add(text, i);
    });
    return root;
  }

  private add(text: readonly Code[], i: number): void {
    this.lengths.push(text.length);
    let at: TextTrie = this;
    for (let depth = 0; ; depth++) {
      at.texts.push(i);
      at.rest = Math.min(at.rest, text.length - depth);
      if (depth === text.length) break;
      let next = at.next.get(text[depth]);
      if (!next) {
        next = new TextTrie(depth + 1);
        at.next.set(text[depth], next);
      }
      at = next;
    }
    at.text = i;
  }

  /** Of the texts that pass through here, the place in `texts` of the first from `index` on. */
  firstFrom(index: number): number {
    let [low, high] = [0, this.texts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.texts[middle] < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
