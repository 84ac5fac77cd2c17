/** The parts of a run's page. The report card and the live page show the same parts. */

import type { Stage } from "../../train/index.ts";
import { lineChart } from "../charts/chart.ts";
import {
  busiestMap,
  expertMap,
  lossChart,
  pointAt,
  smallCharts,
  speedChart,
  validationChart,
} from "../charts/curves.ts";
import { heatMap } from "../charts/heat-map.ts";
import { sparkline } from "../charts/sparkline.ts";
import { sharesOf } from "../ledger/data-shares.ts";
import type { RunState } from "../ledger/figures.ts";
import type { RunView } from "../ledger/view.ts";
import { architectureRows } from "./architecture.ts";
import { count, duration, energy, fixed, millions, money, percent, short } from "./format.ts";
import { html, type Markup, type Value } from "./markup.ts";

const STATES: Record<RunState, string> = {
  "not begun": "not begun yet",
  running: "running",
  stopped: "not finished",
  finished: "finished",
};

export function headSection({ figures, folder }: RunView): Markup {
  const { state, progress, step, totalTokens, tokens, secondsLeft } = figures;
  const left = state === "running" ? html` · about <b>${duration(secondsLeft)}</b> left` : null;
  return html`<p class="eyebrow">Shoal training run <span class="state ${state.replace(" ", "-")}">${STATES[state]}</span></p>
<h1>${figures.name || folder.dir}</h1>
${figures.description && html`<p class="lead">${figures.description}</p>`}
${
  state !== "finished" &&
  html`<p class="quiet">Step <b>${count(step)}</b> · ${short(tokens)} of ${short(totalTokens)} tokens · <b>${percent(progress)}</b>${left}</p>
<svg class="progress" width="100%" height="8" role="img" aria-label="${percent(progress)} of the tokens"><rect class="all" width="100%" height="8" rx="4"/><rect class="done" width="${fixed(100 * (progress || 0), 2)}%" height="8" rx="4"/></svg>`
}`;
}

export function tilesSection({ figures, folder }: RunView): Markup {
  const { bill, validation, tokensPerSecond, utilisation, counts } = { ...figures, counts: folder.counts };
  const tile = (label: string, value: Value, under: Value, lead = false) =>
    html`<div class="tile${lead && " first"}"><dt>${label}</dt><dd>${value}</dd><p>${under}</p></div>`;
  const mtp = figures.mtpLoss.length > 0 ? ` · MTP ${figures.mtpLoss.map((loss) => fixed(loss, 3)).join(", ")}` : "";
  return html`<dl class="tiles">
${tile("Cost", money(bill.usd), `${short(bill.coreHours)} core-hours at ${money(bill.usdPerCoreHour)}`, true)}
${tile("Validation", fixed(validation?.bitsPerByte ?? Number.NaN, 3), "bits per byte of text it never saw", true)}
${tile("Tokens", short(figures.tokens), `in ${count(figures.step)} steps`)}
${counts ? tile("Parameters", short(counts.total), `${short(counts.active)} active for a token`) : null}
${tile("Loss", fixed(figures.loss, 3), `nats a token${mtp}`)}
${tile("Speed", html`${count(tokensPerSecond.median)}<small>/s</small>`, `tokens, median${utilisation.mean > 0 ? ` · ${percent(utilisation.mean)} of the peak` : ""}`)}
${tile("Time", duration(figures.seconds), `${fixed(figures.coresBusy, 1)} cores busy on average`)}
${tile("Energy", energy(bill.kwh), `at ${short(bill.wattsPerCore)} W a core${bill.wattsAssumed ? ", assumed" : ""}`)}
</dl>`;
}

export function billLine({ figures }: RunView): Markup {
  const { bill, deepseek } = figures;
  const times = deepseek.usd / bill.usd;
  if (!Number.isFinite(times)) return html``;
  return html`<p class="versus">DeepSeek-V3’s own bill was <b>$${millions(deepseek.usd)}</b> for ${millions(deepseek.gpuHours)} H800-hours; this run’s is <b>${money(bill.usd)}</b>, one part in ${inWords(times)}.</p>`;
}

/** 98300000 → "98 million". */
function inWords(value: number): string {
  for (const [size, name] of [
    [1e12, "trillion"],
    [1e9, "billion"],
    [1e6, "million"],
  ] as const)
    if (value >= size) return `${Number((value / size).toPrecision(2))} ${name}`;
  return count(value);
}

export function lossSection(view: RunView): Markup {
  return lineChart(lossChart(view));
}

export function validationSection(view: RunView): Markup {
  return html`${lineChart(validationChart(view))}${slicesTable(view)}`;
}

/** Bits per byte of each kind of text: first, last, and the way between. */
function slicesTable({ course }: RunView): Markup | null {
  const last = course.validations.at(-1);
  if (!last || last.bySlice.size < 2) return null;
  const rows = [...last.bySlice].sort(([, a], [, b]) => a - b);
  return table(
    ["kind of text", "first", "last", "course"],
    rows.map(([slice, bits]) => {
      const points = course.validations.flatMap(({ step, tokens, bySlice }) =>
        bySlice.has(slice) ? [pointAt(step, tokens, bySlice.get(slice)!)] : [],
      );
      return [slice, fixed(points[0].mean, 3), html`<b>${fixed(bits, 3)}</b>`, sparkline(points)];
    }),
  );
}

export function speedSection(view: RunView): Markup {
  const { figures, course } = view;
  const { tokensPerSecond, coresBusy, prediction, seconds, utilisation, peakTflops } = figures;
  if (course.steps === 0) return lineChart(speedChart(view));
  return html`${lineChart(speedChart(view))}
<p class="quiet">Median ${count(tokensPerSecond.median)} tokens a second; one step in ten was above ${count(tokensPerSecond.high)}, one in ten below ${count(tokensPerSecond.low)}. ${fixed(coresBusy, 1)} cores were busy on average: other work on the machine makes it slower, not dearer. ${
    peakTflops > 0 &&
    `That is ${percent(utilisation.mean)} of the stated peak over all, ${percent(utilisation.high)} in the fastest tenth. `
  }${
    prediction &&
    `The planner expects ${count(prediction.tokensPerSecond)}, ${percent(prediction.mfu)} of the peak (${duration(prediction.hours.mid * 3600)}, between ${duration(prediction.hours.low * 3600)} and ${duration(prediction.hours.high * 3600)}); these ${count(course.steps)} steps took ${duration(seconds)}.`
  }</p>`;
}

export function expertsSection(view: RunView): Markup {
  const map = expertMap(view);
  const { busiest, idle } = view.figures.experts;
  if (!Number.isFinite(busiest)) return html`<p class="quiet">No expert layers, or no step yet.</p>`;
  return html`${map && html`<h3>${map.label}</h3>${heatMap(map)}`}
<h3>Busiest expert of each layer over the run</h3>${heatMap(busiestMap(view))}
<p class="quiet">At the last step the busiest expert of any layer had ${fixed(busiest, 2)} × the mean load, and ${idle === 0 ? "none was" : `${idle} were`} without a token. One step is few tokens: validation text is the better judge.</p>`;
}

export function smallSection(view: RunView): Markup {
  return html`<div class="grid2">${smallCharts(view).map(lineChart)}</div>`;
}

export function billSection(view: RunView): Markup {
  const { bill, deepseek, flops, tokens, peakTflops } = view.figures;
  const rows: Value[][] = [
    ["Core-hours", short(bill.coreHours), "CPU time that the run used"],
    ["Cost", money(bill.usd), `at ${money(bill.usdPerCoreHour)} a core-hour`],
    [
      "Energy",
      energy(bill.kwh),
      `at ${short(bill.wattsPerCore)} W a core${bill.wattsAssumed ? ": the planner’s assumption, 6 W and half as much for host and cooling" : ""}`,
    ],
    ["A million tokens", money(bill.usdPerMillionTokens), `${short(tokens)} tokens`],
    [
      "Operations",
      flops.toExponential(2),
      `of the model’s products${peakTflops > 0 ? `; stated peak ${short(peakTflops)} TFLOP/s` : ""}`,
    ],
    [
      "10¹⁸ operations",
      money(bill.usdPerExaflop),
      `DeepSeek-V3 paid ${money(deepseek.usdPerExaflop)}: rented H800s are the cheaper mill`,
    ],
  ];
  return html`${billLine(view)}${table(["", "this run", ""], rows, "wide")}`;
}

export function stagesSection({ figures }: RunView): Markup {
  const rows = figures.stages.map((stage) => [
    stage.name,
    Number.isFinite(stage.plannedTokens)
      ? `${short(stage.toTokens - stage.fromTokens)} of ${short(stage.plannedTokens)}`
      : short(stage.toTokens - stage.fromTokens),
    fixed(stage.firstLoss, 3),
    fixed(stage.loss, 3),
    count(stage.tokensPerSecond),
    duration(stage.seconds),
    money(stage.usd),
  ]);
  return table(["stage", "tokens", "first loss", "last loss", "tokens/s", "time", "cost"], rows);
}

export function eventsSection({ course, figures }: RunView): Markup {
  const facts = [
    `${count(course.steps)} steps in the ledger, ${count(figures.skippedSteps)} of them skipped because loss or gradient was not finite`,
    `${count(figures.skippedDocuments)} documents left out because they could not be read`,
    figures.resumes > 0 &&
      `taken up again ${times(figures.resumes)}, having lain still for ${duration(figures.pausedSeconds)} in all`,
    figures.rollbacks > 0 && `${times(figures.rollbacks)} back to a checkpoint because of a spike`,
    course.brokenLines > 0 && `${count(course.brokenLines)} lines of the ledger are broken and left out`,
    ...[...course.unknownKinds].map(
      ([kind, lines]) => `${count(lines)} lines are of a kind that this report does not know: ${kind}`,
    ),
  ];
  return html`<ul>${facts.map((fact) => fact && html`<li>${fact}</li>`)}</ul>${
    course.events.length > 0 &&
    table(
      ["step", "what happened"],
      course.events.slice(-40).map(({ step, name, detail }) => [count(step), detail || name]),
      "text",
    )
  }`;
}

export function dataSection(view: RunView): Markup {
  const { recipe } = view.folder;
  if (!recipe) return html`<p class="quiet">no recipe yet</p>`;
  return html`${recipe.stages.map((stage) => {
    const rows = sharesOf(stage, view).map(({ name, weight, tokens, share, passes, skipped }) => [
      name,
      short(weight),
      tokens === null ? "–" : short(tokens),
      share === null ? "–" : percent(share),
      passes === null ? "–" : fixed(passes, 2),
      count(skipped),
    ]);
    return html`<details><summary>${stage.name}: ${sourcesText(stage, rows.length)}, ${short(stage.tokens)} tokens, sequences of ${count(stage.sequenceLength)}</summary>${rows.length > 0 && table(["source", "weight", "its tokens", "share", "passes", "left out"], rows)}</details>`;
  })}`;
}

function sourcesText({ preference }: Stage, sources: number): string {
  if (preference) return `pairs of ${preference.path}`;
  return sources === 1 ? "one source" : `${sources} sources`;
}

export function architectureSection({ folder }: RunView): Markup {
  const rows = architectureRows(folder);
  return rows.length > 0
    ? table(null, rows, "wide")
    : html`<p class="quiet">not known before the run has its tokenizer</p>`;
}

/** most: newest samples to show. */
export function samplesSection({ course }: RunView, most: number): Markup {
  const shown = course.samples.slice(-most).reverse();
  if (shown.length === 0) return html`<p class="quiet">The recipe asks for none yet (field "samples").</p>`;
  return html`${shown.map(
    ({ step, prompt, text }) =>
      html`<blockquote><p class="quiet">step ${count(step)}</p><p class="text"><b>${prompt}</b>${afterPrompt(text)}</p></blockquote>`,
  )}`;
}

/** What does not go on in the prompt's line is an answer, and stands below it. */
export const afterPrompt = (text: string): string => (/^[\s.,;:!?]/.test(text) ? text : `\n${text}`);

const times = (n: number): string => (n === 1 ? "once" : `${count(n)} times`);

export function assumptionsSection({ figures }: RunView): Markup {
  const { bill, peakTflops } = figures;
  return html`<ul>
<li>Time and bill are the ledger’s; pauses between sessions are not in them. ${percent(figures.stepShare)} of the time went into steps, the rest into tokenizing, validation, samples and checkpoints${figures.rollbacks > 0 && ", and into steps that were undone"}${figures.stepShare > 0.9999 && " (this ledger is of a version that did not count those)"}.</li>
<li>${money(bill.usdPerCoreHour)} a core-hour and ${short(bill.wattsPerCore)} W a core are ${bill.wattsAssumed ? "the recipe’s price and an assumption" : "as stated"}; change them with price.usdPerCoreHour and price.wattsPerCore in the recipe.</li>
<li>${peakTflops > 0 ? `Shares are of a stated peak of ${short(peakTflops)} TFLOP/s in bf16 products.` : "No share of the peak: the recipe names none (price.peakTflops; shoal bench train measures it)."}</li>
<li>Operations are those of matrix products and attention, a multiply-add counted as two, backward as twice forward.</li>
<li>Bits per byte compare across tokenizers; nats a token do not.</li>
<li>Bands show the least and the greatest of the steps that share a point.</li>
</ul>`;
}

export function table(head: Value[] | null, rows: readonly Value[][], kind = ""): Markup {
  return html`<div class="scroll"><table class="${kind}">${head && html`<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>`}<tbody>${rows.map(
    ([first, ...rest]) => html`<tr><th scope="row">${first}</th>${rest.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}
