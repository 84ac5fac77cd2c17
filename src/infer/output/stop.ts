import { heldBack } from "../../text/index.ts";

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
    const keep = heldBack(all, this.stops);
    this.held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), stopped: false };
  }

  /** What was held back, at the end of the stream. */
  end(): string {
    const { held } = this;
    this.held = "";
    return held;
  }
}
