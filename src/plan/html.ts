/** The plan as one page that needs nothing else: charts in SVG, sliders that compute in the page. */
import type { DeepseekBill } from "./deepseek.ts";
import type { againstPublished } from "./published.ts";
import type { TrainPlan } from "./train.ts";

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

/** 2664000 → "2.66M". */
export function short(value: number): string {
  if (value === 0) return "0";
  const units: [number, string][] = [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ];
  for (const [size, unit] of units) if (Math.abs(value) >= size) return `${(value / size).toPrecision(3)}${unit}`;
  return Math.abs(value) < 0.01 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** Predicted intervals (bars) and mids (ticks) as multiples of the published hours (the line at 1). */
function publishedChart(rows: ReturnType<typeof againstPublished>): string {
  const [least, most] = [Math.log2(0.5), Math.log2(2)];
  const x = (ratio: number) => 230 + ((Math.log2(ratio) - least) / (most - least)) * 400;
  const height = rows.length * 30 + 36;
  const ticks = [0.5, 0.7, 1, 1.4, 2].map(
    (ratio) =>
      `<line class="${ratio === 1 ? "one" : "tick"}" x1="${x(ratio)}" x2="${x(ratio)}" y1="4" y2="${height - 24}"/><text class="small" text-anchor="middle" x="${x(ratio)}" y="${height - 8}">${ratio} ×</text>`,
  );
  const lines = rows.map(({ run, plan }, i) => {
    const y = 18 + i * 30;
    const [low, mid, high] = [plan.gpuHours.low, plan.gpuHours.mid, plan.gpuHours.high].map((hours) =>
      x(hours / run.gpuHours),
    );
    return `<text x="0" y="${y + 5}">${escapeHtml(run.name)}</text>
<rect class="range" x="${low}" y="${y - 8}" width="${high - low}" height="16" rx="3"><title>predicted ${short(plan.gpuHours.low)} to ${short(plan.gpuHours.high)} GPU-hours</title></rect>
<circle class="mid" cx="${mid}" cy="${y}" r="5"/><text class="small" x="650" y="${y + 5}">${short(run.gpuHours)} h</text>`;
  });
  return `<svg viewBox="0 0 720 ${height}" role="img" aria-label="Predicted GPU-hours as multiples of the published">${lines.join("")}${ticks.join("")}</svg>`;
}

function barChart(rows: { name: string; value: number; label: string }[], label: string): string {
  const most = Math.max(...rows.map(({ value }) => value));
  const lines = rows.map(
    ({ name, value, label: text }, i) =>
      `<text x="0" y="${i * 30 + 19}">${escapeHtml(name)}</text><rect class="mid" x="360" y="${i * 30 + 5}" width="${Math.max(1, (value / most) * 270)}" height="19" rx="3"/><text x="${368 + (value / most) * 270}" y="${i * 30 + 19}">${escapeHtml(text)}</text>`,
  );
  return `<svg viewBox="0 0 720 ${rows.length * 30 + 6}" role="img" aria-label="${escapeHtml(label)}">${lines.join("")}</svg>`;
}

const STYLE = `:root{color-scheme:light dark;--ink:#14202b;--paper:#fbfcfd;--quiet:#5b6b7a;--line:#d8e0e7;--accent:#0b6e8f;--soft:#bfdfe9;--one:#d4512b}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0e1620;--quiet:#93a4b4;--line:#263545;--accent:#4fb3d3;--soft:#1d4a5c;--one:#ff8a5c}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:46rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem}h2{margin-top:2.2rem;font-size:1.2rem}svg{width:100%;height:auto;font:13px system-ui,sans-serif;fill:var(--ink)}
.range{fill:var(--soft)}.mid{fill:var(--accent)}.one{stroke:var(--one);stroke-width:2}.tick{stroke:var(--line)}.small,small,.quiet{fill:var(--quiet);color:var(--quiet);font-size:.85rem}
table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.3rem .5rem;border-bottom:1px solid var(--line)}th:first-child,td:first-child{text-align:left}
.scroll{overflow-x:auto}label{display:grid;grid-template-columns:11rem 1fr 6rem;gap:.6rem;align-items:center;margin:.4rem 0}input{width:100%;accent-color:var(--accent)}output{font-variant-numeric:tabular-nums}
@media(max-width:34rem){label{grid-template-columns:1fr 5rem}label input{grid-column:1/-1;grid-row:2}}.sum{font-size:1.4rem;margin:1rem 0}`;

/** Plain functions of the page: the same arithmetic as `planTraining` with the efficiency as a slider. */
const SCRIPT = `const start=JSON.parse(document.getElementById("plan").textContent);
const short=v=>{for(const[s,u]of[[1e12,"T"],[1e9,"B"],[1e6,"M"],[1e3,"K"]])if(v>=s)return(v/s).toPrecision(3)+u;return String(Number(v.toPrecision(3)))};
const inputs=[...document.querySelectorAll("input[type=range]")];
const value=i=>i.dataset.scale==="log"?10**Number(i.value):Number(i.value);
function draw(){const v={};for(const i of inputs){v[i.name]=value(i);i.nextElementSibling.textContent=i.name==="mfu"?(100*v.mfu).toFixed(0)+" %":i.name==="price"?"$"+v.price.toFixed(2):short(v[i.name])}
const hours=6*v.active*v.tokens*start.ratio/(start.peak*v.mfu)/3600;
document.getElementById("sum").textContent=short(hours)+" GPU-hours · $"+short(hours*v.price)+" · "+short(hours/v.gpus/24)+" days on "+short(v.gpus)+" "+start.gpu}
for(const i of inputs)i.addEventListener("input",draw);draw();`;

export interface PageInput {
  title: string;
  plan: TrainPlan;
  /** What the plan's sliders start from. */
  active: number;
  tokens: number;
  price: number;
  peak: number;
  bill: DeepseekBill;
  published: ReturnType<typeof againstPublished>;
}

/** The whole page. */
export function planPage({ title, plan, active, tokens, price, peak, bill, published }: PageInput): string {
  const start = { gpu: plan.gpu, peak, ratio: plan.flops / (6 * active * tokens) };
  const slider = (name: string, label: string, [least, most, at]: [number, number, number], log = true) => {
    const scale = log ? Math.log10 : (x: number) => x;
    return `<label>${label}<input type="range" name="${name}"${log ? ' data-scale="log"' : ""} min="${scale(least)}" max="${scale(most)}" step="any" value="${scale(at)}"><output></output></label>`;
  };
  const money = (usd: number) => `$${short(usd)}`;
  const { gpuHours, usd, days, mfu } = plan;
  const table = [...bill.rows, bill.total]
    .map(
      (row) =>
        `<tr><td>${escapeHtml(row.stage)}</td><td>${short(row.publishedGpuHours)}</td><td>${short(row.gpuHours.mid)}</td><td>${short(row.gpuHours.low)} – ${short(row.gpuHours.high)}</td><td>${money(row.publishedUsd)}</td><td>${money(row.usd.mid)}</td></tr>`,
    )
    .join("");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeHtml(title)}</h1>
<p class="sum">${short(gpuHours.mid)} ${escapeHtml(plan.gpu)}-hours · ${money(usd.mid)} · ${short(days.mid)} days on ${short(plan.gpus)}</p>
<p>Between ${short(gpuHours.low)} and ${short(gpuHours.high)} hours, ${money(usd.low)} and ${money(usd.high)}. ${(100 * mfu.mid).toFixed(0)} % of the bf16 peak; beyond the products themselves, most time goes to: ${escapeHtml(plan.bound)}. ${short(plan.kwh.mid)} kWh.</p>
<h2>What if</h2>
${slider("active", "active parameters", [active / 100, active * 100, active])}
${slider("tokens", "tokens", [tokens / 100, tokens * 100, tokens])}
${slider("mfu", "share of the peak", [0.05, 0.7, mfu.mid], false)}
${slider("gpus", "devices", [1, 100000, plan.gpus])}
${slider("price", "$ per device-hour", [0.01, Math.max(10, price * 2), price], false)}
<p class="sum" id="sum" aria-live="polite"></p>
<h2>Where the hours go</h2>
${barChart(
  plan.shares.map(({ name, share }) => ({ name, value: share, label: `${(100 * share).toFixed(0)} %` })),
  "Where the hours go",
)}
<h2>Predicted and published</h2>
<p class="quiet">Bars: predicted interval; dots: mid; line: as published, which stands at the right in GPU-hours. These runs also set the factors (docs/plan.md).</p>
${publishedChart(published)}
<h2>DeepSeek-V3's bill</h2>
<div class="scroll"><table><thead><tr><th>stage</th><th>published hours</th><th>predicted</th><th>interval</th><th>published $</th><th>predicted $</th></tr></thead><tbody>${table}</tbody></table></div>
<h2>Without each saving</h2>
${barChart(
  bill.whatIfs.map(({ name, factor }) => ({ name, value: factor, label: `${factor.toFixed(1)} ×` })),
  "What each saving is worth",
)}
<p class="quiet">The famous ratio is ${(bill.rivalUsd / bill.total.publishedUsd).toFixed(0)} ×. Not in the bill: ${escapeHtml(bill.leftOut.join("; "))}.</p>
<h2>Assumptions</h2>
<ul>${plan.assumptions.map((line) => `<li>${escapeHtml(line)}</li>`).join("")}</ul>
<script type="application/json" id="plan">${JSON.stringify(start).replaceAll("<", "\\u003c")}</script><script>${SCRIPT}</script>
</body></html>
`;
}
