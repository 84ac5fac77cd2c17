/** A first recipe for somebody's data: how large a model, how many tokens, which rates; by rules that docs/first-model.md tells. */
import type { z } from "zod";
import type { recipeSchema } from "./schema.ts";
import { type Size, vocabularyOfSize } from "./sizes.ts";

type Recipe = z.input<typeof recipeSchema>;

export interface Source {
  /** As it stands in the mixture. */
  item: NonNullable<Recipe["stages"][number]["mixture"]>[number];
  /** Bytes of its text, and how many documents or conversations hold them. */
  bytes: number;
  documents: number;
  /** Bytes of the longest of them. */
  longest: number;
}

export interface Suggested {
  recipe: Recipe;
  /** Tokens that the data are about, before the passes. */
  textTokens: number;
  chatTokens: number;
}

/** Passes over text, and over conversations, which are fewer and learnt faster. */
const TEXT_PASSES = 4;
const CHAT_PASSES = 4;
/** Training tokens up to which a size is not yet too small. */
const ENOUGH: [Size, number][] = [
  ["tiny", 3e6],
  ["small", 60e6],
  ["medium", 400e6],
  ["large", Infinity],
];
/** Tokens of a conversation beside its words: the marks of its turns, and its beginning and end. */
const MARKS = 4;
/** Steps that a stage should have at least: in a handful nothing is learnt, however many passes they hold. */
const MIN_STEPS = { text: 500, chat: 100 };
/** Bytes of English text to a token, by the size's vocabulary. */
const bytesPerToken = (size: Size): number => 0.95 + 0.25 * Math.log2(vocabularyOfSize(size) / 2);
/** Documents that validation should have at least, and the share that is held otherwise. */
const HELD = { documents: 40, share: 0.01, maxShare: 0.2 };

/** Texts are learnt first, conversations after them. Without texts, or with `from`, a model is needed to start from. */
export function suggestRecipe(
  name: string,
  { texts, chats, size, from }: { texts: readonly Source[]; chats: readonly Source[]; size?: Size; from?: string },
): Suggested {
  const sum = (sources: readonly Source[], key: "bytes" | "documents") =>
    sources.reduce((all, source) => all + source[key], 0);
  const chosen =
    size ?? ENOUGH.find(([of, enough]) => (TEXT_PASSES * sum(texts, "bytes")) / bytesPerToken(of) <= enough)![0];
  const textTokens = sum(texts, "bytes") / bytesPerToken(chosen);
  const chatTokens = sum(chats, "bytes") / bytesPerToken(chosen) + MARKS * sum(chats, "documents");
  const documents = sum(texts, "documents") + sum(chats, "documents");
  const share = Math.min(HELD.maxShare, Math.max(HELD.share, HELD.documents / documents));
  const left = 1 - share;
  const mixture = (sources: readonly Source[]) => sources.map(({ item }) => item);
  const long = { warmup: 0.02, decayFrom: 0.6, decayTo: 1, final: 0.05 };
  const stages: Recipe["stages"] = [];
  if (texts.length > 0) {
    const tokens = round(TEXT_PASSES * textTokens * left);
    // No more sequences in a step than two cores are quick with.
    const batchSequences = Math.min(32, Math.max(4, powerBelow(tokens / 256 / MIN_STEPS.text)));
    stages.push({
      name: from === undefined ? "pretrain" : "text",
      tokens,
      sequenceLength: 256,
      batchSequences,
      mixture: mixture(texts),
      lr: from === undefined ? 0.006 : 0.001,
      schedule: long,
    });
  }
  if (chats.length > 0) {
    const tokens = round(CHAT_PASSES * chatTokens * left);
    // Longer than the longest is guessed to be: what does not fit is cut.
    const longest = (1.5 * Math.max(...chats.map((source) => source.longest))) / bytesPerToken(chosen) + MARKS;
    const sequenceLength = Math.min(1024, Math.max(128, 2 * powerBelow(longest)));
    stages.push({
      name: "chat",
      tokens,
      sequenceLength,
      batchSequences: Math.min(4, Math.max(1, powerBelow(tokens / sequenceLength / MIN_STEPS.chat))),
      packing: "chats",
      loss: "assistant",
      mixture: mixture(chats),
      lr: 0.001,
      schedule: { ...long, decayFrom: 0.2 },
    });
  }
  const steps = Math.min(...stages.map((stage) => stage.tokens / (stage.batchSequences! * stage.sequenceLength!)));
  const recipe = {
    name,
    ...(from === undefined ? { size: chosen } : { from }),
    stages,
    muon: {},
    validation: { share: Number(share.toPrecision(2)), everySteps: Math.max(10, Math.min(200, Math.floor(steps / 2))) },
  };
  return { recipe, textTokens, chatTokens };
}

/** The highest power of two that is not above it. */
const powerBelow = (value: number): number => 2 ** Math.floor(Math.log2(value));

/** Two figures, never more than there are. */
function round(tokens: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(tokens)) - 1);
  return Math.max(1000, Math.floor(tokens / unit) * unit);
}
