/** What the model writes as it learns: a few texts for the ledger, one token at a time over the weights as they are. */

import type { Random } from "../../base/index.ts";
import { LatentCache, type Transformer } from "../../model/index.ts";
import { type Arena, type F32, type Kernels, type Precision, Tape } from "../../tensor/index.ts";
import { encodeChat, type Tokenizer } from "../../text/index.ts";
import type { Recipe } from "../recipe/recipe.ts";

export type SampleSettings = NonNullable<Recipe["samples"]>;

export interface SampleContext {
  model: Transformer;
  tokenizer: Tokenizer;
  kernels: Kernels;
  /** Scratch memory: reset for every token. */
  arena: Arena;
  precision: Precision;
}

/** The text after a prompt, until the model ends it or maxTokens. The same weights and random state give the same text. */
export function sampleText(
  { model, tokenizer, kernels, arena, precision }: SampleContext,
  prompt: SampleSettings["prompts"][number],
  { maxTokens, temperature }: Pick<SampleSettings, "maxTokens" | "temperature">,
  random: Random,
): string {
  const { config } = model;
  const ids =
    typeof prompt === "string"
      ? tokenizer.encode(prompt, { addBos: true, special: "text" })
      : encodeChat(tokenizer, [{ role: "user", content: prompt.chat }], { addGenerationPrompt: true }).ids;
  const limit = Math.min(config.maxPositionEmbeddings, ids.length + maxTokens);
  const cache = new LatentCache(config, limit, "f32");
  const written: number[] = [];
  let next = Int32Array.from(ids.subarray(0, limit));
  for (let past = 0; past + next.length < limit; ) {
    arena.reset();
    const tape = new Tape({ kernels, arena, precision });
    const hidden = model.forwardCached(tape, next, [{ rowStart: 0, past, count: next.length }], cache);
    past += next.length;
    const last = hidden.data.subarray(hidden.data.length - config.hiddenSize);
    const id = choose(
      model.logits(tape, { data: last, shape: [1, config.hiddenSize], grad: null }).data,
      temperature,
      random,
    );
    // Ids above the tokenizer's are padding of the vocabulary.
    if (config.eosTokenIds.includes(id) || id >= tokenizer.vocabSize) break;
    written.push(id);
    next = Int32Array.of(id);
  }
  return tokenizer.decode(written);
}

function choose(logits: F32, temperature: number, random: Random): number {
  const best = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
  if (temperature === 0) return best;
  const weights = logits.map((logit) => Math.exp((logit - logits[best]) / temperature));
  let left = random.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [id, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return id;
  }
  return best;
}
