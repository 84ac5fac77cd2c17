/** A conversation that keeps its cache: each turn reads only what is new. */
import { type ChatMessage, encodeChat } from "../text/index.ts";
import { type GeneratedToken, type GenerateOptions, type Generation, generate } from "./generate.ts";
import type { Model } from "./model.ts";
import { Sequence } from "./sequence.ts";

export class Chat {
  readonly messages: ChatMessage[] = [];
  private readonly model: Model;
  private readonly sequence: Sequence;

  /** drafts: replies are drafted with the MTP depth (see `GenerateOptions.draft`). */
  constructor(model: Model, system?: string, options: { drafts?: boolean } = {}) {
    this.model = model;
    this.sequence = new Sequence(model, options);
    if (system) this.messages.push({ role: "system", content: system });
  }

  /**
   * Sends a user's turn and streams the reply, which joins the conversation even if it was stopped half-way.
   * Where the conversation outgrows the context, its oldest turns are left out of what the model sees.
   */
  async *send(content: string, options: GenerateOptions = {}): AsyncGenerator<GeneratedToken, Generation> {
    this.messages.push({ role: "user", content });
    const tokens = generate(this.model, this.prompt(), options, this.sequence);
    let text = "";
    try {
      for (;;) {
        const next = await tokens.next();
        if (next.done) return next.value;
        text += next.value.text;
        yield next.value;
      }
    } finally {
      this.messages.push({ role: "assistant", content: text });
    }
  }

  /** The conversation as tokens, its oldest turns left out until a quarter of the context is free for the reply. */
  private prompt(): Int32Array {
    const most = Math.floor(this.model.config.maxPositionEmbeddings * 0.75);
    const system = this.messages.filter(({ role }) => role === "system");
    let turns = this.messages.filter(({ role }) => role !== "system");
    for (;;) {
      const { ids } = encodeChat(this.model.tokenizer, [...system, ...turns], { addGenerationPrompt: true });
      if (ids.length <= most || turns.length <= 1) return ids;
      turns = turns.slice(2);
    }
  }
}
