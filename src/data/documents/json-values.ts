/** The records of a JSON file as a stream: those of an array, of an array inside an object, or values one after the other. */
import { BadFile } from "../containers/byte-reader.ts";

/** Members of an object that hold the records of a file. */
const WRAPPERS = new Set(["data", "rows", "examples", "records", "items", "instances", "documents", "dataset"]);
const MAX_KEY_BYTES = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/**
 * The text of each record; null in place of one that is longer than `max` bytes. Memory stays below a few times that, whatever the size of the file.
 * @throws BadFile for what is no JSON or is cut off
 */
export async function* splitJson(chunks: AsyncIterable<Buffer>, max: number): AsyncGenerator<Buffer | null> {
  const scanner = new Scanner(max);
  for await (const chunk of chunks) yield* scanner.read(chunk);
  scanner.end();
}

class Scanner {
  private readonly max: number;
  private at = 0;
  /** Open arrays and objects around the next byte: how many, and of the outer two which. */
  private depth = 0;
  private readonly outer: number[] = [];
  private inString = false;
  private escaped = false;
  /** Records begin at this depth: 0 for values one after the other, 1 in an array, 2 in an array of an object. */
  private home = 0;
  /** Of a scalar among records: it ends before the next comma or bracket. */
  private inScalar = false;
  private inRecord = false;
  private parts: Buffer[] = [];
  private length = 0;
  /** The last string of an object at depth 1, and whether an array that begins now would be its value. */
  private key = "";
  private keyStart = -1;
  private afterColon = false;

  constructor(max: number) {
    this.max = max;
  }

  *read(chunk: Buffer): Generator<Buffer | null> {
    let start = this.inRecord ? 0 : -1;
    for (let i = 0; i < chunk.length; i++, this.at++) {
      const byte = chunk[i];
      if (this.inString) {
        this.inStringByte(byte);
        continue;
      }
      if (this.inScalar && (byte === COMMA || byte === CLOSE_ARRAY || isSpace(byte))) {
        yield this.take(chunk.subarray(start, i));
        start = -1;
      }
      if (isSpace(byte) || (byte === COMMA && !this.inRecord)) continue;
      if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
        this.close(byte);
        if (!this.inRecord || this.depth > this.home) continue;
        yield this.take(chunk.subarray(start, i + 1));
        start = -1;
        continue;
      }
      if (!this.inRecord && this.depth === this.home && !(this.depth === 0 && byte === OPEN_ARRAY)) {
        if (this.depth === 0 && byte !== OPEN_OBJECT) throw new BadFile(`not JSON (at byte ${this.at})`);
        if (this.depth === 0 || this.outer[this.depth - 1] === OPEN_ARRAY) {
          this.inRecord = true;
          start = i;
          if (byte !== OPEN_OBJECT && byte !== OPEN_ARRAY && byte !== QUOTE) this.inScalar = true;
        }
      }
      if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
        if (this.opensWrapper(byte)) {
          this.forget();
          start = -1;
        }
        this.open(byte);
      } else if (byte === QUOTE) {
        this.inString = true;
        this.keyStart = this.depth === 1 && this.home === 0 ? 0 : -1;
        this.key = "";
        this.afterColon = false;
      } else if (byte === COLON) this.afterColon = true;
    }
    if (start >= 0) this.keep(chunk.subarray(start));
  }

  /** @throws BadFile if something is still open */
  end(): void {
    if (this.depth > 0 || this.inString) throw new BadFile(`JSON that is cut off (at byte ${this.at})`);
  }

  private inStringByte(byte: number): void {
    if (this.escaped) this.escaped = false;
    else if (byte === BACKSLASH) this.escaped = true;
    else if (byte === QUOTE) {
      this.inString = false;
      // A string among records is one itself.
      if (this.inRecord && this.depth === this.home) this.inScalar = true;
      return;
    }
    if (this.keyStart >= 0 && this.key.length < MAX_KEY_BYTES) this.key += String.fromCharCode(byte);
  }

  /** Whether this bracket begins the array of records of an object that wraps it. */
  private opensWrapper(byte: number): boolean {
    return (
      byte === OPEN_ARRAY &&
      this.home === 0 &&
      this.depth === 1 &&
      this.outer[0] === OPEN_OBJECT &&
      this.afterColon &&
      WRAPPERS.has(this.key)
    );
  }

  private open(byte: number): void {
    if (this.depth < 2) this.outer[this.depth] = byte;
    const wrapper = this.opensWrapper(byte);
    this.depth++;
    if (wrapper) this.home = 2;
    else if (byte === OPEN_ARRAY && this.depth === 1 && !this.inRecord) this.home = 1;
    this.afterColon = false;
  }

  private close(byte: number): void {
    this.depth--;
    const opener = byte === CLOSE_ARRAY ? OPEN_ARRAY : OPEN_OBJECT;
    if (this.depth < 0 || (this.depth < 2 && this.outer[this.depth] !== opener))
      throw new BadFile(`damaged JSON (a bracket too many at byte ${this.at})`);
    if (this.inRecord) return;
    // Behind the records of an object its other members are passed over, down to its end.
    if (this.depth < this.home) this.home = this.home === 2 && this.depth === 1 ? 0 : Math.min(this.home, this.depth);
  }

  private keep(part: Buffer): void {
    this.length += part.length;
    if (this.length > this.max) this.parts = [];
    else this.parts.push(Buffer.from(part));
  }

  private take(part: Buffer): Buffer | null {
    this.keep(part);
    const record = this.length > this.max ? null : Buffer.concat(this.parts, this.length);
    this.forget();
    return record;
  }

  private forget(): void {
    this.parts = [];
    this.length = 0;
    this.inRecord = false;
    this.inScalar = false;
  }
}
