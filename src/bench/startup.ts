/** Starting up: from the process's start to the first token, and the memory that decoding takes. */
import { type LoadOptions, loadModel, Sequence } from "../infer/index.ts";
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
export function benchStartup(dir: string, options: LoadOptions, tokens = 64): StartupBench {
  const emptyBytes = process.memoryUsage.rss();
  const model = loadModel(dir, options);
  const readySeconds = performance.now() / 1000;
  const sequence = new Sequence(model);
  let firstTokenSeconds = 0;
  // The ids themselves: a model without a tokenizer of its own size can be measured too.
  let next = 2;
  for (let i = 0; i < tokens; i++) {
    const logits = sequence.append([next]);
    next = logits.indexOf(logits.reduce((most, value) => Math.max(most, value)));
    firstTokenSeconds ||= performance.now() / 1000;
  }
  const weightBytes = heldBytes(model.transformer.weights);
  return { readySeconds, firstTokenSeconds, weightBytes, residentBytes: process.memoryUsage.rss(), emptyBytes };
}
