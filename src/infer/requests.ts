/** Requests as the scheduler takes them: prompts as token ids, settings with their defaults, how the reply is parted and held to a form. */
import { InputError } from "../tensor/index.ts";
import { encodeChat } from "../text/index.ts";
import { type ChatRequest, type CompletionRequest, EngineError, type ModelInfo } from "./engine.ts";
import type { JobRequest } from "./job.ts";
import type { Model } from "./model.ts";
import { resolveSettings } from "./settings.ts";

/** @throws EngineError "invalid" that names the field */
export function chatJob(model: Model, info: ModelInfo, request: ChatRequest): JobRequest {
  const { tokenizer } = model;
  const settings = resolveSettings(request, info.defaults, tokenizer.vocabSize);
  const { messages } = request;
  if (messages.length === 0) throw new EngineError("invalid", "messages: give at least one", { param: "messages" });
  const prompt = asParam("messages", () => encodeChat(tokenizer, messages as never, { addGenerationPrompt: true }).ids);
  return { prompt, settings, echo: false, client: request.client ?? "", parser: null, constraint: null };
}

/** @throws EngineError "invalid" that names the field */
export function completionJob(model: Model, info: ModelInfo, request: CompletionRequest): JobRequest {
  const { tokenizer, config } = model;
  const settings = resolveSettings(request, info.defaults, tokenizer.vocabSize);
  const { prompt: given, echo = false } = request;
  const prompt = typeof given === "string" ? tokenizer.encode(given, { addBos: true }) : given;
  if (prompt.length === 0) throw new EngineError("invalid", "prompt: give at least one token", { param: "prompt" });
  for (let i = 0; i < prompt.length; i++) {
    if (Number.isInteger(prompt[i]) && prompt[i] >= 0 && prompt[i] < config.vocabSize) continue;
    const message = `prompt[${i}]: ${prompt[i]} is not an id of the vocabulary (0 to ${config.vocabSize - 1})`;
    throw new EngineError("invalid", message, { param: "prompt" });
  }
  return { prompt, settings, echo, client: request.client ?? "", parser: null, constraint: null };
}

/** An InputError of `work` as an error of the request's field. */
function asParam<T>(param: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InputError) throw new EngineError("invalid", `${param}: ${error.message}`, { param });
    throw error;
  }
}
