/** What a run validates on: a file of its own, or documents held out of the recipe's sources. */

import { InputError } from "../../base/index.ts";
import { labelOf, tokenise } from "../../data/index.ts";
import type { Tokenizer } from "../../text/index.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { evenly, loadValidation, type ValidationText, validationText } from "./evaluate.ts";
import { cacheFolder, type InputOptions, resolveData, sourcesOf, tokeniseOptions } from "./inputs.ts";

/** The texts, each cut after `mostTokens`. @throws InputError if there are none */
export async function validationTexts(
  recipe: Recipe,
  settings: NonNullable<Recipe["validation"]>,
  tokenizer: Tokenizer,
  mostTokens: number,
  options: InputOptions,
): Promise<ValidationText[]> {
  const { documents } = settings;
  if ("path" in settings) return loadValidation(resolveData(settings.path, options), tokenizer, documents, mostTokens);
  const held = { share: settings.share, part: "validation" as const };
  const all: { slice: string; ids: ArrayLike<number> }[] = [];
  for (const training of sourcesOf(recipe, options)) {
    if ("tasks" in training) continue;
    const source = { ...training, held };
    const settings = { ...tokeniseOptions(source, recipe.onBadData, options), mayBeEmpty: true };
    const { tokens, mask, starts } = await tokenise(source, tokenizer, cacheFolder(options.out), settings);
    for (let i = 0; i + 1 < starts.length; i++) {
      const [from, to] = [starts[i], starts[i + 1]];
      // Conversations are no text to go on from its beginning: bits per byte are of documents alone.
      if (mask.subarray(from, to).includes(0)) continue;
      const end = tokenizer.eosId === null ? to : to - 1;
      all.push({ slice: labelOf(source), ids: tokens.subarray(from, Math.min(end, from + mostTokens)) });
    }
  }
  if (all.length === 0)
    throw new InputError(
      `validation.share: ${settings.share} of the documents is none (conversations do not count); raise it, or name a file in validation.path`,
    );
  return evenly(all, documents).map(({ slice, ids }) => validationText(slice, Int32Array.from(ids), tokenizer));
}
