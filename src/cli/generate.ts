/** shoal generate */
import { Command } from "commander";
import { type Generation, generate } from "../infer/index.ts";
import { encodeChat } from "../text/index.ts";
import { UserAbort, untilInterrupted } from "./common.ts";
import {
  addModelOptions,
  addSamplingOptions,
  type ModelOptions,
  openModel,
  type SamplingFlags,
} from "./model-options.ts";

interface Flags extends ModelOptions, SamplingFlags {
  prompt: string;
  chat: boolean;
  stop: string[];
  json: boolean;
}

export const generateCommand = addSamplingOptions(addModelOptions(new Command("generate")))
  .requiredOption("--prompt <text>", "the text to continue")
  .option("--chat", "put the prompt into the model's chat template", false)
  .option(
    "--stop <text>",
    "end before this text (may be given several times)",
    (text: string, all: string[]) => [...all, text],
    [],
  )
  .option("--json", "print one JSON object at the end instead of streaming text", false)
  .addHelpText(
    "after",
    `
Defaults: 200 tokens, temperature 0.7, top-p 0.95.

Examples:
  shoal generate --prompt "Once upon a time" --max-tokens 100
  shoal generate --prompt "Once upon a time" --temperature 0          # greedy: the same every time
  shoal generate --chat --prompt "Why is the sky blue?" --seed 7 --json`,
  )
  .action(async (flags: Flags) => {
    const model = openModel(flags);
    const ids = flags.chat
      ? encodeChat(model.tokenizer, [{ role: "user", content: flags.prompt }], { addGenerationPrompt: true }).ids
      : model.tokenizer.encode(flags.prompt, { addBos: true });
    const { temperature = 0.7, topP = 0.95, topK, minP, repetitionPenalty, seed, maxTokens = 200, stop, draft } = flags;
    const generation = await untilInterrupted(async (signal): Promise<Generation> => {
      const tokens = generate(model, ids, {
        temperature,
        topP,
        topK,
        minP,
        repetitionPenalty,
        seed,
        maxTokens,
        stop,
        draft,
        signal,
      });
      for (;;) {
        const next = await tokens.next();
        if (next.done) return next.value;
        if (!flags.json) process.stdout.write(next.value.text);
      }
    });
    if (flags.json) {
      const { text, ids: out, finishReason, promptTokens, prefillSeconds, decodeSeconds } = generation;
      const { draftedTokens, acceptedTokens } = generation;
      const rates = {
        prefillTokensPerSecond: promptTokens / prefillSeconds,
        decodeTokensPerSecond: out.length / decodeSeconds,
      };
      console.log(
        JSON.stringify({
          text,
          ids: out,
          finishReason,
          promptTokens,
          completionTokens: out.length,
          draftedTokens,
          acceptedTokens,
          ...rates,
        }),
      );
    } else process.stdout.write("\n");
    if (generation.finishReason === "abort") throw new UserAbort();
  });
