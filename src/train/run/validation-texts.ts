/** What a run validates on: a file of its own, or documents held out of the recipe's sources. */

import { relative } from "node:path";
import { InputError } from "../../base/index.ts";
import { explainSkipped, labelOf, reasonOf, tokenise } from "../../data/index.ts";
import type { Tokenizer } from "../../text/index.ts";
import type { Recipe } from "../recipe/schema.ts";
import { evenly, loadValidation, type ValidationText, validationText } from "./evaluate.ts";
import { cacheFolder, type InputOptions, resolveData, sourcesOf, tokeniseOptions } from "./inputs.ts";

/** The texts and conversations, each cut after `maxTokens`. @throws InputError if there are none */
export async function validationTexts(
  recipe: Recipe,
  settings: NonNullable<Recipe["validation"]>,
  tokenizer: Tokenizer,
  maxTokens: number,
  options: InputOptions,
): Promise<ValidationText[]> {
  const { documents } = settings;
  if ("path" in settings) return ofPath(settings, recipe, tokenizer, maxTokens, options);
  const held = { share: settings.share, part: "validation" as const };
  const texts: ValidationPlace[] = [];
  const chats: ValidationPlace[] = [];
  for (const training of sourcesOf(recipe, options)) {
    if ("count" in training) continue;
    const source = { ...training, held };
    const settings = { ...tokeniseOptions(source, recipe.onBadData, options), mayBeEmpty: true };
    const corpus = await tokenise(source, tokenizer, cacheFolder(options.out), settings);
    const slice = "path" in source ? relative(options.data ?? ".", source.path) : labelOf(source);
    for (let i = 0; i + 1 < corpus.starts.length; i++) {
      const [from, to] = [corpus.starts[i], corpus.starts[i + 1]];
      const mask = corpus.mask.subarray(from, to);
      // Conversations are no text to go on from its beginning: of them the assistant's words are predicted.
      const chat = mask.includes(0);
      const end = chat || tokenizer.eosId === null ? to : to - 1;
      const ids = corpus.tokens.subarray(from, Math.min(end, from + maxTokens));
      (chat ? chats : texts).push({ slice, ids, mask: chat ? mask : undefined });
    }
  }
  const all = [...evenly(texts, documents), ...evenly(chats, documents)]
    .map(({ slice, ids, mask }) => validationText(slice, ids, tokenizer, { mask }))
    .filter(({ units }) => units > 0);
  if (all.length === 0 && !recipe.stages.some(({ preference }) => preference))
    throw new InputError(
      `validation.share: ${settings.share} of the documents is none; raise it, or name a file in validation.path`,
    );
  return all;
}

/** Those of a file, a folder or a pattern; what is left out of it is told. */
async function ofPath(
  { path, documents }: { path: string; documents: number },
  recipe: Recipe,
  tokenizer: Tokenizer,
  maxTokens: number,
  { onMessage, signal, ...options }: InputOptions,
): Promise<ValidationText[]> {
  const skippedBy: Record<string, number> = {};
  const texts = await loadValidation(resolveData(path, options), tokenizer, {
    documents,
    maxTokens,
    signal,
    onBad: recipe.onBadData,
    onSkipped: (_, why) => {
      skippedBy[reasonOf(why)] = (skippedBy[reasonOf(why)] ?? 0) + 1;
    },
  });
  if (Object.keys(skippedBy).length > 0) onMessage?.(`validation.path ${path}: ${explainSkipped(skippedBy)}`);
  return texts;
}

interface ValidationPlace {
  slice: string;
  ids: ArrayLike<number>;
  mask?: Uint8Array;
}
