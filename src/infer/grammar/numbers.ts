/**
 * Numbers digit by digit: can this beginning still become a number within its bounds, and how soon? Exact, in whole numbers of a small unit;
 * written without an exponent, with at most 15 digits, which a double holds: where a schema allows more, fewer are written.
 */

export interface NumberBounds {
  integer: boolean;
  minimum?: readonly number[];
  maximum?: readonly number[];
  exclusiveMinimum?: readonly number[];
  exclusiveMaximum?: readonly number[];
  multipleOf?: readonly number[];
}

const MAX_DIGITS = 15;
/** Digits of numbers that only bounds beyond 15 digits ask for. */
const MAX_LARGE_DIGITS = 40;
/** Digits behind the point that are always allowed where any are, and those that are counted with. */
const FRACTION_DIGITS = 6;
const MAX_FRACTION_DIGITS = 12;
/** The finest multipleOf. */
const MAX_MULTIPLE_DIGITS = 30;

/** Beginnings that are remembered. */
const MAX_KNOWN = 10_000;

export class NumberForm {
  /** Digits behind the point at most; bounds count in units of 10^−scale. */
  private readonly fraction: number;
  private readonly scale: number;
  private readonly low: bigint;
  private readonly high: bigint;
  private readonly multiple: bigint;
  private readonly digits: number;
  private readonly known = new Map<string, number>();

  /** @throws RangeError for a multipleOf that is too fine */
  constructor(bounds: NumberBounds) {
    const { integer, minimum = [], maximum = [], exclusiveMinimum = [], exclusiveMaximum = [] } = bounds;
    const { multipleOf = [] } = bounds;
    const places = Math.max(0, ...multipleOf.map(decimals));
    if (places > MAX_MULTIPLE_DIGITS) throw new RangeError(`finer than 1e-${MAX_MULTIPLE_DIGITS}`);
    const given = [...minimum, ...maximum, ...exclusiveMinimum, ...exclusiveMaximum].map(decimals);
    // Bounds that are finer than what is written are rounded inwards.
    const fraction = Math.min(MAX_FRACTION_DIGITS, Math.max(FRACTION_DIGITS, places, ...given));
    const scale = Math.max(fraction, places);
    // Integers too are counted in the bounds' unit, so that a bound of 0.5 stays exact.
    const one = 10n ** BigInt(scale);
    const lows = [
      ...minimum.map((x) => scaled(x, scale).up),
      ...exclusiveMinimum.map((x) => scaled(x, scale).down + 1n),
    ];
    const highs = [
      ...maximum.map((x) => scaled(x, scale).down),
      ...exclusiveMaximum.map((x) => scaled(x, scale).up - 1n),
    ];
    const largest = 10n ** BigInt(MAX_DIGITS) * one - 1n;
    const beyond = lows.some((low) => low > largest) || highs.some((high) => high < -largest);
    this.digits = beyond ? MAX_LARGE_DIGITS : MAX_DIGITS;
    const limit = 10n ** BigInt(this.digits) * one - 1n;
    this.low = lows.reduce((a, b) => (a > b ? a : b), -limit);
    this.high = highs.reduce((a, b) => (a < b ? a : b), limit);
    const step = multipleOf.map((x) => scaled(x, scale).down).reduce(leastCommonMultiple, 1n);
    this.multiple = integer ? leastCommonMultiple(step, one) : step;
    this.scale = scale;
    this.fraction = integer ? 0 : fraction;
  }

  /** Bytes that the beginning of a number needs at least to become one within the bounds: 0 if it is one, Infinity if it cannot. */
  rest(text: string): number {
    const before = this.known.get(text);
    if (before !== undefined) return before;
    const rest = this.search(text);
    if (this.known.size >= MAX_KNOWN) this.known.clear();
    this.known.set(text, rest);
    return rest;
  }

  private search(text: string): number {
    if (text === "") return Math.min(this.least("", false), 1 + this.least("", true));
    const negative = text.startsWith("-");
    return this.least(negative ? text.slice(1) : text, negative);
  }

  /** As `rest`, of a number's digits. */
  private least(digits: string, negative: boolean): number {
    const [whole, part] = digits.split(".");
    const begun = { whole, part, negative };
    const pointed = part !== undefined;
    if (whole.length > 1 && whole.startsWith("0")) return Number.POSITIVE_INFINITY;
    const most = this.digits + this.fraction;
    for (let length = 0; length <= most + 1; length++) {
      // `length` more bytes: some digits before the point, and the rest of them the point and digits behind it.
      const least = pointed ? 0 : length;
      for (let more = pointed ? 0 : least; more >= 0; more--) {
        const after = pointed ? length : Math.max(0, length - more - 1);
        if (!pointed && length - more === 1) continue;
        if (this.reaches(begun, more, after)) return length;
        if (pointed) break;
      }
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Whether `more` digits before the point and `after` behind it can complete the number. */
  private reaches({ whole, part: behind, negative }: BegunNumber, more: number, after: number): boolean {
    const wholeDigits = whole.length + more;
    const pointed = behind !== undefined;
    const part = behind ?? "";
    const partDigits = part.length + after;
    if (wholeDigits === 0 || wholeDigits > this.digits || (whole === "0" && more > 0)) return false;
    if (partDigits > this.fraction || (partDigits > 0 && wholeDigits + partDigits > this.digits)) return false;
    if (pointed && partDigits === 0) return false;
    const free = 10n ** BigInt(more + after);
    let from = BigInt(whole + part || "0") * free;
    const to = from + free - 1n;
    // Without a leading zero, and never −0.
    if (whole === "" && more > 1) from = free / 10n;
    if (negative && from === 0n) from = 1n;
    const unit = 10n ** BigInt(this.scale - partDigits);
    const low = negative ? -this.high : this.low;
    const high = negative ? -this.low : this.high;
    const step = leastCommonMultiple(unit, this.multiple);
    const first = from * unit > low ? from * unit : low;
    const last = to * unit < high ? to * unit : high;
    return ceilTo(first, step) <= last;
  }
}

/** The digits that were read before the point and behind it, without the sign. */
interface BegunNumber {
  whole: string;
  /** Undefined before the point has come. */
  part: string | undefined;
  negative: boolean;
}

function ceilTo(x: bigint, step: bigint): bigint {
  const remainder = ((x % step) + step) % step;
  return remainder === 0n ? x : x + step - remainder;
}

function leastCommonMultiple(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y > 0n) [x, y] = [y, x % y];
  return (a / x) * b;
}

/** A number as digits and a power of ten: x = digits · 10^−places. */
function exact(x: number): { digits: bigint; places: number } {
  const [mantissa, exponent = "0"] = x.toString().split("e");
  const [whole, part = ""] = mantissa.split(".");
  const places = part.length - Number(exponent);
  const digits = BigInt(whole + part);
  return places < 0 ? { digits: digits * 10n ** BigInt(-places), places: 0 } : { digits, places };
}

function decimals(x: number): number {
  return exact(x).places;
}

/** In units of 10^−places, rounded down and up. */
function scaled(x: number, places: number): { down: bigint; up: bigint } {
  const { digits, places: own } = exact(x);
  if (own <= places) {
    const units = digits * 10n ** BigInt(places - own);
    return { down: units, up: units };
  }
  const unit = 10n ** BigInt(own - places);
  const up = ceilTo(digits, unit) / unit;
  return { down: digits === up * unit ? up : up - 1n, up };
}
