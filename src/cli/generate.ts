/** shoal generate */
import { Command } from "commander";
import { Chat, type Generation, generate } from "../infer/index.ts";
import { UserAbort, untilInterrupted } from "./common.ts";
import {
  addModelOptions,
  addSamplingOptions,
  type ModelOptions,
  openModel,
  type SamplingFlags,
  samplingParams,
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
Defaults: 200 tokens; temperature, top-p and the like are the model's own (generation_config.json).

Examples:
  shoal generate --prompt "Once upon a time" --max-tokens 100
  shoal generate --prompt "Once upon a time" --temperature 0          # greedy: the same every time
  shoal generate --chat --prompt "Why is the sky blue?" --seed 7 --json`,
  )
  .action(async (flags: Flags) => {
    const model = openModel(flags);
    const { prompt, stop, maxTokens = 200 } = flags;
    const generation = await untilInterrupted(async (signal): Promise<Generation> => {
      const options = { ...samplingParams(flags), maxTokens, stop, signal };
      const texts = flags.chat
        ? new Chat(model).send(prompt, options)
        : generate(model, model.tokenizer.encode(prompt, { addBos: true }), options);
      for (;;) {
        const next = await texts.next();
        if (next.done) return next.value;
        if (!flags.json) process.stdout.write(next.value.text);
      }
    });
    if (flags.json) {
      const { text, reasoning, ids, finishReason, usage } = generation;
      const { promptTokens, completionTokens, draftedTokens, acceptedTokens } = usage;
      console.log(
        JSON.stringify({
          text,
          ...(reasoning && { reasoning }),
          ids,
          finishReason,
          promptTokens,
          completionTokens,
          draftedTokens,
          acceptedTokens,
          prefillTokensPerSecond: promptTokens / usage.prefillSeconds!,
          decodeTokensPerSecond: completionTokens / usage.decodeSeconds!,
        }),
      );
    } else process.stdout.write("\n");
    if (generation.finishReason === "abort") throw new UserAbort();
  });
