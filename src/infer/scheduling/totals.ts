/** What a scheduler has done since it began, and how long its requests take. */
import type { Usage } from "../engine.ts";

export class Totals {
  readonly counts = {
    requests: 0,
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    draftedTokens: 0,
    acceptedTokens: 0,
    refused: 0,
    aborted: 0,
  };
  /** Seconds from admission to end, smoothed. */
  private requestSeconds = 1;

  ended(usage: Usage): void {
    const { counts } = this;
    counts.completionTokens += usage.completionTokens;
    counts.draftedTokens += usage.draftedTokens;
    counts.acceptedTokens += usage.acceptedTokens;
    this.requestSeconds += 0.1 * (usage.prefillSeconds! + usage.decodeSeconds! - this.requestSeconds);
  }

  /** Seconds after which one of so many that wait will have had its turn, where so many run at a time. */
  retryAfter(waiting: number, running: number): number {
    return Math.min(60, Math.max(1, Math.ceil((waiting / running) * this.requestSeconds)));
  }
}
