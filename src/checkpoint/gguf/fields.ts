/** Typed access to a file's metadata, with errors that name the file and the key. */
import { InputError } from "../../base/index.ts";
import type { GgufMetadata, GgufValue } from "./container.ts";

export class GgufFields {
  readonly path: string;
  readonly architecture: string;
  readonly #metadata: GgufMetadata;

  constructor(metadata: GgufMetadata, path: string) {
    this.#metadata = metadata;
    this.path = path;
    this.architecture = "general";
    this.architecture = this.text("architecture");
  }

  fail(message: string): never {
    throw new InputError(`${this.path}: ${message}`);
  }

  /** A key as files have it: those of the architecture begin with its name, "tokenizer." and "general." keys stand for themselves. */
  #key(key: string): string {
    return /^(tokenizer|general)\./.test(key) ? key : `${this.architecture}.${key}`;
  }

  has(key: string): boolean {
    return this.#metadata.has(this.#key(key));
  }

  #get<Kind extends GgufValue>(
    key: string,
    what: string,
    is: (value: GgufValue) => value is Kind,
    fallback?: Kind,
  ): Kind {
    const value = this.#metadata.get(this.#key(key)) ?? fallback;
    if (value === undefined) this.fail(`key ${this.#key(key)} is missing`);
    if (!is(value)) this.fail(`${this.#key(key)} must be ${what}`);
    return value;
  }

  text(key: string, fallback?: string): string {
    return this.#get(key, "text", (value) => typeof value === "string", fallback);
  }

  flag(key: string, fallback?: boolean): boolean {
    return this.#get(key, "true or false", (value) => typeof value === "boolean", fallback);
  }

  /** A whole number; a list, one for each layer, counts where all of it is the same. */
  whole(key: string, fallback?: number): number {
    const list = this.#metadata.get(this.#key(key));
    if (Array.isArray(list) && list.length > 0) {
      const [first] = list;
      if (isWhole(first) && list.every((item) => item === first)) return first;
      this.fail(`${this.#key(key)} differs between layers, which Shoal does not run`);
    }
    return this.#get(key, "a whole number", isWhole, fallback);
  }

  wholes(key: string): number[] {
    return this.#get(
      key,
      "a list of whole numbers",
      (value): value is number[] => Array.isArray(value) && value.every(isWhole),
    );
  }

  texts(key: string): string[] {
    const isTexts = (value: GgufValue): value is string[] =>
      Array.isArray(value) && value.every((item) => typeof item === "string");
    return this.#get(key, "a list of texts", isTexts);
  }

  /** A number: of those that an f32 in the file may stand for, the one with the fewest digits, as its config.json had it. */
  real(key: string, fallback?: number): number {
    const isNumber = (value: GgufValue): value is number => typeof value === "number" && Number.isFinite(value);
    const value = this.#get(key, "a finite number", isNumber, fallback);
    return shortest(value);
  }
}

const isWhole = (value: GgufValue): value is number => typeof value === "number" && Number.isInteger(value);

/** 0.07070000469684601 → 0.0707. */
export function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}
