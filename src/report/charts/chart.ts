/**
 * Line charts as SVG: the mean of each bucket as a line, its least and greatest as a band. The plot stretches to its place while text keeps its size, so one
 * markup serves a wide screen, a telephone and a printed page. Values for the pointer stand in `data-hover`, ready to be shown (page/hover.ts).
 */

import type { Place, Point } from "../ledger/series.ts";
import { count, duration, short } from "../page/format.ts";
import { html, type Markup } from "../page/markup.ts";

export interface ChartLine {
  name: string;
  /** Which of the page's colours. */
  tone: 1 | 2 | 3 | 4;
  points: readonly Point[];
  /** Its latest value, for the key (default: the last point's). */
  now?: number;
  /** Draw least and greatest as well. */
  band?: boolean;
}

export interface Chart {
  title: string;
  lines: readonly ChartLine[];
  format: (value: number) => string;
  /** For the scale (default: three figures). */
  tick?: (value: number) => string;
  scale?: "linear" | "log";
  /** Begin at 0. */
  fromZero?: boolean;
  /** Leave out of the scale what stands in this first share of the tokens: a loss that begins at ln V would flatten all that follows. */
  cutStart?: number;
  /** Stretches of tokens with a name. */
  stages?: readonly { name: string; from: number; to: number }[];
  /** CSS pixels. */
  height?: number;
  /** With values for the pointer (default true). */
  hover?: boolean;
}

/** Units of the stretched plot. */
const [W, H] = [1000, 300];
const AXIS = 20;

interface Scale {
  at: (value: number) => number;
  ticks: number[];
}

/** The chart with its title and key; a line of text where there is nothing to draw yet. */
export function lineChart(chart: Chart): Markup {
  const lines = chart.lines.filter(({ points }) => points.length > 0);
  const several = lines.length > 1;
  const key = lines.map(
    ({ name, tone, points, now }) =>
      html`<span class="key"><i class="t${tone}"></i>${several && `${name} `}<b>${chart.format(now ?? points.at(-1)!.mean)}</b></span>`,
  );
  return html`<figure class="chart"><figcaption>${chart.title} ${key}</figcaption>${
    lines.length === 0 ? html`<p class="quiet">nothing yet</p>` : plot({ ...chart, lines })
  }</figure>`;
}

/** The SVG alone. */
export function plot({
  title,
  lines,
  format,
  tick: nameOf = short,
  scale = "linear",
  fromZero,
  cutStart = 0,
  stages = [],
  height = 200,
  hover = true,
}: Chart): Markup {
  const all = lines.flatMap(({ points }) => points);
  const most = Math.max(...all.map(({ place }) => place.tokens), ...stages.map(({ to }) => to));
  const x = (tokens: number) => (tokens / most) * W;
  const seen = all.filter(({ place }) => place.tokens >= cutStart * most);
  const shown = seen.length > 0 ? seen : all;
  const inner = height - AXIS;
  const y = scaleOf(domainOf(shown, lines, { fromZero, scale }), scale, height < 140 ? 3 : 5);
  const px = (value: number) => round(y.at(value) * inner);
  const paths = lines.map(({ points, tone, band }) => [
    band === true && html`<path class="band t${tone}" d="${bandPath(points, x, y)}"/>`,
    html`<path class="line t${tone}" d="${linePath(points, x, y)}"/>`,
  ]);
  const stripes = stages
    .filter((_, i) => i % 2 === 1)
    .map(
      ({ from, to }) =>
        html`<rect class="stripe" x="${round(x(from))}" width="${round(x(to) - x(from))}" y="0" height="${H}"/>`,
    );
  const stageNames =
    stages.length > 1 &&
    stages.map(({ name, from }, i) => {
      // Neighbours stand at different heights: a short stage's name may be longer than the stage.
      return html`<text class="stage" x="${round(x(from) / 10 + 0.6)}%" y="${i % 2 === 0 ? 12 : 26}">${name}</text>`;
    });
  const xTicks = niceTicks(0, most, 4).filter((tick) => tick > 0 && tick <= most * 0.85);
  const ends = lines.map(({ points, tone }) => {
    const { place, mean } = points.at(-1)!;
    return html`<circle class="end t${tone}" cx="${round(x(place.tokens) / 10)}%" cy="${px(mean)}" r="3"/>`;
  });
  return html`<svg class="plot" height="${height}" role="img" aria-label="${title}" tabindex="${hover ? 0 : -1}" data-hover="${hover && hoverOf(lines, { x, y, inner, format })}">
<svg class="area" viewBox="0 0 ${W} ${H}" preserveAspectRatio="none" width="100%" height="${inner}">${stripes}${y.ticks.map((tick) => html`<path class="grid" d="M0 ${round(y.at(tick) * H)}H${W}"/>`)}${paths}</svg>
${y.ticks.map((tick) => html`<text class="tick last" x="-8" y="${px(tick) + 4}">${nameOf(tick)}</text>`)}${stageNames}
${xTicks.map((tick) => html`<text class="tick mid" x="${round(x(tick) / 10)}%" y="${height - 5}">${short(tick)}</text>`)}<text class="tick last" x="100%" y="${height - 5}">tokens</text>${ends}
</svg>`;
}

function domainOf(
  shown: readonly Point[],
  lines: readonly ChartLine[],
  { fromZero, scale }: Pick<Chart, "fromZero" | "scale">,
): [number, number] {
  const banded = new Set(lines.filter(({ band }) => band).flatMap(({ points }) => points));
  let low = fromZero ? 0 : Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const point of shown) {
    low = Math.min(low, banded.has(point) ? point.min : point.mean);
    high = Math.max(high, banded.has(point) ? point.max : point.mean);
  }
  if (scale === "log") return [Math.max(low, high / 1e6, Number.MIN_VALUE), Math.max(high, Number.MIN_VALUE)];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [fromZero ? 0 : low - room, high + room];
}

function scaleOf([low, high]: [number, number], kind: "linear" | "log", ticks: number): Scale {
  if (kind === "linear") {
    const at = (value: number) => 1 - (value - low) / (high - low);
    return { at, ticks: niceTicks(low, high, ticks) };
  }
  const [from, to] = [Math.log(low) - 0.05, Math.log(high) + 0.05];
  const at = (value: number) => 1 - (Math.log(Math.max(value, Number.MIN_VALUE)) - from) / (to - from);
  const steps = Math.log10(high / low) < 2 ? [1, 2, 5] : [1];
  const powers = Array.from({ length: 40 }, (_, i) => i - 20);
  const all = powers.flatMap((power) => steps.map((step) => Number(`${step}e${power}`)));
  return { at, ticks: all.filter((tick) => at(tick) >= 0 && at(tick) <= 1) };
}

/** Round values in an interval, about as many as asked for. */
export function niceTicks(low: number, high: number, ticks: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / ticks;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function linePath(points: readonly Point[], x: (tokens: number) => number, y: Scale): string {
  return points
    .map(({ place, mean }, i) => `${i === 0 ? "M" : "L"}${round(x(place.tokens))} ${round(y.at(mean) * H)}`)
    .join("");
}

function bandPath(points: readonly Point[], x: (tokens: number) => number, y: Scale): string {
  const above = points.map(({ place, max }) => `${round(x(place.tokens))} ${round(y.at(max) * H)}`);
  const below = points.map(({ place, min }) => `${round(x(place.tokens))} ${round(y.at(min) * H)}`).reverse();
  return `M${[...above, ...below].join("L")}Z`;
}

/** What the pointer shows: for each place its share of the width, a heading, and each line's height (CSS pixels) and value; texts parted by "|". */
function hoverOf(
  lines: readonly ChartLine[],
  {
    x,
    y,
    inner,
    format,
  }: { x: (tokens: number) => number; y: Scale; inner: number; format: (value: number) => string },
): string {
  const longest = lines.reduce((a, b) => (b.points.length > a.points.length ? b : a)).points;
  const of = lines.map(({ points }) => new Map(points.map((point) => [point.place, point])));
  return JSON.stringify({
    x: longest.map(({ place }) => round(x(place.tokens)) / W),
    head: longest.map(({ place }) => headingOf(place)).join("|"),
    rows: lines.map(({ name, tone, band }, i) => ({
      name,
      tone,
      y: longest.map(({ place }) => {
        const point = of[i].get(place);
        return point ? round(y.at(point.mean) * inner) : null;
      }),
      text: longest
        .map(({ place }) => {
          const point = of[i].get(place);
          if (!point) return "";
          const range = band && point.min < point.max ? ` (${format(point.min)} – ${format(point.max)})` : "";
          return format(point.mean) + range;
        })
        .join("|"),
    })),
  });
}

export function headingOf({ step, tokens, seconds }: Place): string {
  const time = Number.isFinite(seconds) ? ` · ${duration(seconds)}` : "";
  return `step ${count(step)} · ${short(tokens)} tokens${time}`;
}

const round = (value: number): number => Math.round(Math.min(1e5, Math.max(-1e5, value)) * 10) / 10;
