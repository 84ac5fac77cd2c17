/** So many requests a minute for each key or address, a minute's worth at once. */
import { ApiFailure } from "./errors.ts";

/** Callers that are remembered; the longest quiet are forgotten first, whose buckets are full again. */
const MOST_CALLERS = 10_000;

export class RateLimit {
  private readonly perMinute: number;
  private readonly now: () => number;
  private readonly buckets = new Map<string, { left: number; at: number }>();

  /** now: milliseconds, for tests. */
  constructor(perMinute: number, now: () => number = () => performance.now()) {
    this.perMinute = perMinute;
    this.now = now;
  }

  /** Counts a request. @throws ApiFailure 429 with the seconds to wait */
  take(caller: string): void {
    const at = this.now();
    const before = this.buckets.get(caller) ?? { left: this.perMinute, at };
    const left = Math.min(this.perMinute, before.left + ((at - before.at) * this.perMinute) / 60_000);
    this.buckets.delete(caller);
    this.buckets.set(caller, { left: left < 1 ? left : left - 1, at });
    if (this.buckets.size > MOST_CALLERS) this.buckets.delete(this.buckets.keys().next().value!);
    if (left < 1)
      throw new ApiFailure(429, `more than ${this.perMinute} requests a minute; wait a little`, {
        code: "rate_limit_exceeded",
        retryAfter: ((1 - left) * 60) / this.perMinute,
      });
  }
}
