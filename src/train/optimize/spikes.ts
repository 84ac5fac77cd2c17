/** Tells a loss that has come off its course from one that merely wavers. */

/** A normal distribution's standard deviation over its median absolute deviation. */
const SIGMA_OF_MAD = 1.4826;

/** Losses that lie closer together than this share of their median are held to be this far apart: a calm run has no spikes of a thousandth. */
const LEAST_SPREAD = 0.005;

export interface SpikeSettings {
  /** Steps that a loss is held against. */
  window: number;
  deviations: number;
}

/**
 * The highest loss that is no spike after the `recent` ones: their median and so many robust deviations. Null while there are less than half a window.
 * Median and median deviation, because a mean would follow the very values that it should tell apart.
 */
export function spikeLimit(recent: readonly number[], { window, deviations }: SpikeSettings): number | null {
  if (recent.length < window / 2) return null;
  const middle = median(recent);
  const spread = SIGMA_OF_MAD * median(recent.map((loss) => Math.abs(loss - middle)));
  return middle + deviations * Math.max(spread, LEAST_SPREAD * middle);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
