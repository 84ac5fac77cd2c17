const UNITS: readonly [number, string][] = [
  [1e12, "TB"],
  [1e9, "GB"],
  [1e6, "MB"],
  [1e3, "kB"],
];

/** A number of bytes as people read it, in powers of 1,000: 16843210000 → "16.8 GB". */
export function bytesText(bytes: number): string {
  // What would round up to a thousand of a unit is one of the next.
  const unit = UNITS.find(([size]) => bytes >= 0.9995 * size);
  if (!unit) return `${Math.round(bytes)} B`;
  const value = bytes / unit[0];
  return `${value.toFixed(value >= 99.95 ? 0 : 1)} ${unit[1]}`;
}
