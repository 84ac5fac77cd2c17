/** Timing: medians with their spread, of work that has been warmed up. */
export interface Timing {
  /** Seconds of one run. */
  median: number;
  least: number;
  most: number;
  runs: number;
}

export function timingOf(seconds: readonly number[]): Timing {
  const sorted = [...seconds].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1], least: sorted[0], most: sorted[sorted.length - 1], runs: sorted.length };
}

/** Runs work until both `runs` and `seconds` are reached; the first, which warms up, is not counted. */
export function time(work: () => void, { runs = 5, seconds = 0.5 } = {}): Timing {
  work();
  const times: number[] = [];
  const began = performance.now();
  while (times.length < runs || performance.now() - began < seconds * 1000) {
    const started = performance.now();
    work();
    times.push((performance.now() - started) / 1000);
  }
  return timingOf(times);
}
