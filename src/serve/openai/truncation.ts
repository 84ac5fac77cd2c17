/** `truncation: "auto"`: what does not fit into the context is left out, from the beginning. */
import { type ChatRequest, type Engine, EngineError, type EngineEvent, type EngineMessage } from "../../infer/index.ts";

/** Shares of a conversation that are left out, one after the other, until the rest fits: each try reads the prompt anew. */
const STEPS = 16;

/**
 * Answers a conversation without as many of its oldest turns as do not fit. What the system said stays, and so does the last turn; an answer of a tool goes
 * with its call.
 */
export async function* withinContext(
  engine: Engine,
  request: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent> {
  let { messages } = request;
  for (;;) {
    let begun = false;
    try {
      for await (const event of engine.chat({ ...request, messages }, signal)) {
        begun = true;
        yield event;
      }
      return;
    } catch (error) {
      const rest = shortened(messages, Math.ceil(request.messages.length / STEPS));
      if (begun || !(error instanceof EngineError) || error.kind !== "context_length" || rest === null) throw error;
      messages = rest;
    }
  }
}

/** Without at least `count` of the oldest messages; null: nothing more can go. */
function shortened(messages: readonly EngineMessage[], count: number): EngineMessage[] | null {
  const system = messages.filter(({ role }) => role === "system");
  const turns = messages.filter(({ role }) => role !== "system");
  const first = turns.findIndex(({ role }, i) => i >= count && role === "user");
  const last = turns.findLastIndex(({ role }) => role === "user");
  const from = first < 0 ? last : first;
  return from > 0 ? [...system, ...turns.slice(from)] : null;
}
