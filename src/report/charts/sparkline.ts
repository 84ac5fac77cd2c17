/** A course in the height of a line of text. */

import type { Point } from "../ledger/series.ts";
import { html, type Markup } from "../page/markup.ts";

export function sparkline(points: readonly Point[]): Markup | null {
  if (points.length < 2) return null;
  const values = points.map(({ mean }) => mean);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const last = points.at(-1)!.place.tokens;
  const d = points.map(
    ({ place, mean }, i) =>
      `${i === 0 ? "M" : "L"}${((place.tokens / last) * 100).toFixed(1)} ${(high > low ? 2 + ((high - mean) / (high - low)) * 16 : 10).toFixed(1)}`,
  );
  return html`<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true"><path class="line t1" d="${d.join("")}"/></svg>`;
}
