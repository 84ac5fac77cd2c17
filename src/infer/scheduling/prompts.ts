/**
 * Prompts made outside the engine's thread: by templates and expressions that came with a model, which may take long, and of long texts.
 * A thread of the model's own makes them one after the other; one that does not answer in time, or takes all its memory, is ended.
 */
import { Worker } from "node:worker_threads";
import { InputError, workerFile } from "../../base/index.ts";
import { type ChatMessage, type ChatOptions, type Tokenizer, templateOf } from "../../text/index.ts";
import { EngineError } from "../engine.ts";

/** What a thread is asked: a conversation, or a text that a mark begins. */
export type ToPrompt =
  | { id: number; messages: readonly ChatMessage[]; options: ChatOptions }
  | { id: number; text: string };
export type FromPrompt = { id: number; prompt: Prompt } | { id: number; error: string };

export interface Prompt {
  ids: Int32Array;
  /** Of a template in Jinja what it wrote, else "". */
  text: string;
}

/** From this many characters on a prompt is made elsewhere even where nothing in it can be slow. */
const LONG = 32_768;
/** Milliseconds for one prompt, and for how many of its characters there is one more: above what templates and expressions are given themselves. */
const PATIENCE = 10_000;
const CHARACTERS_PER_MILLISECOND = 20;
const MEMORY_MB = 1024;
const MAX_WAITING = 256;

/** Characters of a conversation's prompt, about: of all that messages, calls and tools say. */
export function sizeOf(messages: readonly ChatMessage[], tools: readonly unknown[] = []): number {
  const lengthOf = (values: readonly unknown[] = []) => (values.length === 0 ? 0 : JSON.stringify(values).length);
  return messages.reduce((sum, { content, toolCalls }) => sum + content.length + lengthOf(toolCalls), lengthOf(tools));
}

interface Asked {
  request: ToPrompt;
  characters: number;
  isWanted: () => boolean;
  resolve: (prompt: Prompt) => void;
  reject: (error: Error) => void;
}

export class Prompts {
  private readonly dir: string;
  private readonly foreign: { chat: boolean; text: boolean };
  private worker: Worker | null = null;
  private queue: Asked[] = [];
  private timer: NodeJS.Timeout | null = null;
  private nextId = 0;

  /** @param dir the folder of the tokenizer and its templates */
  constructor(dir: string, tokenizer: Tokenizer) {
    this.dir = dir;
    const text = tokenizer.parts.preTokenize.foreign === true;
    this.foreign = { chat: text || templateOf(tokenizer) !== null || templateOf(tokenizer, true) !== null, text };
    // It is there when the first question comes.
    if (this.foreign.chat) this.worker = this.start();
  }

  /** Whether a prompt of so many characters is to be made here. */
  takes(kind: "chat" | "text", characters: number): boolean {
    return this.foreign[kind] || characters >= LONG;
  }

  /**
   * Makes a prompt, if it is still wanted when its turn comes.
   * @throws InputError where it cannot be made, or not in time; EngineError "overloaded"
   */
  make(
    question: { messages: readonly ChatMessage[]; options: ChatOptions } | { text: string },
    isWanted: () => boolean = () => true,
  ): Promise<Prompt> {
    const characters = "text" in question ? question.text.length : sizeOf(question.messages, question.options.tools);
    if (this.queue.length >= MAX_WAITING)
      throw new EngineError("overloaded", `${MAX_WAITING} requests wait for their prompts already: try again later`);
    return new Promise((resolve, reject) => {
      this.queue.push({ request: { id: this.nextId++, ...question }, characters, isWanted, resolve, reject });
      if (this.queue.length === 1) this.next();
    });
  }

  async close(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    await this.worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(workerFile("prompt-worker", import.meta.url), {
      workerData: { dir: this.dir },
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    });
    worker.on("message", (answer: FromPrompt) => {
      if (answer.id !== this.queue[0]?.request.id) return;
      this.ended("prompt" in answer ? answer.prompt : new InputError(answer.error));
    });
    worker.on("error", (error) =>
      this.failed(
        worker,
        (error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY"
          ? `takes more than ${MEMORY_MB} MB`
          : error.message,
      ),
    );
    worker.on("exit", () => this.failed(worker, "ended unasked"));
    // A program that has nothing else to do is not kept by it.
    worker.unref();
    return worker;
  }

  private next(): void {
    while (this.queue.length > 0 && !this.queue[0].isWanted())
      this.queue.shift()!.reject(new InputError("no longer wanted"));
    const [asked] = this.queue;
    if (!asked) return;
    this.worker ??= this.start();
    const { worker } = this;
    this.timer = setTimeout(
      () => {
        this.failed(worker, "takes too long");
        void worker.terminate();
      },
      PATIENCE + asked.characters / CHARACTERS_PER_MILLISECOND,
    );
    worker.ref();
    worker.postMessage(asked.request);
  }

  /** The thread is of no use any more; what it was at work on fails, and the next gets another. */
  private failed(worker: Worker, why: string): void {
    if (this.worker !== worker) return;
    this.worker = null;
    if (this.queue.length > 0)
      this.ended(
        new InputError(`the model's chat template or tokenizer ${why.split("\n")[0]}; this prompt cannot be made`),
      );
  }

  private ended(result: Prompt | Error): void {
    if (this.timer) clearTimeout(this.timer);
    const asked = this.queue.shift()!;
    this.worker?.unref();
    if (result instanceof Error) asked.reject(result);
    else asked.resolve(result);
    this.next();
  }
}
