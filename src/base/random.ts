/**
 * xoshiro128++ (Blackman and Vigna 2019): the one source of randomness, so that a seed gives the same run everywhere and its state can be saved.
 * 32-bit state words keep it fast in JavaScript: initialising a model draws a number for each parameter.
 */
export class Random {
  private a = 0;
  private b = 0;
  private c = 0;
  private d = 0;

  /** Generators of one seed and different streams are independent. Both are whole numbers below 2⁵³. */
  constructor(seed: number, stream = 0) {
    // splitmix32 over the four halves spreads any seed, 0 included, over the whole state.
    let z = 0;
    const words = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0, stream >>> 0, Math.floor(stream / 2 ** 32) >>> 0];
    const mix = () => {
      z = (z + 0x9e3779b9) | 0;
      let h = z;
      for (const word of words) {
        h = Math.imul(h ^ word ^ (h >>> 16), 0x21f0aaad);
        h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
        h ^= h >>> 15;
      }
      return h | 0;
    };
    this.a = mix();
    this.b = mix();
    this.c = mix();
    this.d = mix() | 1; // the all-zero state is the one that never leaves itself
  }

  /** A whole number in [0, 2³²). */
  next(): number {
    const sum = (this.a + this.d) | 0;
    const result = (((sum << 7) | (sum >>> 25)) + this.a) | 0;
    const t = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= t;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result >>> 0;
  }

  /** A number in [0, 1) with 32 random bits. */
  uniform(): number {
    return this.next() / 2 ** 32;
  }

  /** A whole number in [0, n), without modulo bias. */
  below(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const value = this.next();
      if (value < limit) return value % n;
    }
  }

  /** A standard normal number (Box–Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** The state as four whole numbers, for `restore`. */
  save(): number[] {
    return [this.a, this.b, this.c, this.d];
  }

  restore(saved: number[]): void {
    [this.a, this.b, this.c, this.d] = saved;
  }
}
