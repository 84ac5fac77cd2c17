/** Loads of experts as a map of colours: the mean of a layer is neutral, above it is warm, below it is cold, and nothing at all stands out. */
import { html, type Markup } from "../page/markup.ts";

/** Upper ends of the ranges of the colours h0 … h9, as multiples of the mean; the last has no end. Negative: the colour is not used. */
export type HeatSteps = readonly number[];

export const LOAD_STEPS: HeatSteps = [0, 0.25, 0.5, 0.7, 0.85, 1.15, 1.4, 2, 3, Number.POSITIVE_INFINITY];
/** A busiest expert is never below the mean. */
export const BUSIEST_STEPS: HeatSteps = [-1, -1, -1, -1, -1, 1.5, 2, 3, 4.5, Number.POSITIVE_INFINITY];

export interface HeatMap {
  label: string;
  rows: readonly { name: string; values: readonly number[] }[];
  /** What a column is, for the pointer. */
  column: (index: number) => string;
  steps: HeatSteps;
}

/** Values of rows may differ in number: a row is as wide as the plot. Empty without rows. */
export function heatMap({ label, rows, column, steps }: HeatMap): Markup {
  if (rows.length === 0) return html`<p class="quiet">nothing yet</p>`;
  const cell = rows.length > 40 ? 9 : rows.length > 20 ? 13 : 20;
  const columns = Math.max(...rows.map(({ values }) => values.length));
  const paths = steps.map((_, colour) => {
    const d = rows.flatMap(({ values }, row) =>
      values.flatMap((load, i) => (colourOf(load, steps) === colour ? [`M${i} ${row}h1v1h-1z`] : [])),
    );
    return d.length > 0 && html`<path class="h${colour}" d="${d.join("")}"/>`;
  });
  const names = rows.map(({ name }, row) =>
    cell > 12 || row % 4 === 0
      ? html`<text class="tick last" x="-8" y="${row * cell + cell / 2 + 4}">${name}</text>`
      : null,
  );
  const hover = JSON.stringify({
    rows: rows.map(({ name, values }) => ({ name, values: values.map((load) => Math.round(load * 100) / 100) })),
    columns: Array.from({ length: columns }, (_, i) => column(i)),
  });
  return html`<svg class="heat" height="${rows.length * cell + 18}" role="img" aria-label="${label}">${names}
<svg class="area" width="100%" height="${rows.length * cell}" viewBox="0 0 ${columns} ${rows.length}" preserveAspectRatio="none" data-heat="${hover}" shape-rendering="crispEdges">${paths}</svg>
<text class="tick" x="0" y="${rows.length * cell + 14}">${column(0)}</text><text class="tick last" x="100%" y="${rows.length * cell + 14}">${columns > 1 && column(columns - 1)}</text></svg>${legend(steps)}`;
}

export const colourOf = (load: number, steps: HeatSteps): number => steps.findIndex((end) => load <= end);

/** The colours with the multiples of the mean at which they end. */
function legend(steps: HeatSteps): Markup {
  const names = steps.map((end, i) =>
    end === 0 ? "none" : Number.isFinite(end) ? `to ${end}` : `above ${steps[i - 1]}`,
  );
  return html`<p class="legend">${names.map((name, i) => steps[i] >= 0 && html`<span><i class="h${i}"></i>${name}</span>`)}</p>`;
}
