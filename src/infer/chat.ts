/** A conversation that keeps its cache: each turn reads only what is new. */
import { Decoder } from "./decoder.ts";
import type { EngineMessage } from "./engine.ts";
import { answer, type GeneratedText, type GenerateOptions, type Generation } from "./generate.ts";
import type { Model } from "./model.ts";
import { encodePrompt } from "./scheduling/prepare.ts";

/** Of the context, what a conversation may fill before its oldest turns are left out: the rest is for the reply. */
const PROMPT_SHARE = 0.75;

export class Chat {
  readonly messages: EngineMessage[] = [];
  private readonly decoder: Decoder;

  constructor(model: Model, system?: string) {
    this.decoder = Decoder.forOne(model);
    if (system) this.messages.push({ role: "system", content: system });
  }

  /**
   * Sends a user's turn and streams the reply, which joins the conversation even if it was stopped half-way.
   * Where the conversation outgrows the context, its oldest turns are left out of what the model sees.
   * @throws InputError for a turn that does not fit, and for options out of their bounds
   */
  async *send(
    content: string,
    { signal, ...settings }: GenerateOptions = {},
  ): AsyncGenerator<GeneratedText, Generation> {
    this.messages.push({ role: "user", content });
    const request = { ...settings, messages: this.fitting() };
    const reply: EngineMessage = { role: "assistant", content: "" };
    const texts = answer(this.decoder, (sink) => this.decoder.chat(request, sink), signal);
    try {
      for (;;) {
        const next = await texts.next();
        if (next.done) return next.value;
        if (next.value.type === "text") reply.content += next.value.text;
        else reply.reasoning = (reply.reasoning ?? "") + next.value.text;
        yield next.value;
      }
    } finally {
      await texts.return?.(undefined as never);
      this.messages.push(reply);
    }
  }

  /** The conversation, its oldest turns left out until there is room for the reply. */
  private fitting(): EngineMessage[] {
    const { model, context } = this.decoder;
    const system = this.messages.filter(({ role }) => role === "system");
    let turns = this.messages.filter(({ role }) => role !== "system");
    for (;;) {
      const messages = [...system, ...turns];
      const { ids } = encodePrompt(model.tokenizer, messages, { addGenerationPrompt: true });
      if (ids.length <= context * PROMPT_SHARE || turns.length <= 1) return messages;
      turns = turns.slice(2);
    }
  }
}
