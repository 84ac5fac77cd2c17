/** What a run reads: its tokenizer, and each stage's corpora as a mixture of token sequences. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { InputError, makeFolder } from "../../base/index.ts";
import {
  type Corpus,
  type CorpusSource,
  expandPath,
  explainPassedOver,
  explainSkipped,
  hintOn,
  labelOf,
  Mixture,
  type Source,
  sampleTexts,
  type TokeniseOptions,
  textEnding,
  tokenise,
} from "../../data/index.ts";
import {
  DEEPSEEK_TEMPLATE,
  loadTokenizer,
  saveTokenizer,
  type Tokenizer,
  tokenizerFiles,
  trainBpe,
} from "../../text/index.ts";
import { stageTokens } from "../recipe/schedule.ts";
import type { Recipe, Stage } from "../recipe/schema.ts";
import { corpusPrint } from "./changes.ts";
import { checkLearnable, learnableOf, remarksOn } from "./learnable.ts";

export interface InputOptions {
  /** The run's folder: keeps the tokenizer and the tokenised corpora. */
  out: string;
  /** Where relative paths of the recipe begin (default: the current folder). */
  data?: string;
  /** Where paths beginning with "./" or "../" begin: the recipe's own folder (default: the current folder). */
  recipeDir?: string;
  onMessage?: (message: string) => void;
  /** Ends reading and tokenising with its reason. */
  signal?: AbortSignal;
}

/** What the ledger is told of a source when its stage begins. */
export interface SourceSummary {
  source: string;
  documents: number;
  /** Null where it holds pairs instead of text. */
  sourceTokens: number | null;
  /** How often the stage reads it. */
  passes: number;
  /** Conversations longer than a sequence, the tokens that they lose, and documents of which nothing is learnt. */
  cut?: number;
  cutTokens?: number;
  nothing?: number;
  /** Documents left out as bad, in all and by reason. */
  skipped: number;
  skippedBy?: Record<string, number>;
  /** What stood in records and was not used, by what it is. */
  noted?: Record<string, number>;
  /** What of a folder is not read, in words. */
  passedOver?: string;
}

/** Where a run's folder keeps its tokenizer. */
export const tokenizerFolder = (out: string) => join(out, "tokenizer");

/** A path of the recipe, beginning at the data folder, or with "./" or "../" at the recipe's own. */
export function resolveData(path: string, options: InputOptions): string {
  if (/^\.\.?\//.test(path)) return resolve(options.recipeDir ?? ".", path);
  return isAbsolute(path) ? path : resolve(options.data ?? ".", path);
}

/** A model's or tokenizer's folder that the recipe names: models are no data, so it begins at the current folder, or else as data do. */
export function resolveModel(path: string, options: InputOptions): string {
  return !/^\.\.?\//.test(path) && existsSync(resolve(path)) ? resolve(path) : resolveData(path, options);
}

/** Looks for every file that the recipe names, before any work begins. @throws InputError for one that is missing */
export function checkPaths(recipe: Recipe, options: InputOptions): void {
  for (const source of sourcesOf(recipe, options)) if ("path" in source) expandPath(source.path, source.include);
  for (const { preference } of recipe.stages) if (preference) expandPath(resolveData(preference.path, options));
  if (recipe.validation && "path" in recipe.validation) expandPath(resolveData(recipe.validation.path, options));
}

/** The recipe's sources, each once, paths beginning at the data folder, without what is held for validation. */
export function sourcesOf(recipe: Pick<Recipe, "stages" | "validation">, options: InputOptions): CorpusSource[] {
  const share = heldShare(recipe);
  const all = recipe.stages.flatMap(({ mixture }) => mixture.map((item) => sourceOf(item, share, options)));
  return [...new Map(all.map((source) => [JSON.stringify(source), source])).values()];
}

/** The share of documents that is not trained on, where validation is on the sources themselves. */
export const heldShare = ({ validation }: Pick<Recipe, "validation">): number | undefined =>
  validation && "share" in validation ? validation.share : undefined;

/** A source as it is read, without what is held. Generated tasks have test splits of their own: nothing of them is held. */
export function sourceOf(
  item: Stage["mixture"][number],
  share: number | undefined,
  options: InputOptions,
): CorpusSource {
  if ("exercises" in item) {
    const { exercises, count, seed } = item;
    return { exercises, count, seed };
  }
  if ("tasks" in item) {
    const { tasks, count, seed, apart } = item;
    return { tasks, count, seed, ...(apart && { apart }) };
  }
  const { weight: _, ...source } = item;
  const held = share === undefined ? {} : { held: { share, part: "training" as const } };
  return { ...source, ...("path" in item && { path: resolveData(item.path, options) }), ...held } as CorpusSource;
}

/** Settings of tokenising: where documents are kept, what of them is said, and what becomes of bad ones. */
export function tokeniseOptions(
  source: CorpusSource,
  onBad: "skip" | "refuse",
  { onMessage, signal }: InputOptions,
): TokeniseOptions {
  let said = performance.now();
  const say = (line: string) => {
    if (performance.now() - said < MILLISECONDS_BETWEEN) return;
    said = performance.now();
    onMessage?.(line);
  };
  const percent = (share: number) => `${(100 * Math.min(1, share)).toFixed(0)} %`;
  return {
    onBad,
    signal,
    ...("mostDownloadBytes" in source && { mostDownloadBytes: source.mostDownloadBytes as number }),
    onDownload: ({ file, bytes, totalBytes }) => say(`downloading ${file}: ${percent(bytes / totalBytes)}`),
    onCompare: ({ path, share }) => say(`comparing ${path} with what was tokenised: ${percent(share)}`),
    onProgress: ({ path, documents, tokens, share, secondsLeft }) =>
      say(
        `tokenising ${path}: ${documents} documents, ${tokens} tokens, ${percent(share)}, ${Math.ceil(secondsLeft)} s left`,
      ),
  };
}

const MILLISECONDS_BETWEEN = 3000;

/** Where a run's folder keeps its tokenised corpora. */
export const cacheFolder = (out: string) => join(out, "cache");

/** What goes along from folder to folder, by path: the tokenizer, its templates, and how the model wants its tokens chosen. */
export function filesAlong(dir: string): Record<string, string> {
  const generation = join(dir, "generation_config.json");
  return {
    ...tokenizerFiles(dir),
    ...(existsSync(generation) && { "generation_config.json": readFileSync(generation, "utf8") }),
  };
}

/** The run's tokenizer: the one it has already, one from a folder, or one trained now on its corpora. */
export async function tokenizerOf(recipe: Recipe, options: InputOptions): Promise<Tokenizer> {
  const dir = tokenizerFolder(options.out);
  if (existsSync(join(dir, "tokenizer.json"))) return loadTokenizer(dir);
  // Under another name until it is whole: a run that is killed meanwhile finds none, and begins again.
  const unfinished = `${dir}.tmp`;
  for (const old of [unfinished, dir]) rmSync(old, { recursive: true, force: true });
  makeFolder(unfinished);
  const tokenizer = await makeTokenizer(recipe, unfinished, options);
  renameSync(unfinished, dir);
  return tokenizer;
}

async function makeTokenizer(recipe: Recipe, dir: string, options: InputOptions): Promise<Tokenizer> {
  const settings = recipe.from === undefined ? recipe.tokenizer! : { from: recipe.from };
  if ("from" in settings) {
    const from = resolveModel(settings.from, options);
    const tokenizer = loadTokenizer(from);
    for (const [name, text] of Object.entries(filesAlong(from))) {
      makeFolder(dirname(join(dir, name)));
      writeFileSync(join(dir, name), text);
    }
    return tokenizer;
  }
  const texts = await sampleTexts(sourcesOf(recipe, options), settings.trainBytes, (source) =>
    tokeniseOptions(source, recipe.onBadData, options),
  );
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
  if (tokenizer.vocabSize < settings.vocabSize)
    options.onMessage?.(
      `tokenizer: the texts give only ${tokenizer.vocabSize} of the ${settings.vocabSize} tokens of tokenizer.vocabSize; the model has as many`,
    );
  saveTokenizer(tokenizer, dir);
  return tokenizer;
}

export interface MixtureInputs {
  tokenizer: Tokenizer;
  mtpDepths: number;
  seed: number;
  /** What to do with documents that cannot be read (default: leave them out). */
  onBad?: "skip" | "refuse";
  /** The share of documents that is held for validation. */
  held?: number;
}

export interface StageMixture {
  mixture: Mixture;
  /** Of each of its sources: what it holds, and a fingerprint of it. */
  sources: SourceSummary[];
  prints: string[];
}

/** The sequences of a stage, from its first. @throws InputError for a source of which nothing can be learnt */
export async function mixtureOf(
  stage: Stage,
  { tokenizer, mtpDepths, seed, onBad = "skip", held }: MixtureInputs,
  options: InputOptions,
): Promise<StageMixture> {
  const sources: (Source & { name: string })[] = [];
  for (const item of stage.mixture) {
    const source = sourceOf(item, held, options);
    const corpus = await tokenise(source, tokenizer, cacheFolder(options.out), tokeniseOptions(source, onBad, options));
    sources.push({ name: "path" in item ? item.path : labelOf(source), corpus, weight: item.weight });
  }
  const total = sources.reduce((sum, { corpus, weight }) => sum + corpus.tokens.length * weight, 0);
  const summaries = sources.map(({ name, corpus, weight }): SourceSummary => {
    const documents = corpus.starts.length - 1;
    const learnable = learnableOf(corpus, stage);
    checkLearnable(name, documents, learnable, stage);
    const { cut, cutTokens, nothing } = learnable;
    return {
      source: name,
      documents,
      sourceTokens: corpus.tokens.length,
      passes: (stageTokens(stage) * weight) / total,
      ...(cut > 0 && { cut, cutTokens }),
      ...(nothing > 0 && { nothing }),
      skipped: corpus.skipped,
      ...(corpus.skipped > 0 && { skippedBy: corpus.skippedBy }),
      ...notesOn(corpus),
    };
  });
  const { packing, loss, sequenceLength } = stage;
  const mixture = new Mixture(sources, { packing, loss, sequenceLength, mtpDepths, seed });
  return { mixture, sources: summaries, prints: sources.map(({ corpus }) => corpusPrint(corpus)) };
}

function notesOn({ noted = {}, passedOver = {} }: Corpus): Pick<SourceSummary, "noted" | "passedOver"> {
  const names = explainPassedOver(passedOver);
  const hint = textEnding(passedOver, (ending) => `; "include": ["*${ending}"] reads such files as text`);
  return { ...(Object.keys(noted).length > 0 && { noted }), ...(names !== "" && { passedOver: names + hint }) };
}

/** Says of a stage's sources what people should know before it begins. */
export function remarkOn(stage: Stage, at: number, sources: readonly SourceSummary[], options: InputOptions): void {
  for (const { source, passes, cut = 0, cutTokens = 0, nothing = 0, skippedBy, noted = {}, passedOver } of sources) {
    if (skippedBy) options.onMessage?.(`${source}: ${explainSkipped(skippedBy)}${hintOn(skippedBy)}`);
    for (const [note, count] of Object.entries(noted)) options.onMessage?.(`${source}: ${count} times ${note}`);
    if (passedOver) options.onMessage?.(`${source}: not read: ${passedOver}`);
    for (const remark of remarksOn({ passes, cut, cutTokens, nothing }, stage, `stages.${at}`))
      options.onMessage?.(`stage ${stage.name}: ${source} ${remark}`);
  }
}
