/** A thread that makes the prompts of one model, one after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { encodeChat, loadTokenizer, type Tokenizer } from "../../text/index.ts";
import type { FromPrompt, Prompt, ToPrompt } from "./prompts.ts";

const { dir } = workerData as { dir: string };
let tokenizer: Tokenizer | null = null;

function made(request: ToPrompt): Prompt {
  tokenizer ??= loadTokenizer(dir);
  if ("text" in request) return { ids: tokenizer.encode(request.text, { addBos: true }), text: "" };
  const { ids, text } = encodeChat(tokenizer, request.messages, request.options);
  return { ids, text: text ?? "" };
}

function answerOf(request: ToPrompt): FromPrompt {
  try {
    return { id: request.id, prompt: made(request) };
  } catch (error) {
    return { id: request.id, error: (error as Error).message };
  }
}

parentPort!.on("message", (request: ToPrompt) => parentPort!.postMessage(answerOf(request)));
