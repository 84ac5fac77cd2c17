/** Stop strings in a stream of text: nothing of a stop string is ever passed on. */
export class StopMatcher {
  private readonly stops: readonly string[];
  private held = "";

  constructor(stops: readonly string[]) {
    this.stops = stops.filter((stop) => stop.length > 0);
  }

  /** Adds text; `text` is what can be shown now, `stopped` says that a stop string came. */
  push(text: string): { text: string; stopped: boolean } {
    const all = this.held + text;
    let first = -1;
    for (const stop of this.stops) {
      const at = all.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first)) first = at;
    }
    if (first >= 0) {
      this.held = "";
      return { text: all.slice(0, first), stopped: true };
    }
    const keep = this.possibleStart(all);
    this.held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), stopped: false };
  }

  /** What was held back, at the end of the stream. */
  end(): string {
    const { held } = this;
    this.held = "";
    return held;
  }

  /** Length of the longest end of the text that may be the beginning of a stop string. */
  private possibleStart(text: string): number {
    let longest = 0;
    for (const stop of this.stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
