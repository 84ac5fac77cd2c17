/** Texts to train a tokenizer on: drawn from all of what a recipe reads, because the head of a file is of one kind. */
import { Random } from "../../base/index.ts";
import { type CorpusSource, type DocumentOptions, documentsOf, textOf } from "./sources.ts";

interface Drawn {
  /** The document with the smaller lot is kept. */
  lot: number;
  text: string;
  bytes: number;
}

/** Of each source documents of its part of `bytes`, in their order; all of them where they are fewer. The same sources give the same texts. */
export async function sampleTexts(
  sources: readonly CorpusSource[],
  bytes: number,
  optionsOf: (source: CorpusSource) => DocumentOptions,
): Promise<string[]> {
  const texts: string[] = [];
  for (const source of sources) {
    const wanted = bytes / sources.length;
    const random = new Random(1);
    let drawn: Drawn[] = [];
    let held = 0;
    for await (const document of documentsOf(source, optionsOf(source))) {
      const text = textOf(document);
      const one = { lot: random.uniform(), text, bytes: Buffer.byteLength(text) };
      drawn.push(one);
      held += one.bytes;
      // Now and then what was drawn in vain is let go.
      if (held > 2 * wanted) {
        drawn = smallestLots(drawn, wanted);
        held = drawn.reduce((sum, { bytes }) => sum + bytes, 0);
      }
    }
    for (const { text } of smallestLots(drawn, wanted)) texts.push(text);
  }
  return texts;
}

/** Those of the smallest lots that make so many bytes, in the order that they came in. */
function smallestLots(drawn: readonly Drawn[], bytes: number): Drawn[] {
  const byLot = [...drawn.keys()].sort((a, b) => drawn[a].lot - drawn[b].lot);
  let left = bytes;
  const kept = byLot.filter((i) => {
    if (left <= 0) return false;
    left -= drawn[i].bytes;
    return true;
  });
  return kept.sort((a, b) => a - b).map((i) => drawn[i]);
}
