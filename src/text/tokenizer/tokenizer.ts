/** Byte-level BPE: text to token ids and back. */
import { bytesToChars } from "./byte-level.ts";
import { MergeTable } from "./merges.ts";
import type { PreTokenizer } from "./pre-tokenizer.ts";

/** Words whose ids are remembered; ordinary text repeats a few thousand of them. */
const CACHED_WORDS = 200_000;
const CACHED_WORD_LENGTH = 64;

export interface AddedToken {
  content: string;
  id: number;
  special: boolean;
}

/** What a tokenizer is made of; `loadTokenizer` and `trainBpe` put it together. */
export interface TokenizerParts {
  /** Bytes of each id; of added tokens their text in UTF-8; empty where an id has no token */
  bytes: Uint8Array[];
  merges: MergeTable;
  /** The merges in order, [left, right, result] */
  mergeList: [number, number, number][];
  preTokenize: PreTokenizer;
  preTokenizerJson: unknown;
  added: AddedToken[];
  bosId: number | null;
  eosId: number | null;
  /** Its folder's chat template, in Jinja. */
  chatTemplate: string | null;
  /** The one for conversations with tools, where it is another. */
  toolTemplate?: string | null;
  /** Further special tokens that templates know by name: pad_token, unk_token. */
  named?: Record<string, string>;
}

export interface EncodeOptions {
  /** Put the beginning-of-sentence token in front (default false). */
  addBos?: boolean;
  /**
   * Whether the text of special tokens becomes those tokens ("parse", the default, as Hugging Face) or stays text ("text": for anything a user wrote).
   * Added tokens that are no marks, <think> say, are tokens either way.
   */
  special?: "parse" | "text";
}

const encoder = new TextEncoder();

/** Marks of turns and tools, as published files have them: not all say that they are special, and none may be forged. */
const MARK = /^<[|｜].*[|｜]>$/s;

export class Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Ids below vocabSize that have no token. */
  readonly holes: readonly number[];
  /** Added tokens by their text. */
  readonly special: ReadonlyMap<string, number>;
  readonly parts: TokenizerParts;
  /** What a user's text must not become: the text of special tokens and of marks. */
  readonly guarded: readonly string[];
  private readonly specialIds: Set<number>;
  private readonly addedPattern: RegExp | null;
  private readonly unguardedPattern: RegExp | null;
  private readonly byteIds: Int32Array;
  private readonly cache = new Map<string, Int32Array>();
  private ids: Map<string, number> | null = null;

  constructor(parts: TokenizerParts) {
    this.parts = parts;
    this.vocabSize = parts.bytes.length;
    this.holes = parts.bytes.flatMap(({ length }, id) => (length === 0 ? [id] : []));
    this.bosId = parts.bosId;
    this.eosId = parts.eosId;
    this.special = new Map(parts.added.map(({ content, id }) => [content, id]));
    this.specialIds = new Set(parts.added.filter(({ special }) => special).map(({ id }) => id));
    const contents = [...this.special.keys()].filter((content) => content.length > 0);
    this.guarded = contents.filter((content) => MARK.test(content) || this.specialIds.has(this.special.get(content)!));
    const guarded = new Set(this.guarded);
    this.addedPattern = anyOf(contents);
    this.unguardedPattern = anyOf(contents.filter((content) => !guarded.has(content)));
    this.byteIds = new Int32Array(256).fill(-1);
    parts.bytes.forEach((bytes, id) => {
      if (bytes.length === 1 && this.byteIds[bytes[0]] < 0 && !this.isAdded(id)) this.byteIds[bytes[0]] = id;
    });
  }

  /** One without any token, for a model whose ids are all that is asked about. */
  static none(): Tokenizer {
    const preTokenize: PreTokenizer = (text, visit) => visit(text);
    const nothing = {
      bytes: [],
      merges: new MergeTable(1, 0),
      mergeList: [],
      preTokenize,
      preTokenizerJson: null,
      added: [],
    };
    return new Tokenizer({ ...nothing, bosId: null, eosId: null, chatTemplate: null });
  }

  private isAdded(id: number): boolean {
    return this.parts.added.some((token) => token.id === id);
  }

  /** Token ids of a text. Lone surrogates are encoded as U+FFFD, as UTF-8 demands. */
  encode(text: string, options: EncodeOptions = {}): Int32Array<ArrayBuffer> {
    const out = new Ids();
    if (options.addBos && this.bosId !== null) out.push(this.bosId);
    const pattern = options.special === "text" ? this.unguardedPattern : this.addedPattern;
    if (!pattern) {
      this.encodePlain(text, out);
      return out.take();
    }
    let from = 0;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
      const end = pattern.lastIndex;
      this.encodePlain(text.slice(from, match.index), out);
      out.push(this.special.get(match[0])!);
      from = end;
      pattern.lastIndex = end;
    }
    this.encodePlain(from === 0 ? text : text.slice(from), out);
    return out.take();
  }

  private encodePlain(text: string, out: Ids): void {
    if (text.length === 0) return;
    this.parts.preTokenize(text, (word) => {
      let ids = this.cache.get(word);
      if (!ids) {
        ids = this.encodeWord(word);
        if (word.length <= CACHED_WORD_LENGTH) {
          if (this.cache.size >= CACHED_WORDS) this.cache.clear();
          this.cache.set(word, ids);
        }
      }
      out.pushAll(ids);
    });
  }

  private encodeWord(word: string): Int32Array {
    const bytes = encoder.encode(word);
    const ids = new Int32Array(bytes.length);
    for (let i = 0; i < bytes.length; i++) ids[i] = this.byteIds[bytes[i]];
    return ids.slice(0, this.parts.merges.merge(ids, ids.length));
  }

  /** Bytes of one token. @throws RangeError for an id outside the vocabulary */
  tokenBytes(id: number): Uint8Array {
    const bytes = this.parts.bytes[id];
    if (!bytes) throw new RangeError(`token id ${id} is not in the vocabulary of ${this.vocabSize}`);
    return bytes;
  }

  isSpecial(id: number): boolean {
    return this.specialIds.has(id);
  }

  /** The id of a token by its text (an added token, or exactly these bytes in UTF-8). */
  idOf(token: string): number | undefined {
    if (!this.ids) {
      this.ids = new Map();
      for (let id = this.vocabSize - 1; id >= 0; id--) this.ids.set(bytesToChars(this.parts.bytes[id]), id);
    }
    return this.special.get(token) ?? this.ids.get(bytesToChars(encoder.encode(token)));
  }

  /** Special tokens as templates know them, by name: bos_token, eos_token … */
  get namedTokens(): Record<string, string> {
    const text = (id: number | null) => (id === null ? null : new TextDecoder().decode(this.tokenBytes(id)));
    const [bos, eos] = [text(this.bosId), text(this.eosId)];
    return { ...this.parts.named, ...(bos !== null && { bos_token: bos }), ...(eos !== null && { eos_token: eos }) };
  }

  /** The text of ids; bytes that are no UTF-8 become U+FFFD. skipSpecial leaves special tokens out (default false). */
  decode(ids: ArrayLike<number>, options: { skipSpecial?: boolean } = {}): string {
    const decoder = this.decoder(options);
    let text = "";
    for (let i = 0; i < ids.length; i++) text += decoder.push(ids[i]);
    return text + decoder.end();
  }

  /** A decoder for tokens that come one by one. */
  decoder(options: { skipSpecial?: boolean } = {}): StreamDecoder {
    return new StreamDecoder(this, options.skipSpecial ?? false);
  }
}

/** An expression for any of these texts, of several the longest. */
export function anyOf(texts: readonly string[]): RegExp | null {
  if (texts.length === 0) return null;
  const longestFirst = [...texts].sort((a, b) => b.length - a.length);
  return new RegExp(longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|"), "g");
}

/** Turns tokens into text as they come, holding back bytes of a character that is not complete yet. */
export class StreamDecoder {
  private readonly tokenizer: Tokenizer;
  private readonly skipSpecial: boolean;
  private readonly utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(tokenizer: Tokenizer, skipSpecial: boolean) {
    this.tokenizer = tokenizer;
    this.skipSpecial = skipSpecial;
  }

  /** The text that this token completes. */
  push(id: number): string {
    if (this.skipSpecial && this.tokenizer.isSpecial(id)) return "";
    return this.utf8.decode(this.tokenizer.tokenBytes(id), { stream: true });
  }

  /** What was held back: U+FFFD for an incomplete character, or nothing. The decoder can be used again. */
  end(): string {
    return this.utf8.decode();
  }
}

/** A growing list of ids. */
class Ids {
  private data = new Int32Array(256);
  private length = 0;

  private reserve(extra: number): void {
    if (this.length + extra <= this.data.length) return;
    const larger = new Int32Array(Math.max(this.data.length * 2, this.length + extra));
    larger.set(this.data.subarray(0, this.length));
    this.data = larger;
  }

  push(id: number): void {
    this.reserve(1);
    this.data[this.length++] = id;
  }

  pushAll(ids: Int32Array): void {
    this.reserve(ids.length);
    for (let i = 0; i < ids.length; i++) this.data[this.length + i] = ids[i];
    this.length += ids.length;
  }

  take(): Int32Array<ArrayBuffer> {
    return this.data.slice(0, this.length);
  }
}
