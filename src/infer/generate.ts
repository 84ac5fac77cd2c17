/** One request in this thread: the scheduler that serves many, with nobody else in it. */
import { InputError } from "../base/index.ts";
import { Decoder } from "./decoder.ts";
import { EngineError, type EngineEvent, type FinishReason, type GenerationSettings, type Usage } from "./engine.ts";
import type { Model } from "./model.ts";
import type { Request, Sink } from "./scheduling/request.ts";

/** Milliseconds for which passes follow each other before anything else is let in: a look at the event loop costs a fifth of a short pass. */
const TURN_MS = 1;

export interface GenerateOptions extends Omit<GenerationSettings, "client" | "scope"> {
  signal?: AbortSignal;
}

/** Text that has become certain: it may lag behind the tokens while a character or a stop text is incomplete. */
export type GeneratedText = Extract<EngineEvent, { type: "text" | "reasoning" }>;

export interface Generation {
  text: string;
  /** What a model that thinks wrote before its answer. */
  reasoning: string;
  ids: number[];
  finishReason: FinishReason;
  usage: Usage;
}

/**
 * Generates after a prompt of token ids. Yields text as it comes; the value it returns is the whole.
 * @throws InputError for a prompt that is empty, too long, or has ids outside the vocabulary, and for options out of their bounds
 * @example
 * const model = loadModel("models/minnow");
 * for await (const { text } of generate(model, model.tokenizer.encode("Once", { addBos: true }))) process.stdout.write(text);
 */
export async function* generate(
  model: Model,
  prompt: ArrayLike<number>,
  { signal, ...settings }: GenerateOptions = {},
): AsyncGenerator<GeneratedText, Generation> {
  const rows = Math.min(model.config.maxPositionEmbeddings, prompt.length + (settings.maxTokens ?? Infinity));
  const decoder = Decoder.forOne(model, rows);
  return yield* answer(decoder, (sink) => decoder.complete({ ...settings, prompt: Array.from(prompt) }, sink), signal);
}

/** Lets a generation run to its end, for whoever does not watch it. */
export async function wholeOf(texts: AsyncGenerator<GeneratedText, Generation>): Promise<Generation> {
  for (;;) {
    const next = await texts.next();
    if (next.done) return next.value;
  }
}

/** Runs what is asked of a decoder that does nothing else. Leaving the iteration ends the request. */
export async function* answer(
  { scheduler }: Decoder,
  ask: (sink: Sink) => Request,
  signal?: AbortSignal,
): AsyncGenerator<GeneratedText, Generation> {
  let events: EngineEvent[] = [];
  let failure: { error: unknown } | null = null;
  const sink: Sink = {
    event: (event) => events.push(event),
    fail: (error) => {
      failure = { error };
    },
  };
  const request = asInput(() => ask(sink));
  let ended = false;
  let [text, reasoning] = ["", ""];
  let paused = performance.now();
  try {
    for (;;) {
      if (signal?.aborted) scheduler.cancel(request);
      else scheduler.step();
      if (failure) throw (failure as { error: unknown }).error;
      const made = events;
      events = [];
      for (const event of made) {
        if (event.type === "end") {
          ended = true;
          const { finishReason, usage } = event;
          return { text, reasoning, ids: request.tokens.slice(request.promptLength), finishReason, usage };
        }
        if (event.type !== "text" && event.type !== "reasoning") continue;
        if (event.type === "text") text += event.text;
        else reasoning += event.text;
        yield event;
      }
      if (performance.now() - paused < TURN_MS) continue;
      // Lets Ctrl-C, timers and other streams in.
      await new Promise((resume) => setImmediate(resume));
      paused = performance.now();
    }
  } finally {
    if (!ended && !failure) scheduler.cancel(request);
  }
}

/** What refuses a request is the caller's input here. */
function asInput<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof EngineError ? new InputError(error.message) : error;
  }
}
