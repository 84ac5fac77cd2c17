/**
 * Whether guessing ahead is worth it for a sequence alone. Where reading weights does not bind, that depends on the processor, the weights and the text, so
 * both ways are tried in turns and the quicker one is kept. The text is the same either way.
 */

/** Steps that a way is tried for. */
const TRIAL = 16;
/** Steps that the quicker way is kept for before the other is tried again. */
const KEPT = 384;

export class Pace {
  /** Whether the next step should guess. */
  guesses = true;
  private left = TRIAL;
  /** Whether the phase at hand is the quicker way's, and not a trial. */
  private kept = false;
  private phase = { seconds: 0, tokens: 0 };
  /** Seconds a token, as of the last time that each way was measured. */
  private guessing: number | null = null;
  private plain: number | null = null;

  /** A step of the way that was asked for has taken so long and given so many tokens. */
  took(seconds: number, tokens: number): void {
    this.phase.seconds += seconds;
    this.phase.tokens += tokens;
    if (--this.left > 0) return;
    const perToken = this.phase.seconds / this.phase.tokens;
    if (this.guesses) this.guessing = perToken;
    else this.plain = perToken;
    this.phase = { seconds: 0, tokens: 0 };
    this.turn();
  }

  private turn(): void {
    const tried = this.guesses ? this.plain : this.guessing;
    if (tried === null || this.kept) {
      this.kept = false;
      this.guesses = !this.guesses;
      this.left = TRIAL;
    } else {
      this.kept = true;
      this.guesses = this.guessing! < this.plain!;
      this.left = KEPT;
    }
  }
}
