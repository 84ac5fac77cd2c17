/** shoal data preview: what a model will see of its data, token by token, and what of them it learns. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Random } from "../base/index.ts";
import {
  type Corpus,
  type CorpusSource,
  explainPassedOver,
  explainSkipped,
  labelOf,
  type PreferencePair,
  readPreferences,
  reasonOf,
  tokenise,
} from "../data/index.ts";
import { loadTokenizer, type Tokenizer } from "../text/index.ts";
import {
  heldShare,
  type InputOptions,
  learnableOf,
  loadRecipe,
  type Recipe,
  resolveData,
  type Stage,
  sourceOf,
  stageTokens,
  tokeniseOptions,
  tokenizerOf,
} from "../train/index.ts";
import { integer, MINNOW, StatusLine, UserAbort, untilInterrupted } from "./common.ts";
import { count, counted, type InputFlags, reader } from "./data-input.ts";
import { documentLines, tokensOf } from "./token-view.ts";

interface PreviewFlags extends InputFlags {
  tokenizer?: string;
  data?: string;
  count: number;
  seed: number;
  maxTokens: number;
  sequenceLength: number;
  color: boolean;
}

type How = Pick<Stage, "packing" | "loss" | "sequenceLength">;

/** A source as tokens, and how a stage reads it. */
interface Read {
  name: string;
  stage?: string;
  corpus: Corpus;
  how: How;
  /** Of pairs, documents are replies: chosen and rejected in turn. */
  pairs: boolean;
  passes?: number;
}

export const preview = reader(
  "preview",
  "what a model will see: tokens, which of them it learns, and what is cut or left out",
)
  .option("--tokenizer <dir>", "a model's folder (default: the recipe's own, else Minnow's)")
  .option("--data <dir>", "of a recipe: where its relative paths begin (default: SHOAL_DATA, else this folder)")
  .option("--count <n>", "documents of each source to show", integer("--count", 0, 1000), 2)
  .option("--seed <n>", "of their draw", integer("--seed", 0, 2 ** 31), 1)
  .option("--max-tokens <n>", "tokens of a document to show", integer("--max-tokens", 1, 1_000_000), 300)
  .option(
    "--sequence-length <n>",
    "tokens of a sequence, where no recipe says it",
    integer("--sequence-length", 2, 2 ** 20),
    1024,
  )
  .option("--no-color", "mark what is learnt by « and » (so does NO_COLOR, or output into a file)")
  .addHelpText(
    "after",
    `
Takes a recipe, and shows each source of its stages with the passes over it; or data, of which conversations are taken for chats whose
assistant is learnt, and texts for documents. Green is learnt, grey is only read; what does not fit into a sequence is counted as cut.

Examples:
  shoal data preview recipes/lora-example.json
  shoal data preview chats.jsonl --tokenizer models/minnow --sequence-length 512 --json`,
  )
  .action(async (names: string[], flags: PreviewFlags) => {
    const status = new StatusLine();
    // Tokenised as a run does it, in a folder that is only for now.
    const out = mkdtempSync(join(tmpdir(), "shoal-preview-"));
    await untilInterrupted(async (signal) => {
      try {
        const recipe = names.length === 1 ? recipeIn(names[0]) : null;
        const options: InputOptions = {
          out,
          data: flags.data ?? process.env.SHOAL_DATA,
          recipeDir: dirname(names[0]),
          onMessage: (line) => status.show(line),
          signal,
        };
        const tokenizer =
          flags.tokenizer !== undefined || recipe === null
            ? loadTokenizer(flags.tokenizer ?? MINNOW)
            : await tokenizerOf(recipe, options);
        const sources = recipe
          ? sourcesOfRecipe(recipe, tokenizer, options)
          : sourcesOfPaths(names, flags, tokenizer, options);
        for await (const read of sources) {
          status.end();
          show(read, flags, tokenizer);
        }
      } catch (error) {
        throw signal.aborted ? new UserAbort() : error;
      } finally {
        status.end();
        rmSync(out, { recursive: true, force: true });
      }
    });
  });

/** The recipe that a path names, or null for data. */
function recipeIn(path: string): Recipe | null {
  if (!/\.json$/i.test(path)) return null;
  try {
    const json: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof json !== "object" || json === null || !("stages" in json)) return null;
  } catch {
    return null;
  }
  return loadRecipe(path);
}

async function* sourcesOfRecipe(recipe: Recipe, tokenizer: Tokenizer, options: InputOptions): AsyncGenerator<Read> {
  for (const stage of recipe.stages) {
    if (stage.preference) {
      const path = resolveData(stage.preference.path, options);
      const read = await pairsOf(path, tokenizer, stage, options.signal);
      yield { ...read, stage: stage.name, passes: stageTokens(stage) / read.corpus.tokens.length };
      continue;
    }
    const reads: (Read & { weight: number })[] = [];
    for (const item of stage.mixture) {
      const source = sourceOf(item, heldShare(recipe), options);
      const settings = { ...tokeniseOptions(source, recipe.onBadData, options), mayBeEmpty: true };
      const corpus = await tokenise(source, tokenizer, options.out, settings);
      reads.push({ name: labelOf(source), stage: stage.name, corpus, how: stage, pairs: false, weight: item.weight });
    }
    const total = reads.reduce((sum, { corpus, weight }) => sum + corpus.tokens.length * weight, 0);
    for (const { weight, ...read } of reads) yield { ...read, passes: (stageTokens(stage) * weight) / total };
  }
}

async function* sourcesOfPaths(
  names: readonly string[],
  flags: PreviewFlags,
  tokenizer: Tokenizer,
  options: InputOptions,
): AsyncGenerator<Read> {
  const { field, promptField, replyField, include, sequenceLength } = flags;
  for (const name of names) {
    const [, dataset, split] = /^hf:([^:]+)(?::(.+))?$/.exec(name) ?? [];
    const fields = { field, promptField, replyField };
    const source: CorpusSource =
      dataset === undefined ? { path: name, include, ...fields } : { dataset, split, ...fields };
    const settings = { ...tokeniseOptions(source, flags.onBad, options), mayBeEmpty: true };
    const corpus = await tokenise(source, tokenizer, options.out, settings);
    const chats = corpus.mask.includes(0);
    const how: How = { packing: chats ? "chats" : "documents", loss: chats ? "assistant" : "all", sequenceLength };
    yield { name, corpus, how, pairs: false };
  }
}

/** Pairs as documents: each chosen reply with its rejected one behind it. */
async function pairsOf(path: string, tokenizer: Tokenizer, stage: Stage, signal?: AbortSignal): Promise<Read> {
  const skippedBy: Record<string, number> = {};
  let skipped = 0;
  const onSkipped = (_: string, why: string) => {
    skipped++;
    skippedBy[reasonOf(why)] = (skippedBy[reasonOf(why)] ?? 0) + 1;
  };
  const pairs = await readPreferences(path, tokenizer, stage.sequenceLength, { onSkipped, signal });
  const replies = pairs.flatMap(({ chosen, rejected }: PreferencePair) => [chosen, rejected]);
  const starts = Int32Array.of(0, ...replies.map(({ ids }) => ids.length));
  for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
  const tokens = new Int32Array(starts[replies.length]);
  const mask = new Uint8Array(tokens.length);
  for (const [i, { ids, replyStart }] of replies.entries()) {
    tokens.set(ids, starts[i]);
    mask.fill(1, starts[i] + replyStart, starts[i + 1]);
  }
  const how: How = { packing: "chats", loss: "assistant", sequenceLength: stage.sequenceLength };
  return { name: path, corpus: { tokens, mask, starts, skipped, skippedBy, textBytes: 0 }, how, pairs: true };
}

function show(read: Read, flags: PreviewFlags, tokenizer: Tokenizer): void {
  const { name, stage, corpus, how, pairs } = read;
  const documents = corpus.starts.length - 1;
  const color = flags.color && process.stdout.isTTY && !process.env.NO_COLOR;
  const drawn = draw(documents, flags.count, new Random(flags.seed));
  for (const i of drawn) {
    const tokens = tokensOf(corpus, i, how, tokenizer);
    const kind = pairs
      ? i % 2 === 0
        ? "chosen"
        : "rejected"
      : corpus.mask.subarray(corpus.starts[i], corpus.starts[i + 1]).includes(0)
        ? "conversation"
        : "text";
    const where = pairs ? `pair ${Math.floor(i / 2) + 1}` : `document ${i + 1}`;
    if (flags.json) {
      const shown = tokens.slice(0, flags.maxTokens);
      console.log(
        JSON.stringify({ source: name, ...(stage && { stage }), where, kind, length: tokens.length, tokens: shown }),
      );
    } else
      for (const line of documentLines(tokens, {
        title: `${name}, ${where}: ${kind}`,
        maxTokens: flags.maxTokens,
        color,
      }))
        console.log(line);
  }
  const { targets, cut, cutTokens, nothing } = learnableOf(corpus, how);
  const conversations = countConversations(corpus);
  const counts = {
    source: name,
    ...(stage && { stage }),
    documents,
    conversations,
    tokens: corpus.tokens.length,
    learnt: targets,
    cut,
    cutTokens,
    nothingToLearn: nothing,
    ...(read.passes !== undefined && { passes: read.passes }),
    skipped: corpus.skippedBy,
    noted: corpus.noted ?? {},
    passedOver: corpus.passedOver ?? {},
  };
  if (flags.json) console.log(JSON.stringify(counts));
  else for (const line of countLines(counts, how, pairs)) console.log(line);
  if (documents === 0 && !flags.json) console.log(`  there is nothing in it to train on`);
}

/** So many of the documents, in order. */
function draw(documents: number, wanted: number, random: Random): number[] {
  const drawn = new Set<number>();
  while (drawn.size < Math.min(wanted, documents)) drawn.add(random.below(documents));
  return [...drawn].sort((a, b) => a - b);
}

function countConversations({ mask, starts }: Corpus): number {
  let conversations = 0;
  for (let i = 0; i + 1 < starts.length; i++) if (mask.subarray(starts[i], starts[i + 1]).includes(0)) conversations++;
  return conversations;
}

function countLines(
  counts: {
    source: string;
    stage?: string;
    documents: number;
    conversations: number;
    tokens: number;
    learnt: number;
    cut: number;
    cutTokens: number;
    nothingToLearn: number;
    passes?: number;
    skipped: Record<string, number>;
    noted: Record<string, number>;
    passedOver: NonNullable<Corpus["passedOver"]>;
  },
  { sequenceLength }: How,
  pairs: boolean,
): string[] {
  const { source, stage, documents, conversations, tokens, learnt, cut, cutTokens, nothingToLearn, passes } = counts;
  const what = pairs
    ? `${counted(documents / 2, "pair")}`
    : `${counted(documents, "document")} (${counted(conversations, "conversation")})`;
  const share = tokens === 0 ? 0 : Math.round((100 * learnt) / tokens);
  const times = passes === undefined ? "" : `; read ${passes < 10 ? passes.toFixed(1) : Math.round(passes)} times`;
  const notRead = explainPassedOver(counts.passedOver);
  return [
    `${stage === undefined ? "" : `stage ${stage}, `}${source}: ${what}, ${count(tokens)} tokens, ${count(learnt)} of them learnt (${share} %)${times}`,
    ...(cut > 0
      ? [`  ${count(cut)} are longer than ${count(sequenceLength)} tokens and lose ${count(cutTokens)} of them`]
      : []),
    ...(nothingToLearn > 0 ? [`  ${count(nothingToLearn)} have nothing to learn in them`] : []),
    ...(Object.keys(counts.skipped).length > 0 ? [`  ${explainSkipped(counts.skipped)}`] : []),
    ...Object.entries(counts.noted).map(([note, times]) => `  ${count(times)} times ${note}`),
    ...(notRead === "" ? [] : [`  not read: ${notRead}`]),
  ];
}
