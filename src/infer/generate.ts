/** Generation: a prompt in, tokens and text out, one by one. */
import { Random } from "../tensor/index.ts";
import type { Model } from "./model.ts";
import { type SamplingOptions, sample } from "./sampler.ts";
import { Sequence } from "./sequence.ts";
import { StopMatcher } from "./stop.ts";

export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to generate (default: as many as the context has room for). */
  maxTokens?: number;
  /** The same seed gives the same text. Default: a new one each time. */
  seed?: number;
  /** Texts that end the generation; they are not part of it. */
  stop?: readonly string[];
  /** Tokens that end it (default: the model's end-of-sentence tokens). */
  stopIds?: ReadonlySet<number>;
  signal?: AbortSignal;
}

export interface GeneratedToken {
  /** Null for text that was held back until the end. */
  id: number | null;
  /** log p of the token in the model's distribution. */
  logprob: number;
  /** Text that has become certain with this token: it may lag behind while a character or a stop string is incomplete. */
  text: string;
}

/** "stop": an end token or a stop string; "length": maxTokens or the context's end; "abort": the signal. */
export type FinishReason = "stop" | "length" | "abort";

export interface Generation {
  text: string;
  ids: number[];
  finishReason: FinishReason;
  promptTokens: number;
  /** Of those, how many were in the cache already. */
  cachedTokens: number;
  /** Seconds spent reading the prompt, and generating. */
  prefillSeconds: number;
  decodeSeconds: number;
}

/**
 * Generates after a prompt. Yields each token as it comes; the value it returns is the whole.
 * A sequence given from a former generation is continued: the part that both prompts share is not read again.
 * @throws InputError for a prompt that is empty, too long, or has ids outside the vocabulary
 */
export async function* generate(
  model: Model,
  prompt: ArrayLike<number>,
  options: GenerateOptions = {},
  sequence = new Sequence(model),
): AsyncGenerator<GeneratedToken, Generation> {
  const {
    maxTokens = Number.POSITIVE_INFINITY,
    seed = Math.floor(Math.random() * 2 ** 32),
    stop = [],
    stopIds = model.stopIds,
    signal,
  } = options;
  const random = new Random(seed);
  const decoder = model.tokenizer.decoder();
  const matcher = new StopMatcher(stop);
  // The last prompt token is always read, for its logits.
  const cachedTokens = Math.min(sharedPrefix(sequence.ids, prompt), prompt.length - 1);
  sequence.truncate(Math.max(0, cachedTokens));
  const started = performance.now();
  let logits = sequence.append(Array.prototype.slice.call(prompt, Math.max(0, cachedTokens)));
  const decodeStarted = performance.now();
  const ids: number[] = [];
  let text = "";
  let finishReason: FinishReason = "length";
  let cutOff = false;
  while (ids.length < maxTokens) {
    // Lets Ctrl-C, timers and other streams in between tokens.
    await new Promise((resume) => setImmediate(resume));
    if (signal?.aborted) {
      finishReason = "abort";
      break;
    }
    const { id, logprob } = sample(logits, options, random, sequence.ids);
    if (stopIds.has(id)) {
      finishReason = "stop";
      break;
    }
    ids.push(id);
    const shown = matcher.push(decoder.push(id));
    text += shown.text;
    yield { id, logprob, text: shown.text };
    if (shown.stopped) {
      finishReason = "stop";
      cutOff = true;
      break;
    }
    if (sequence.ids.length === sequence.limit || ids.length === maxTokens) break;
    logits = sequence.append([id]);
  }
  const ended = performance.now();
  if (!cutOff) {
    const shown = matcher.push(decoder.end());
    const rest = shown.stopped ? shown.text : shown.text + matcher.end();
    text += rest;
    if (rest) yield { id: null, logprob: 0, text: rest };
  }
  return {
    text,
    ids,
    finishReason,
    promptTokens: prompt.length,
    cachedTokens: Math.max(0, cachedTokens),
    prefillSeconds: (decodeStarted - started) / 1000,
    decodeSeconds: (ended - decodeStarted) / 1000,
  };
}

function sharedPrefix(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}
