/** Starting up: from the process's start to the first token, and the memory that decoding takes. */
import { generate, type LoadOptions, loadModel, wholeOf } from "../infer/index.ts";
import { heldBytes } from "./inference.ts";

export interface StartupBench {
  /** Seconds from the start of the process until the weights are there, and until the first token is. */
  readySeconds: number;
  firstTokenSeconds: number;
  /** Bytes of all weights as they are held. */
  weightBytes: number;
  /** Memory of the process after `tokens` tokens, and before the model was loaded: the language's own. */
  residentBytes: number;
  emptyBytes: number;
}

/** Loads a folder in this process, which must not have done anything else, and decodes a little. */
export async function benchStartup(dir: string, options: LoadOptions, tokens = 64): Promise<StartupBench> {
  const emptyBytes = process.memoryUsage.rss();
  const model = loadModel(dir, options);
  const readySeconds = performance.now() / 1000;
  // An id, and not a text: it is the model that is measured, whatever its tokenizer.
  const settings = { temperature: 0, maxTokens: tokens, ignoreEos: true, draft: false };
  const { usage } = await wholeOf(generate(model, [2], settings));
  const firstTokenSeconds = performance.now() / 1000 - usage.decodeSeconds!;
  const weightBytes = heldBytes(model.transformer.weights);
  return { readySeconds, firstTokenSeconds, weightBytes, residentBytes: process.memoryUsage.rss(), emptyBytes };
}
