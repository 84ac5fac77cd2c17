/** What of a conversation fits into a model's context: decided once, for the reply and for who asks before sending. */
import { type Engine, EngineError, type ModelInfo } from "../../infer/index.ts";
import type { ChatSettings, Count } from "../wire.ts";
import type { History } from "./history.ts";

/** Tokens that a template puts around each message, about. */
const AROUND_MESSAGE = 5;
/** A token of any vocabulary has fewer bytes on average: a longer text need not be counted to be too long. */
const MAX_BYTES_PER_TOKEN = 32;

export interface Asked {
  engine: Engine;
  model: ModelInfo;
  settings: ChatSettings;
  continueFinal: boolean;
}

/**
 * Leaves out the oldest messages until the rest and an answer have room. Where nothing more can be left out, what is left fits if it leaves room
 * for one token.
 */
export async function fitted(history: History, { engine, model, settings, continueFinal }: Asked): Promise<Count> {
  const { context } = model;
  const room = context === null ? Infinity : context - history.answerRoom(context, settings.maxTokens);
  let leftOut = history.estimate(model, settings.maxTokens);
  for (;;) {
    const messages = history.messages(leftOut);
    const bytes = history.bytes(leftOut);
    const countable = messages.length > 0 && (context === null || bytes <= context * MAX_BYTES_PER_TOKEN);
    const exact = countable
      ? ((await engine.countTokens?.({ model: model.id, messages, continueFinal }).catch(unaskable)) ?? null)
      : null;
    const tokens = exact ?? Math.ceil(bytes / history.bytesPerToken) + AROUND_MESSAGE * messages.length;
    const count = { tokens, exact: exact !== null, context, leftOut };
    if (tokens <= room) return { ...count, fits: true };
    const more = history.more(leftOut);
    if (more === null) return { ...count, fits: tokens < context! };
    leftOut = more;
  }
}

/** What a template refuses it refuses again, with its reason, when it is asked. */
function unaskable(error: unknown): null {
  if (error instanceof EngineError) return null;
  throw error;
}
