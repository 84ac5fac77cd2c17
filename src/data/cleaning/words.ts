/** The words of a text as numbers, and runs of them (n-grams) as one number each: what texts are compared by. */

const LETTER = /[\p{L}\p{M}]/u;
const NUMBER = /\p{N}/u;
/** Scripts without spaces: each sign is a word. Halves of characters beyond the first 65,536 are signs, too. */
const SIGN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/u;

const BETWEEN = 0;
const IN_NUMBER = 1;
const IN_WORD = 2;
const ALONE = 3;

/** What each UTF-16 unit is. */
const CLASSES = Uint8Array.from({ length: 65536 }, (_, code) => {
  const char = String.fromCharCode(code);
  if (SIGN.test(char) || (code >= 0xd800 && code < 0xe000)) return ALONE;
  return LETTER.test(char) ? IN_WORD : NUMBER.test(char) ? IN_NUMBER : BETWEEN;
});

const PRIME_LOW = 0x01000193;
const PRIME_HIGH = 0x85ebca6b | 1;

/** Spreads the bits of a 32-bit number over all of it. */
function mix(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  return h ^ (h >>> 15);
}

/** Words are runs of letters and digits, in lower case; everything else stands between them. The object is used again for every text. */
export class Words {
  count = 0;
  private text = "";
  private starts = new Int32Array(1024);
  private ends = new Int32Array(1024);
  /** Two hashes of 32 bits of each word. */
  private low = new Int32Array(1024);
  private high = new Int32Array(1024);
  private alphabetic = new Uint8Array(1024);

  read(text: string): this {
    this.text = text.toLowerCase();
    this.count = 0;
    const { length } = this.text;
    for (let i = 0; i < length; ) {
      const kind = CLASSES[this.text.charCodeAt(i)];
      if (kind === BETWEEN) {
        i++;
        continue;
      }
      const start = i;
      let low = 0x811c9dc5;
      let high = 0;
      let letters = kind >= IN_WORD ? 1 : 0;
      for (;;) {
        const code = this.text.charCodeAt(i++);
        low = Math.imul(low ^ code, PRIME_LOW);
        high = Math.imul(high + code, PRIME_HIGH);
        if (kind === ALONE || i === length) break;
        const next = CLASSES[this.text.charCodeAt(i)];
        if (next === BETWEEN || next === ALONE) break;
        if (next === IN_WORD) letters = 1;
      }
      this.push(start, i, mix(low), mix(high ^ low), letters);
    }
    return this;
  }

  private push(start: number, end: number, low: number, high: number, letters: number): void {
    if (this.count === this.starts.length) this.grow();
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.low[this.count] = low;
    this.high[this.count] = high;
    this.alphabetic[this.count++] = letters;
  }

  private grow(): void {
    const larger = <T extends Int32Array | Uint8Array>(old: T): T => {
      const array = new (old.constructor as new (length: number) => T)(old.length * 2);
      array.set(old);
      return array;
    };
    this.starts = larger(this.starts);
    this.ends = larger(this.ends);
    this.low = larger(this.low);
    this.high = larger(this.high);
    this.alphabetic = larger(this.alphabetic);
  }

  word(i: number): string {
    return this.text.slice(this.starts[i], this.ends[i]);
  }

  /** Whether a word has a letter in it. */
  isAlphabetic(i: number): boolean {
    return this.alphabetic[i] === 1;
  }

  /** Calls back with each run of n words: where it begins, and its hash, a whole number in [1, 2⁵³). Runs that differ share one by bad luck only. */
  forEachRun(n: number, visit: (at: number, hash: number) => void): void {
    if (this.count < n) return;
    // Sums of powers: the hash of the next run comes from that of the last.
    let outLow = 1;
    let outHigh = 1;
    for (let i = 0; i < n; i++) {
      outLow = Math.imul(outLow, PRIME_LOW);
      outHigh = Math.imul(outHigh, PRIME_HIGH);
    }
    let low = 0;
    let high = 0;
    for (let i = 0; i < this.count; i++) {
      low = (Math.imul(low, PRIME_LOW) + this.low[i]) | 0;
      high = (Math.imul(high, PRIME_HIGH) + this.high[i]) | 0;
      if (i >= n) {
        low = (low - Math.imul(outLow, this.low[i - n])) | 0;
        high = (high - Math.imul(outHigh, this.high[i - n])) | 0;
      }
      if (i >= n - 1) visit(i - n + 1, (mix(high) >>> 11) * 2 ** 32 + (mix(low ^ high) >>> 0) || 1);
    }
  }
}

/** A set of whole numbers in [1, 2⁵³): 8 bytes a place, at most 70 % of the places taken. */
export class NumberSet {
  size = 0;
  private places: Float64Array;

  constructor(capacity = 1024) {
    this.places = new Float64Array(2 ** Math.ceil(Math.log2(Math.max(16, capacity))));
  }

  private find(places: Float64Array, value: number): number {
    const mask = places.length - 1;
    let at = mix((value >>> 0) ^ (value / 2 ** 32)) & mask;
    while (places[at] !== 0 && places[at] !== value) at = (at + 1) & mask;
    return at;
  }

  has(value: number): boolean {
    return this.places[this.find(this.places, value)] !== 0;
  }

  /** False if it was there already. */
  add(value: number): boolean {
    const at = this.find(this.places, value);
    if (this.places[at] !== 0) return false;
    this.places[at] = value;
    if (++this.size > this.places.length * 0.7) {
      const larger = new Float64Array(this.places.length * 2);
      for (const kept of this.places) if (kept !== 0) larger[this.find(larger, kept)] = kept;
      this.places = larger;
    }
    return true;
  }
}
