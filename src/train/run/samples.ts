/** What the model writes as it learns: a few texts for the ledger, over the weights as they are. */
import { InputError, Random } from "../../base/index.ts";
import { Chat, type GenerationConfig, generate, type Model, modelOf, wholeOf } from "../../infer/index.ts";
import type { Transformer } from "../../model/index.ts";
import type { Arena, Kernels, Precision } from "../../tensor/index.ts";
import type { Tokenizer } from "../../text/index.ts";
import type { Recipe } from "../recipe/schema.ts";
import { generationConfigOf } from "./export.ts";
import { tokenizerFolder } from "./inputs.ts";
import type { TrainingRun } from "./training-run.ts";

export type SampleSettings = NonNullable<Recipe["samples"]>;

export interface SampleContext {
  transformer: Transformer;
  tokenizer: Tokenizer;
  kernels: Kernels;
  /** Scratch memory: reset for every pass. */
  arena: Arena;
  precision: Precision;
  /** What the finished model's folder will say of how its tokens are chosen. */
  generation: GenerationConfig;
}

/** The model in training as one that can be asked. */
export function askable(context: SampleContext): Model {
  return modelOf({ ...context, dtype: "f32", cacheDtype: "f32" });
}

/** The text after a prompt, until the model ends it or maxTokens. The same weights and seed give the same text. */
export async function sampleText(
  model: Model,
  prompt: SampleSettings["prompts"][number],
  { maxTokens, temperature }: Pick<SampleSettings, "maxTokens" | "temperature">,
  seed: number,
): Promise<string> {
  const settings = { maxTokens, temperature, seed, draft: false };
  const texts =
    typeof prompt === "string"
      ? generate(model, model.tokenizer.encode(prompt, { addBos: true, special: "text" }), settings)
      : new Chat(model).send(prompt.chat, settings);
  try {
    return (await wholeOf(texts)).text;
  } catch (error) {
    // A prompt that does not fit is no reason to end the run.
    if (error instanceof InputError) return `(${error.message})`;
    throw error;
  }
}

/** Has the model of the stage at hand write to each prompt, for the ledger. */
export async function writeSamples(run: TrainingRun, settings: SampleSettings): Promise<void> {
  const { trainer, recipe, options, state, tokenizer, arena } = run;
  const { model: transformer } = trainer;
  const generation = generationConfigOf(transformer.config, tokenizerFolder(options.out));
  const { kernels } = options;
  const { precision, seed } = recipe;
  const model = askable({ transformer, tokenizer, kernels, arena, precision, generation });
  for (const [i, prompt] of settings.prompts.entries()) {
    const text = await sampleText(model, prompt, settings, new Random(seed + i, 2 ** 31 + state.step).next());
    const shown = typeof prompt === "string" ? prompt : prompt.chat;
    run.record({ kind: "sample", step: state.step, tokens: state.tokens, prompt: shown, text });
  }
}
