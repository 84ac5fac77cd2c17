/** What a run reads: its tokenizer, and each stage's corpora as a mixture of token sequences. */
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { type CorpusSource, documentsOf, expandPath, labelOf, Mixture, type Source, tokenise } from "../data/index.ts";
import { InputError } from "../tensor/index.ts";
import { DEEPSEEK_TEMPLATE, loadTokenizer, saveTokenizer, type Tokenizer, trainBpe } from "../text/index.ts";
import type { Recipe, Stage } from "./recipe.ts";

export interface InputOptions {
  /** The run's folder: keeps the tokenizer and the tokenised corpora. */
  out: string;
  /** Where relative paths of the recipe begin (default: the current folder). */
  data?: string;
  /** Where paths beginning with "./" begin: the recipe's own folder (default: the current folder). */
  recipeDir?: string;
  onMessage?: (message: string) => void;
}

/** What the ledger is told of a source when its stage begins. */
export interface SourceSummary {
  source: string;
  documents: number;
  /** Null where it holds pairs instead of text. */
  sourceTokens: number | null;
  /** Documents left out as bad. */
  skipped: number;
}

/** Where a run's folder keeps its tokenizer. */
export const tokenizerFolder = (out: string) => join(out, "tokenizer");

/** A path of the recipe, beginning at the data folder, or with "./" at the recipe's own. */
export function resolveData(path: string, options: InputOptions): string {
  if (path.startsWith("./")) return resolve(options.recipeDir ?? ".", path);
  return isAbsolute(path) ? path : resolve(options.data ?? ".", path);
}

/** Looks for every file that the recipe names, before any work begins. @throws InputError for one that is missing */
export function checkPaths(recipe: Recipe, options: InputOptions): void {
  for (const source of sourcesOf(recipe, options)) if ("path" in source) expandPath(source.path);
  for (const { preference } of recipe.stages) if (preference) expandPath(resolveData(preference.path, options));
  if (recipe.validation) expandPath(resolveData(recipe.validation.path, options));
}

/** The recipe's sources, each once, paths beginning at the data folder. */
function sourcesOf(recipe: Pick<Recipe, "stages">, options: InputOptions): CorpusSource[] {
  const all = recipe.stages.flatMap(({ mixture }) => mixture.map((item) => sourceOf(item, options)));
  return [...new Map(all.map((source) => [JSON.stringify(source), source])).values()];
}

function sourceOf(item: Stage["mixture"][number], options: InputOptions): CorpusSource {
  if ("path" in item) return { path: resolveData(item.path, options) };
  return { tasks: item.tasks, count: item.count, seed: item.seed };
}

/** The run's tokenizer: the one it has already, one from a folder, or one trained now on its corpora. */
export async function tokenizerOf(recipe: Recipe, options: InputOptions): Promise<Tokenizer> {
  const dir = tokenizerFolder(options.out);
  if (existsSync(join(dir, "tokenizer.json"))) return loadTokenizer(dir);
  mkdirSync(dir, { recursive: true });
  const settings = recipe.from === undefined ? recipe.tokenizer! : { from: recipe.from };
  if ("from" in settings) {
    const from = resolveData(settings.from, options);
    const tokenizer = loadTokenizer(from);
    for (const name of ["tokenizer.json", "tokenizer_config.json"])
      if (existsSync(join(from, name))) copyFileSync(join(from, name), join(dir, name));
    return tokenizer;
  }
  const texts = await sampleTexts(recipe, options, settings.trainBytes);
  if (texts.length === 0)
    throw new InputError(
      `${sourcesOf(recipe, options).map(labelOf).join(", ")}: there is no text in it to train a tokenizer on`,
    );
  options.onMessage?.(`training a tokenizer of ${settings.vocabSize} tokens`);
  const tokenizer = trainBpe({
    texts,
    vocabSize: settings.vocabSize,
    digits: settings.digits,
    chatTemplate: DEEPSEEK_TEMPLATE,
    onProgress: ({ merges, of }) => merges % 1024 === 0 && options.onMessage?.(`tokenizer: ${merges} of ${of} merges`),
  });
  saveTokenizer(tokenizer, dir);
  return tokenizer;
}

/** Text of all sources of the recipe, from each at most its part of `bytes`. */
async function sampleTexts(recipe: Recipe, options: InputOptions, bytes: number): Promise<string[]> {
  const sources = sourcesOf(recipe, options);
  const texts: string[] = [];
  for (const source of sources) {
    let left = bytes / sources.length;
    for await (const document of documentsOf(source)) {
      const text = "text" in document ? document.text : document.messages.map(({ content }) => content).join("\n");
      texts.push(text);
      left -= Buffer.byteLength(text);
      if (left <= 0) break;
    }
  }
  return texts;
}

export interface MixtureInputs {
  tokenizer: Tokenizer;
  mtpDepths: number;
  seed: number;
  /** What to do with documents that cannot be read (default: leave them out). */
  onBad?: "skip" | "refuse";
  /** Told of each source, once it is tokenised. */
  onSource?: (summary: SourceSummary) => void;
}

/** The sequences of a stage, from its first. */
export async function mixtureOf(
  stage: Stage,
  { tokenizer, mtpDepths, seed, onBad, onSource }: MixtureInputs,
  options: InputOptions,
): Promise<Mixture> {
  const sources: Source[] = [];
  for (const item of stage.mixture) {
    const source = sourceOf(item, options);
    const corpus = await tokenise(source, tokenizer, join(options.out, "cache"), {
      onBad,
      onProgress: ({ path: file, documents, tokens }) =>
        documents % 10_000 === 0 && options.onMessage?.(`tokenising ${file}: ${documents} documents, ${tokens} tokens`),
    });
    if (corpus.skipped > 0) options.onMessage?.(`${labelOf(source)}: ${corpus.skipped} documents skipped`);
    sources.push({ corpus, weight: item.weight });
    onSource?.({
      source: "path" in item ? item.path : labelOf(source),
      documents: corpus.starts.length - 1,
      sourceTokens: corpus.tokens.length,
      skipped: corpus.skipped,
    });
  }
  const { packing, loss, sequenceLength } = stage;
  return new Mixture(sources, { packing, loss, sequenceLength, mtpDepths, seed });
}
