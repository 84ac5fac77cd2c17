/** Chunks of an OpenAI-compatible answer as an engine's events. Nothing in them is trusted to be there, or to be of its type. */
import { EngineError, type EngineEvent, type FinishReason, type TokenInfo, type Usage } from "../../infer/index.ts";
import { finishOf } from "./finish.ts";
import { isObject, type Json, list, number, object, text } from "./json.ts";
import { Messages } from "./messages.ts";
import { type ThoughtForm, Thoughts } from "./thoughts.ts";
import { functionCall, ToolCalls } from "./tool-calls.ts";
import { usageOf } from "./usage.ts";
import { errorIn, withoutKey } from "./words.ts";

/** Characters of an answer at most, and for each token that was asked for: an upstream that does not stop is stopped. */
export const ANSWER_LIMITS = { characters: 4 << 20, perToken: 32, least: 256 };
/** Reports of tokens that wait for their text, rivals of a token, and parts in parts of a content. */
const MAX_HELD_TOKENS = 1 << 16;
const MAX_RIVALS = 20;
const MAX_DEPTH = 8;

export interface AnswerForm extends ThoughtForm {
  kind: "chat" | "completion";
  /** The upstream's. */
  name: string;
  key: string | undefined;
  maxTokens: number | undefined;
  /** Reports of tokens were asked for. */
  logprobs: boolean;
  /** An estimate, for servers that do not count. */
  promptTokens: number;
}

type Piece = { type: "text" | "reasoning"; text: string };

export class UpstreamAnswer {
  /** Something has come. */
  begun = false;
  /** As much has come as was asked for: nothing more is to be read. */
  full = false;
  readonly thoughts: Thoughts;
  private readonly form: AnswerForm;
  private readonly calls = new ToolCalls();
  private readonly said = new Messages();
  private readonly thought = new Messages();
  private readonly most: number;
  private finish: FinishReason | null = null;
  /** The server's word, where it gave the answer up. */
  private failure: string | null = null;
  private usage: Json | null = null;
  private choices = 0;
  private pieces = 0;
  private bytes = 0;
  private characters = 0;
  /** Reports of tokens whose text is held back. */
  private tokens: TokenInfo[] = [];

  constructor(form: AnswerForm) {
    this.form = form;
    this.thoughts = new Thoughts(form);
    const { characters, perToken, least } = ANSWER_LIMITS;
    this.most = Math.min(characters, form.maxTokens === undefined ? characters : least + perToken * form.maxTokens);
  }

  /** @throws EngineError for an error in the stream */
  *take(chunk: unknown): Generator<EngineEvent> {
    const body = object(chunk);
    const error = errorIn(chunk, (answer) => Array.isArray(answer.choices) || isObject(answer.usage));
    if (error) {
      const said = withoutKey(error.message || error.code, this.form.key) || "no reason given";
      const kind = /context length|maximum context|context_length/i.test(`${said} ${error.code}`)
        ? "context_length"
        : "upstream";
      throw new EngineError(kind, `${this.form.name} failed: ${said}`, { status: error.status ?? undefined });
    }
    const choice = this.choiceOf(body.choices);
    const usage = [body.usage, choice.usage, object(body.x_groq).usage].find(isObject);
    if (usage) this.usage = usage;
    yield* this.start();
    yield* this.limited(this.form.kind === "chat" ? this.chatDelta(choice) : this.completionDelta(choice));
    const reason = text(choice.finish_reason);
    if (!reason) return;
    const finish = finishOf(reason);
    if (finish === "failed") this.failure = reason.slice(0, 100);
    else this.finish = finish;
  }

  /** Its server has told why it ended. */
  get over(): boolean {
    return this.finish !== null;
  }

  /** How much of an answer has come so far. */
  get given(): number {
    return this.pieces + (this.finish ? 1 : 0) + (this.usage ? 1 : 0);
  }

  /**
   * The last events. `done`: its server said that it was at its end, or it came as a whole.
   * @throws EngineError if the answer was cut off, or was none
   */
  *end(done: boolean): Generator<EngineEvent> {
    const { name } = this.form;
    yield* this.start();
    yield* this.limited(this.rest());
    if (this.tokens.length > 0) yield { type: "text", text: "", tokens: this.tokens.splice(0) };
    yield* this.ofCalls(() => this.calls.end(this.full));
    if (this.failure) throw new EngineError("upstream", `${name} gave its answer up (${this.failure})`);
    if (this.choices === 0 && !this.full)
      throw new EngineError("upstream", `${name} sent no choices; is it an OpenAI-compatible server?`);
    // Whoever counts has come to the end.
    if (this.finish === null && !this.full && !done && !this.usage)
      throw new EngineError(
        "upstream",
        `${name} broke off in the middle of its answer: neither finish_reason nor [DONE] came`,
      );
    yield { type: "end", finishReason: this.reason(), usage: this.counted() };
  }

  *abort(): Generator<EngineEvent> {
    yield* this.start();
    yield { type: "end", finishReason: "abort", usage: this.counted() };
  }

  private reason(): FinishReason {
    if (this.full) return "length";
    const { maxTokens } = this.form;
    const told = number(this.usage?.completion_tokens);
    const cut = maxTokens !== undefined && told !== null && told >= maxTokens;
    const reason = this.finish ?? (cut ? "length" : "stop");
    // Servers differ in which of the two they say of calls, and some say it without any.
    const called = this.calls.all.length > 0;
    if (reason === "stop" && called) return "tool_calls";
    return reason === "tool_calls" && !called ? "stop" : reason;
  }

  private *start(): Generator<EngineEvent> {
    if (this.begun) return;
    this.begun = true;
    const { promptTokens, cachedTokens } = this.counted();
    yield { type: "start", promptTokens, cachedTokens };
  }

  /** One answer was asked for: of several only the first counts. */
  private choiceOf(choices: unknown): Json {
    const all = (isObject(choices) ? [choices] : list(choices)).filter(isObject);
    this.choices += all.length;
    return all.find(({ index }) => !index) ?? all[0] ?? ({} as Json);
  }

  private *limited(events: Iterable<EngineEvent>): Generator<EngineEvent> {
    for (const event of events) {
      if (event.type !== "text" && event.type !== "reasoning" && event.type !== "tool_call") continue;
      const words = event.type === "tool_call" ? event.arguments : event.text;
      const room = Math.max(0, this.most - this.characters);
      this.characters += words.length;
      this.bytes += Buffer.byteLength(words);
      if (words.length <= room) {
        yield event;
        continue;
      }
      this.full = true;
      const cut = words.slice(0, room);
      if (cut !== "") yield event.type === "tool_call" ? { ...event, arguments: cut } : { ...event, text: cut };
      return;
    }
  }

  private *chatDelta(choice: Json): Generator<EngineEvent> {
    const told = isObject(choice.delta) && Object.keys(choice.delta).length > 0;
    // A server that does not stream sends the message whole; so do some that do, once or again and again.
    const whole = !told && isObject(choice.message);
    const delta = told ? choice.delta : whole ? choice.message : ({} as Json);
    const content = partsOf(delta.content);
    const bare = !told && !whole && content.length === 0 ? partsOf(choice.text) : [];
    const parts = [...content, ...bare, ...partsOf(delta.refusal), ...mediaOf(delta)];
    const reasoning = this.thought.added(reasoningOf(delta) + joined(parts, "reasoning"), whole);
    const said = this.said.added(joined(parts, "text"), whole);
    if (reasoning !== "") this.thoughts.told();
    const pieces: Piece[] = reasoning === "" ? [] : [{ type: "reasoning", text: reasoning }];
    if (said !== "") pieces.push(...this.thoughts.push(said));
    this.hold(list(object(choice.logprobs).content).filter(isObject).map(chatToken));
    // What is held back counts too.
    this.full ||= this.characters + this.thoughts.waiting > this.most;
    if (reasoning !== "" || said !== "") this.pieces++;
    yield* this.withTokens(pieces);
    if (whole && this.calls.all.length > 0) return;
    yield* this.callEvents(delta.tool_calls, whole);
    yield* this.callEvents(functionCall(delta.function_call), false);
    yield* this.callEvents(list(delta.content).filter(isCall), whole);
  }

  private hold(tokens: readonly TokenInfo[]): void {
    if (this.form.logprobs) this.tokens = this.tokens.concat(tokens);
    this.full ||= this.tokens.length > MAX_HELD_TOKENS;
  }

  private *callEvents(entries: unknown, whole: boolean): Generator<EngineEvent> {
    const events = this.ofCalls(() => this.calls.take(entries, whole));
    this.full ||= this.characters + this.calls.waiting > this.most;
    if (events.length > 0) this.pieces++;
    yield* events;
  }

  /** @throws EngineError for calls that cannot be made */
  private ofCalls<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new EngineError("upstream", `${this.form.name}: ${error.message}`);
    }
  }

  private *completionDelta(choice: Json): Generator<EngineEvent> {
    const content = text(choice.text) || text(object(choice.delta).content) || text(object(choice.message).content);
    this.hold(completionTokens(choice.logprobs));
    if (content) this.pieces++;
    yield* this.withTokens(content ? [{ type: "text", text: content }] : []);
  }

  private *rest(): Generator<EngineEvent> {
    yield* this.withTokens(this.form.kind === "chat" ? this.thoughts.end() : []);
  }

  /** Pieces as events, the first of the answer's with the tokens that have come. */
  private *withTokens(pieces: readonly Piece[]): Generator<EngineEvent> {
    const at = Math.max(
      0,
      pieces.findIndex(({ type }) => type === "text"),
    );
    for (const [i, piece] of pieces.entries()) {
      if (piece.text === "") continue;
      yield i === at && this.tokens.length > 0 ? { ...piece, tokens: this.tokens.splice(0) } : piece;
    }
  }

  private counted(): Usage {
    const { promptTokens } = this.form;
    return usageOf(this.usage, { promptTokens, pieces: this.pieces, bytes: this.bytes });
  }
}

/** What was thought, by the name that a server has for it; the same under two names counts once. */
function reasoningOf(delta: Json): string {
  for (const field of ["reasoning_content", "reasoning", "thinking", "thought"]) {
    const value: unknown = delta[field];
    const said =
      typeof value === "string"
        ? value
        : isObject(value)
          ? text(value.content) || text(value.text) || text(value.summary)
          : "";
    if (said !== "") return said;
  }
  return list(delta.reasoning_details)
    .map((one) => text(object(one).text) || text(object(one).summary))
    .join("");
}

const joined = (pieces: readonly Piece[], type: Piece["type"]): string =>
  pieces.map((piece) => (piece.type === type ? piece.text : "")).join("");

/** A call among the parts of a content. */
const isCall = (part: unknown): boolean =>
  isObject(part) && /^(tool_use|tool_call|function_call)$/.test(text(part.type));

/** What is no text: of speech the words, of pictures that they are there. */
function mediaOf(delta: Json): Piece[] {
  const pictures = list(delta.images).map(() => "[image: not shown]");
  return partsOf([object(delta.audio).transcript, ...pictures]);
}

/** Content as a text, or in parts, of which some may be thoughts. What cannot be shown is named. */
function partsOf(content: unknown, depth = 0): Piece[] {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }];
  if (typeof content === "number" || typeof content === "boolean") return [{ type: "text", text: String(content) }];
  if (typeof content !== "object" || content === null || isCall(content)) return [];
  if (depth > MAX_DEPTH) return [{ type: "text", text: "[a part: not shown]" }];
  if (!isObject(content)) return list(content).flatMap((part) => partsOf(part, depth + 1));
  const kind = text(content.type);
  const thought = /think|reason|thought/.test(kind);
  const said = [content.text, content.content, content.thinking, content.reasoning, content.refusal, content.summary];
  const inner = said.flatMap((part) => partsOf(part, depth + 1));
  if (inner.length > 0) return thought ? inner.map((part) => ({ ...part, type: "reasoning" })) : inner;
  if (said.some((value) => value !== undefined) || kind === "" || kind === "text") return [];
  return [{ type: "text", text: `[${kind.replaceAll(/[^\w.-]/g, "").slice(0, 40) || "a part"}: not shown]` }];
}

function chatToken(one: Json): TokenInfo {
  const rivals = list(one.top_logprobs).slice(0, MAX_RIVALS).filter(isObject).map(rival);
  return { ...rival(one), logprob: number(one.logprob), top: rivals };
}

function rival(one: Json): TokenInfo["top"][number] {
  const token = text(one.token);
  const bytes = list(one.bytes).map((byte) => number(byte) ?? -1);
  const whole = bytes.length > 0 && bytes.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256);
  return {
    id: null,
    text: token,
    bytes: whole ? bytes : [...Buffer.from(token)],
    logprob: number(one.logprob) ?? -9999,
  };
}

function completionTokens(logprobs: unknown): TokenInfo[] {
  const { tokens, token_logprobs, top_logprobs } = object(logprobs);
  const values = list(token_logprobs) as unknown[];
  const told = (token: string) => ({ id: null, text: token, bytes: [...Buffer.from(token)] });
  return list(tokens).map((token, i) => ({
    ...told(text(token)),
    logprob: number(values[i]),
    top: Object.entries(object(list(top_logprobs)[i]))
      .map(([rival, value]) => ({ ...told(rival), logprob: number(value) ?? -9999 }))
      .sort((a, b) => b.logprob - a.logprob),
  }));
}
