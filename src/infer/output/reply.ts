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
  /** What was said last. */
  private kind: "text" | "reasoning" = "text";
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
    const text = this.decoder.push(id);
    if (text !== "") this.pass(this.parser ? this.parser.push(text) : [{ type: "text", text }]);
  }

  /** Passes on what was held back. */
  end(): void {
    if (this.stopped) return;
    // Bytes of a character that was cut.
    const tail = this.decoder.end();
    this.pass(this.parser ? this.parser.end(tail) : [{ type: "text", text: tail }]);
    if (this.stopped) return;
    this.release();
    if (this.infos.length > 0) this.give({ type: "text", text: "" });
  }

  /** Stop strings count in what is said, not in calls of tools, which they would cut. */
  private pass(parts: readonly ReplyPart[]): void {
    for (const part of parts) {
      if (this.stopped) return;
      if (part.type !== this.kind) this.release();
      if (part.type === "tool_call") {
        this.give(part);
        continue;
      }
      this.kind = part.type;
      const { text, stopped } = this.stops.push(part.text);
      this.stopped = stopped;
      if (stopped) this.infos = beginning(this.infos, Buffer.byteLength(text));
      if (text !== "") this.give({ type: part.type, text });
    }
  }

  /** Passes on what could have become a stop string. */
  private release(): void {
    const text = this.stops.end();
    if (text !== "") this.give({ type: this.kind, text });
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

/** The tokens that begin within so many bytes: those of a stop string, and behind it, are not reported. */
function beginning(tokens: readonly TokenInfo[], bytes: number): TokenInfo[] {
  let at = 0;
  return tokens.filter((token) => {
    const begins = at < bytes;
    at += token.bytes.length;
    return begins;
  });
}
