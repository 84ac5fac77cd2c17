/** The model card: Markdown with Hugging Face's head, for the README of a model's folder, and its curves as a picture. */
import type { Stage } from "../../train/index.ts";
import { plot } from "../charts/chart.ts";
import { lossChart, validationChart } from "../charts/curves.ts";
import { sharesOf } from "../ledger/data-shares.ts";
import type { RunView } from "../ledger/view.ts";
import { architectureRows } from "./architecture.ts";
import { count, duration, energy, fixed, millions, money, percent, short } from "./format.ts";
import { html, Markup } from "./markup.ts";
import { heldOut } from "./report-text.ts";
import { afterPrompt } from "./sections.ts";
import { CHART_STYLE } from "./style.ts";

export interface ModelCardOptions {
  /** The picture's address beside the card; without it the card has a table of the course alone. */
  curves?: string;
  /** As Hugging Face names it: "mit", "cc-by-sa-4.0", … */
  license?: string;
}

/** Columns of the table of the course. */
const COLUMNS = 8;
const SAMPLES = 6;

/** The card as Markdown. */
export function modelCard(view: RunView, { curves, license }: ModelCardOptions = {}): string {
  const { figures, folder } = view;
  const name = figures.name || "unnamed";
  const unfinished =
    figures.state === "finished"
      ? []
      : [
          `> This run is not finished: ${percent(figures.progress)} of its tokens. Every figure is as of step ${count(figures.step)}.`,
        ];
  return [
    head(view, name, license),
    `# ${plain(name)}`,
    ...(figures.description ? [plain(figures.description)] : []),
    ...unfinished,
    summary(view),
    "## How it was made",
    rowsTable([...architectureRows(folder).map(([key, value]) => [key, plain(value)]), ...madeRows(view)]),
    "## Course",
    ...(curves ? [`![Loss and validation over the tokens](${encodeURI(curves)})`] : []),
    courseTable(view),
    ...validationPart(view),
    "## What it learnt from",
    ...dataPart(view),
    ...remarksPart(view),
    "## What it wrote during training, unedited",
    ...samplesPart(view),
  ]
    .join("\n\n")
    .concat("\n");
}

/** YAML for the hub. Strings are quoted as JSON, which YAML reads. */
function head({ figures }: RunView, name: string, license?: string): string {
  const validation = figures.validation;
  const results =
    validation && Number.isFinite(validation.bitsPerByte)
      ? [
          "model-index:",
          `- name: ${JSON.stringify(name)}`,
          "  results:",
          ...[["all", validation.bitsPerByte] as const, ...validation.bySlice].flatMap(([slice, bits]) => [
            "  - task: {type: text-generation}",
            `    dataset: {type: validation, name: ${JSON.stringify(`validation text: ${shown(slice)}`)}}`,
            `    metrics: [{type: bits_per_byte, name: bits per byte, value: ${fixed(bits, 4)}}]`,
          ]),
        ]
      : [];
  const lines = [
    ...(license ? [`license: ${JSON.stringify(license)}`] : []),
    "library_name: transformers",
    "pipeline_tag: text-generation",
    "tags: [deepseek_v3, shoal]",
    ...results,
  ];
  return ["---", ...lines, "---"].join("\n");
}

function summary({ figures, folder }: RunView): string {
  const { bill, validation, deepseek } = figures;
  const size = folder.counts
    ? `${short(folder.counts.total)} parameters, ${short(folder.counts.active)} active for a token; `
    : "";
  const bits = validation ? ` **${heldOut(validation)}** on what it never saw.` : "";
  const versus =
    bill.usd > 0
      ? ` DeepSeek-V3's own bill was $${millions(deepseek.usd)}: ${short(deepseek.usd / bill.usd)} times as much.`
      : "";
  return `${size}${short(figures.tokens)} tokens in ${short(bill.coreHours)} core-hours: **${money(bill.usd)}**.${bits}${versus}`;
}

function madeRows({ figures, folder }: RunView): string[][] {
  const { bill, stages, tokensPerSecond, utilisation, experts } = figures;
  const { recipe } = folder;
  const optimiser = recipe ? (recipe.muon ? "Muon for the matrices inside layers, AdamW for the rest" : "AdamW") : "–";
  const share =
    utilisation.mean > 0
      ? `, ${percent(utilisation.mean)} of a stated peak of ${short(figures.peakTflops)} TFLOP/s`
      : "";
  return [
    [
      "stages",
      stages.map(({ name, fromTokens, toTokens }) => `${plain(name)} ${short(toTokens - fromTokens)}`).join(", ") ||
        "–",
    ],
    ["optimiser", `${optimiser}; products in ${recipe?.precision ?? "–"}`],
    [
      "time",
      `${duration(figures.seconds)}, ${fixed(figures.coresBusy, 1)} cores busy on average: ${short(bill.coreHours)} core-hours`,
    ],
    ["speed", `${count(tokensPerSecond.median)} tokens/s (median)${share}`],
    [
      "cost",
      `${money(bill.usd)} at ${money(bill.usdPerCoreHour)} a core-hour; ${money(bill.usdPerMillionTokens)} a million tokens`,
    ],
    ["energy", `${energy(bill.kwh)} at ${short(bill.wattsPerCore)} W a core${bill.wattsAssumed ? " (assumed)" : ""}`],
    ["operations", figures.flops.toExponential(2)],
    [
      "experts",
      `at the last step the busiest had ${fixed(experts.busiest, 2)} × its layer's mean; ${count(experts.idle)} without a token`,
    ],
    [
      "left out",
      `${count(figures.skippedDocuments)} documents that could not be read, ${count(figures.skippedSteps)} steps that were not finite`,
    ],
  ];
}

/** Loss and validation at a few places. */
function courseTable({ course }: RunView): string {
  const points = course.series.points("loss");
  if (points.length === 0) return "No step yet.";
  const at = evenly(points, COLUMNS);
  const validationAt = (tokens: number) => {
    const before = course.validations.findLast((validation) => validation.tokens <= tokens);
    return before ? fixed(before.bitsPerByte, 3) : "–";
  };
  return [
    `| tokens | ${at.map(({ place }) => short(place.tokens)).join(" | ")} |`,
    `|---|${at.map(() => "---").join("|")}|`,
    `| loss, nats | ${at.map(({ mean }) => fixed(mean, 3)).join(" | ")} |`,
    `| bits per byte | ${at.map(({ place }) => validationAt(place.tokens)).join(" | ")} |`,
  ].join("\n");
}

function validationPart({ course }: RunView): string[] {
  const last = course.validations.at(-1);
  if (!last || last.bySlice.size === 0) return [];
  const first = course.validations[0].bySlice;
  const rows = [...last.bySlice]
    .sort(([, a], [, b]) => a - b)
    .map(
      ([slice, bits]) => `| ${plain(shown(slice))} | ${fixed(first.get(slice) ?? Number.NaN, 3)} | ${fixed(bits, 3)} |`,
    );
  return [
    "## Validation",
    `Bits per byte on text that it never saw, by kind; first at step ${count(course.validations[0].step)}, last at step ${count(last.step)}.`,
    ["| kind of text | first | last |", "|---|---|---|", ...rows].join("\n"),
  ];
}

function dataPart(view: RunView): string[] {
  const { recipe } = view.folder;
  if (!recipe) return ["Not known."];
  return recipe.stages.flatMap((stage) => [
    `**${plain(stage.name)}**: ${short(stage.tokens)} tokens in sequences of ${count(stage.sequenceLength)}${stage.preference ? `, pairs of ${plain(shown(stage.preference.path))}` : ""}`,
    ...(stage.preference ? [] : [sharesTable(stage, view)]),
  ]);
}

/** Which state of the run it is, and what is wrong with how it went. */
function remarksPart({ course, figures }: RunView): string[] {
  const of = (kind: string) => course.events.filter(({ name }) => name === kind).map(({ detail }) => plain(detail));
  const [model] = of("model").slice(-1);
  return figures.state === "finished" && model
    ? ["## Which state it is", [model, ...of("remark").map((remark) => `But: ${remark}.`)].join("\n\n")]
    : [];
}

function sharesTable(stage: Stage, view: RunView): string {
  const rows = sharesOf(stage, view).map(({ name, weight, share, passes }) => {
    const [part, times] = [share === null ? "–" : percent(share), passes === null ? "–" : fixed(passes, 2)];
    return `| ${plain(shown(name))} | ${short(weight)} | ${part} | ${times} |`;
  });
  return ["| source | weight | share | passes |", "|---|---|---|---|", ...rows].join("\n");
}

function samplesPart({ course }: RunView): string[] {
  const shown = evenly(course.samples, SAMPLES);
  if (shown.length === 0) return ["None were asked for."];
  return shown.map(({ step, prompt, text }) => {
    const lines = `**${plain(prompt)}**${plain(afterPrompt(text), "\n")}`.split("\n").map((line) => `> ${line}`);
    return [`Step ${count(step)}:`, "", ...lines].join("\n");
  });
}

const rowsTable = (rows: readonly (readonly string[])[]): string =>
  ["| | |", "|---|---|", ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join("\n");

/** A path as strangers may read it: where somebody's files lie is nobody's business. */
const shown = (name: string): string => (/^(\/|[a-zA-Z]:[\\/]|~)/.test(name) ? name.split(/[\\/]/).at(-1)! : name);

/** Text in which nothing is Markdown or HTML; lines are joined with `newline`. */
function plain(text: string, newline = " "): string {
  return text.replace(/[\\`*_{}[\]<>#|~!&$]/g, "\\$&").replace(/\r?\n|\r/g, newline);
}

/** About `most` of the items, evenly, with the last. */
function evenly<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.round(((i + 1) * items.length) / most) - 1]);
}

const PICTURE = { width: 760, left: 60, gap: 48 };

/** Loss and validation as a picture of its own. */
export function curvesSvg(view: RunView): string {
  const charts = [lossChart(view), validationChart(view)].filter(({ lines }) =>
    lines.some(({ points }) => points.length > 0),
  );
  const { width, left, gap } = PICTURE;
  let top = 30;
  const parts = charts.map((chart) => {
    const height = chart.height!;
    const key =
      chart.lines.length > 1 &&
      chart.lines.map(({ name, tone }) => html`<tspan class="end t${tone}" dx="12">${name}</tspan>`);
    const part = html`<text class="stage" x="${left}" y="${top - 12}">${chart.title}${key}</text><svg x="${left}" y="${top}" width="${width - left - 20}" height="${height}">${plot({ ...chart, lines: chart.lines.filter(({ points }) => points.length > 0), hover: false })}</svg>`;
    top += height + gap;
    return part;
  });
  const style = `${CHART_STYLE}svg{overflow:visible;font:13px system-ui,sans-serif}`;
  return html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top - gap + 20}" viewBox="0 0 ${width} ${top - gap + 20}"><style>${new Markup(style)}</style><rect width="100%" height="100%" fill="var(--paper)"/>${parts}</svg>
`.text;
}
