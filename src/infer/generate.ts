/** Generation: a prompt in, tokens and text out, one by one. */
import { Random } from "../base/index.ts";
import { sharedPrefix } from "./kv-cache/prefix-cache.ts";
import type { Model } from "./model.ts";
import { StopMatcher } from "./output/stop.ts";
import { draw, type Sampled, type SamplingOptions, verify } from "./sampling/sampler.ts";
import { Sequence } from "./sequence.ts";

/** Milliseconds for which tokens follow each other before anything else is let in: a look at the event loop costs a fifth of a short pass. */
const TURN = 1;

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
  /** Guess tokens ahead with the MTP depth and verify them (report, section 5.4.3): the same distribution in fewer passes. Default false. */
  draft?: boolean;
}

export interface GeneratedToken {
  /** Null for text that was held back until the end. */
  id: number | null;
  /** log p of the token in the model's distribution; null unless `logprobs` asked for it. */
  logprob: number | null;
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
  /** Tokens that were guessed ahead, and how many of them were right. */
  draftedTokens: number;
  acceptedTokens: number;
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
  sequence = new Sequence(model, { drafts: options.draft }),
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
  const cachedTokens = Math.max(0, Math.min(sharedPrefix(sequence.ids, prompt), prompt.length - 1));
  sequence.truncate(cachedTokens);
  const started = performance.now();
  const unread: number[] = Array.prototype.slice.call(prompt, cachedTokens);
  const logits = model.threads.run(unread.length, () => sequence.append(unread));
  const decodeStarted = performance.now();
  const ids: number[] = [];
  const drafts = { drafted: 0, accepted: 0 };
  let text = "";
  let finishReason: FinishReason = "length";
  let cutOff = false;
  // Tokens that are certain and not shown yet: one, or two where a draft was right.
  let certain = maxTokens > 0 ? [model.sampler.sample(logits, options, random, sequence.ids)] : [];
  let paused = performance.now();
  while (certain.length > 0) {
    if (performance.now() - paused > TURN) {
      // Lets Ctrl-C, timers and other streams in.
      await new Promise((resume) => setImmediate(resume));
      paused = performance.now();
    }
    if (signal?.aborted) {
      finishReason = "abort";
      break;
    }
    const [{ id, logprob }] = certain;
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
    if (prompt.length + ids.length > sequence.limit || ids.length === maxTokens) break;
    certain =
      certain.length > 1
        ? certain.slice(1)
        : model.threads.run(sequence.canDraft ? 2 : 1, () => step(sequence, id, options, random, drafts));
  }
  const ended = performance.now();
  if (!cutOff) {
    const shown = matcher.push(decoder.end());
    const rest = shown.stopped ? shown.text : shown.text + matcher.end();
    text += rest;
    if (rest) yield { id: null, logprob: null, text: rest };
  }
  return {
    text,
    ids,
    finishReason,
    promptTokens: prompt.length,
    cachedTokens,
    draftedTokens: drafts.drafted,
    acceptedTokens: drafts.accepted,
    prefillSeconds: (decodeStarted - started) / 1000,
    decodeSeconds: (ended - decodeStarted) / 1000,
  };
}

/** Lets a generation run to its end, for whoever does not watch it. */
export async function wholeOf(tokens: AsyncGenerator<GeneratedToken, Generation>): Promise<Generation> {
  for (;;) {
    const next = await tokens.next();
    if (next.done) return next.value;
  }
}

/**
 * The tokens that follow `id`: one pass of the model gives one, or two where the MTP depth guessed the first of them.
 * Sequence and logits then stand where plain decoding would have them.
 */
function step(
  sequence: Sequence,
  id: number,
  options: GenerateOptions,
  random: Random,
  drafts: { drafted: number; accepted: number },
): Sampled[] {
  const { sampler } = sequence.model;
  if (!sequence.canDraft || sequence.ids.length + 2 > sequence.limit)
    return [sampler.sample(sequence.append([id]), options, random, sequence.ids)];
  const seen = (options.repetitionPenalty ?? 1) === 1 ? [] : [...sequence.ids, id];
  const q = sampler.distribution(sequence.draft(id), options, seen);
  const guess = draw(q, random);
  const [first, second] = sequence.appendEach([id, guess]);
  const verdict = verify(guess, q, sampler.distribution(first, options, seen), random);
  const chosen = sampler.sampled(verdict.id, first, options);
  drafts.drafted++;
  if (!verdict.accepted) {
    sequence.truncate(sequence.ids.length - 1);
    return [chosen];
  }
  drafts.accepted++;
  return [chosen, sampler.sample(second, options, random, sequence.ids)];
}
