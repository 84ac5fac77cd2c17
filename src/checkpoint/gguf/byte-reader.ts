/** Reading a file's bytes one after the other: every length is checked against the limit and the file before a byte is touched. */
import { InputError } from "../../base/index.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class ByteReader {
  readonly #view: DataView<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly path: string;
  at = 0;

  constructor(buffer: ArrayBuffer, path: string) {
    this.#view = new DataView(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.path = path;
  }

  fail(message: string, at = this.at): never {
    throw new InputError(`${this.path}: ${message} at byte ${at}; the file is damaged or not GGUF`);
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  /** Moves over so many bytes; returns where they begin. */
  #take(bytes: number, what: string): number {
    if (bytes > this.left) this.fail(`${what} takes ${bytes} bytes, but the file ends after ${this.left} (truncated?)`);
    this.at += bytes;
    return this.at - bytes;
  }

  u8 = (what: string) => this.#view.getUint8(this.#take(1, what));
  i8 = (what: string) => this.#view.getInt8(this.#take(1, what));
  u16 = (what: string) => this.#view.getUint16(this.#take(2, what), true);
  i16 = (what: string) => this.#view.getInt16(this.#take(2, what), true);
  u32 = (what: string) => this.#view.getUint32(this.#take(4, what), true);
  i32 = (what: string) => this.#view.getInt32(this.#take(4, what), true);
  f32 = (what: string) => this.#view.getFloat32(this.#take(4, what), true);
  f64 = (what: string) => this.#view.getFloat64(this.#take(8, what), true);
  /** A bigint where a number could not hold it exactly. */
  u64 = (what: string) => exact(this.#view.getBigUint64(this.#take(8, what), true));
  i64 = (what: string) => exact(this.#view.getBigInt64(this.#take(8, what), true));

  /** A count or an extent. @param least what each of the things counted takes in the file, in bytes */
  count(what: string, most: number, least = 0): number {
    const at = this.at;
    const count = this.u64(what);
    if (count > most) this.fail(`${what} ${count} is above the limit of ${most}`, at);
    const number = Number(count);
    if (number * least > this.left) this.fail(`${what} ${number} is more than the file's ${this.left} bytes hold`, at);
    return number;
  }

  /** A text of at most so many bytes, after its length. */
  text(what: string, most: number): string {
    const length = this.count(`the length of ${what}`, most, 1);
    const from = this.#take(length, what);
    try {
      return utf8.decode(this.#bytes.subarray(from, from + length));
    } catch {
      return this.fail(`${what} is not UTF-8`, from);
    }
  }
}

/** A name out of a file as errors show it: on one line, and not endless. */
export const shown = (name: string): string => {
  const quoted = JSON.stringify(name.slice(0, 80));
  return name.length > 80 ? `${quoted}…` : quoted;
};

const exact = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};
