/** From tokens to events: text that has become certain, parted into answer, reasoning and calls. */
import type { ReplyParser, ReplyPart, Tokenizer } from "../../text/index.ts";
import type { EngineEvent, TokenInfo } from "../engine.ts";
import { StopMatcher } from "./stop.ts";

export class Reply {
  /** A stop string came; nothing of it was passed on. */
  stopped = false;
  calls = 0;
  private readonly decoder: ReturnType<Tokenizer["decoder"]>;
  private readonly stops: StopMatcher;
  private readonly parser: ReplyParser | null;
  private readonly emit: (event: EngineEvent) => void;
  /** Reports of tokens whose text has not been passed on. */
  private infos: TokenInfo[] = [];

  /** Special tokens are no text, but for a parser, whose marks may be among them. */
  constructor(
    tokenizer: Tokenizer,
    stop: readonly string[],
    parser: ReplyParser | null,
    emit: (event: EngineEvent) => void,
  ) {
    this.decoder = tokenizer.decoder({ skipSpecial: parser === null });
    this.stops = new StopMatcher(stop);
    this.parser = parser;
    this.emit = emit;
  }

  get reasoning(): boolean {
    return this.parser?.reasoning ?? false;
  }

  push(id: number, info: TokenInfo | null): void {
    if (info) this.infos.push(info);
    const shown = this.stops.push(this.decoder.push(id));
    this.stopped = shown.stopped;
    this.pass(shown.text);
  }

  /** Passes on what was held back. */
  end(): void {
    if (!this.stopped) {
      const shown = this.stops.push(this.decoder.end());
      this.stopped = shown.stopped;
      this.pass(shown.stopped ? shown.text : shown.text + this.stops.end());
    }
    for (const part of this.parser?.end() ?? []) this.give(part);
    if (this.infos.length > 0) this.give({ type: "text", text: "" });
  }

  private pass(text: string): void {
    if (text === "") return;
    if (!this.parser) this.give({ type: "text", text });
    else for (const part of this.parser.push(text)) this.give(part);
  }

  private give(part: ReplyPart): void {
    if (part.type === "tool_call") {
      this.calls = Math.max(this.calls, part.index + 1);
      this.emit(part);
    } else if (this.infos.length === 0) this.emit(part);
    else {
      this.emit({ ...part, tokens: this.infos });
      this.infos = [];
    }
  }
}
