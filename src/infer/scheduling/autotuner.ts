/**
 * Which of two ways is the quicker one, where that depends on the processor, the model, the text and whatever else the machine is doing: both are tried in
 * turns, and the quicker one is kept. What comes out must be the same either way.
 */

/** Steps that a way is tried for. */
const TRIAL = 16;
/** Steps that the quicker way is kept for before the other is tried again, at first and after many trials that it has won clearly. */
const KEPT = 384;
const MAX_KEPT = 16 * KEPT;
/** A trial is won clearly by so much. */
const CLEARLY = 1.2;

export class Autotuner {
  /** Whether the next step should go the first way. */
  first = true;
  private left = TRIAL;
  /** Whether the phase at hand is the quicker way's, and not a trial. */
  private kept = false;
  private keeps = KEPT;
  private phase = { seconds: 0, tokens: 0 };
  private readonly worth: number;
  /** Seconds a token of the first way and of the second, as of the last time that each was measured. */
  private readonly measured: [number | null, number | null] = [null, null];

  /** @param worth by how much the first way must be quicker than the second to be kept (default: at all) */
  constructor(worth = 1) {
    this.worth = worth;
  }

  /** A step of the way that was asked for has taken so long and given so many tokens. */
  took(seconds: number, tokens: number): void {
    this.phase.seconds += seconds;
    this.phase.tokens += tokens;
    if (--this.left > 0) return;
    this.measured[this.first ? 0 : 1] = this.phase.seconds / this.phase.tokens;
    this.phase = { seconds: 0, tokens: 0 };
    this.turn();
  }

  private turn(): void {
    const [first, second] = this.measured;
    if (first === null || second === null || this.kept) {
      this.kept = false;
      this.first = !this.first;
      this.left = TRIAL;
      return;
    }
    const tried = this.first;
    this.kept = true;
    this.first = first * this.worth < second;
    const clear = Math.max(first, second) > CLEARLY * Math.min(first, second);
    this.keeps = clear && this.first !== tried ? Math.min(2 * this.keeps, MAX_KEPT) : KEPT;
    this.left = this.keeps;
  }
}
