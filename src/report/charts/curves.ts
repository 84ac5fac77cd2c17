/** The charts of a run: what each shows, and at which scale. */

import type { Point } from "../ledger/series.ts";
import type { RunView } from "../ledger/view.ts";
import { count, fixed, percent, short } from "../page/format.ts";
import type { Chart, ChartLine } from "./chart.ts";
import { BUSIEST_STEPS, type HeatMap, LOAD_STEPS } from "./heat-map.ts";

/** Columns of a map over time. */
const TIME_COLUMNS = 60;

export function lossChart({ course, figures }: RunView): Chart {
  const mtp = figures.mtpLoss.map(
    (now, i): ChartLine => ({
      name: `MTP depth ${i + 1}`,
      tone: i === 0 ? 2 : 3,
      points: course.series.points(`mtp${i}`),
      now,
    }),
  );
  const main: ChartLine = {
    name: "next token",
    tone: 1,
    points: course.series.points("loss"),
    band: true,
    now: figures.loss,
  };
  return {
    title: "Loss, nats a token",
    lines: [...mtp, main],
    format: (value) => fixed(value, 3),
    cutStart: 0.03,
    stages: stagesOf(course),
    height: 260,
  };
}

export function validationChart({ course }: RunView): Chart {
  const points = course.validations
    .filter((one) => Number.isFinite(one.bitsPerByte))
    .map(({ step, tokens, bitsPerByte }) => pointAt(step, tokens, bitsPerByte));
  return {
    title: "Validation, bits per byte",
    lines: [{ name: "all", tone: 1, points }],
    format: (value) => fixed(value, 3),
    stages: stagesOf(course),
    height: 200,
  };
}

export function speedChart({ course, figures }: RunView): Chart {
  const line: ChartLine = {
    name: "tokens/s",
    tone: 1,
    points: course.series.points("tokensPerSecond"),
    band: true,
    now: figures.tokensPerSecond.now,
  };
  return { title: "Tokens a second", lines: [line], format: (value) => count(value), fromZero: true, height: 160 };
}

export function smallCharts({ course }: RunView): Chart[] {
  const gigabytes = course.series.points("memoryMB").map((point) => scaled(point, 1 / 1024));
  const chart = (title: string, name: string, more: Omit<Chart, "title" | "lines">, band = false): Chart => ({
    title,
    lines: [{ name: title, tone: 1, points: course.series.points(name), band }],
    height: 130,
    ...more,
  });
  const charts = [
    chart("Gradient norm, before clipping", "gradNorm", { format: short, scale: "log" }, true),
    chart("Learning rate", "lr", { format: short, fromZero: true }),
    chart("Balance loss", "balanceLoss", { format: short, fromZero: true }),
    {
      ...chart("Resident memory, GB", "memoryMB", { format: (value) => fixed(value, 2), fromZero: true }),
      lines: [{ name: "GB", tone: 1 as const, points: gigabytes }],
    },
  ];
  const accuracy = chart("Pairs in the preferred order", "accuracy", {
    format: percent,
    tick: percent,
    fromZero: true,
  });
  return accuracy.lines[0].points.length > 0 ? [...charts, accuracy] : charts;
}

/** The last record of every expert's load; null where the ledger has none. */
export function expertMap({ course, folder }: RunView): HeatMap | null {
  if (!course.experts) return null;
  const { loads, step } = course.experts;
  return {
    label: `Load of each expert at step ${count(step)}, as multiples of the mean`,
    rows: loads.map((values, i) => ({ name: layerName(i, loads.length, folder.config), values })),
    column: (i) => `expert ${i}`,
    steps: LOAD_STEPS,
  };
}

/** The busiest expert of each layer over the run. */
export function busiestMap({ course, folder }: RunView): HeatMap {
  const layers = course.last?.busiest.length ?? 0;
  const rows = Array.from({ length: layers }, (_, i) => course.series.points(`busiest${i}`));
  const group = Math.max(1, Math.ceil((rows[0]?.length ?? 0) / TIME_COLUMNS));
  const ends = (rows[0] ?? []).filter((_, i, all) => i % group === group - 1 || i === all.length - 1);
  return {
    label: "Busiest expert of each layer over the run, as multiples of the mean",
    rows: rows.map((points, i) => ({ name: layerName(i, layers, folder.config), values: averages(points, group) })),
    column: (i) => (ends[i] ? `${short(ends[i].place.tokens)} tokens` : ""),
    steps: BUSIEST_STEPS,
  };
}

/** Expert layers count on from the dense ones; the last are MTP depths. */
function layerName(index: number, layers: number, config: RunView["folder"]["config"]): string {
  const depths = config?.numNextnPredictLayers ?? 0;
  const first = config?.firstKDenseReplace ?? 0;
  return index < layers - depths ? `layer ${first + index}` : `MTP ${index - (layers - depths) + 1}`;
}

function averages(points: readonly Point[], group: number): number[] {
  return Array.from({ length: Math.ceil(points.length / group) }, (_, i) => {
    const part = points.slice(i * group, (i + 1) * group);
    return part.reduce((sum, { mean }) => sum + mean, 0) / part.length;
  });
}

function scaled({ place, mean, min, max }: Point, factor: number): Point {
  return { place, mean: mean * factor, min: min * factor, max: max * factor };
}

export function stagesOf({ stages }: RunView["course"]): { name: string; from: number; to: number }[] {
  return stages.map(({ name, fromTokens, toTokens }) => ({ name, from: fromTokens, to: toTokens }));
}

export function pointAt(step: number, tokens: number, value: number): Point {
  return { place: { step, tokens, seconds: Number.NaN, coreHours: Number.NaN }, mean: value, min: value, max: value };
}
