/** The work of making a form, in slices: it stops between two of them for whoever else wants the thread, and ends where it grows too large. */

/** What one form may take. Each bound is far above what people's schemas need, and far below what a server would feel. */
export const FORM_LIMITS = {
  /** Units of work, of about a microsecond each: what bounds the time. */
  steps: 2_000_000,
  /** Characters of a schema as JSON. */
  length: 2 ** 18,
  /** Schemas inside schemas. */
  depth: 64,
  /** Schemas, combinations of schemas included: what bounds the memory. */
  nodes: 20_000,
  /** Values of an enum, and alternatives of one place. */
  values: 2000,
  /** The highest minLength, minItems, minProperties. */
  least: 10_000,
};

/** A form that takes more than it may. */
export class TooLarge extends RangeError {}

/** Units after which a slice ends. */
const SLICE = 500;

export type Work<T> = Generator<void, T, void>;

export class Budget {
  private left: number;
  private unpaid = 0;
  private readonly whole: Budget | null;

  /** @param whole what this one is a part of */
  constructor(steps = FORM_LIMITS.steps, whole: Budget | null = null) {
    this.left = steps;
    this.whole = whole;
  }

  /** Steps that can still be spent. */
  get rest(): number {
    return Math.min(this.left, this.whole?.rest ?? this.left);
  }

  /** A part of it, for something that can be done in another way where it takes more. */
  part(steps: number): Budget {
    return new Budget(steps, this);
  }

  /** @throws TooLarge once more is spent than there was; RangeError where that was a part */
  spend(units: number): void {
    this.left -= units;
    this.unpaid += units;
    this.whole?.spend(units);
    if (this.left < 0 && this.whole) throw new RangeError("it grows too large and");
    if (this.left < 0)
      throw new TooLarge(`the schema takes more than ${FORM_LIMITS.steps} steps to prepare; simplify it`);
  }

  /** Whether a slice is over, which begins the next. */
  get due(): boolean {
    if (this.unpaid < SLICE) return false;
    this.unpaid = 0;
    return true;
  }
}

/** Works until the clock (performance.now) shows a time, one slice at least. */
export function workUntil<T>(work: Work<T>, time: number): IteratorResult<void, T> {
  let result = work.next();
  while (!result.done && performance.now() < time) result = work.next();
  return result;
}

/** All of it at once. */
export function finish<T>(work: Work<T>): T {
  let result = work.next();
  while (!result.done) result = work.next();
  return result.value;
}
