import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lineChart, niceTicks, plot } from "../charts/chart.ts";
import { pointAt } from "../charts/curves.ts";
import { BUSIEST_STEPS, colourOf, heatMap, LOAD_STEPS } from "../charts/heat-map.ts";
import { type RunView, readRun } from "../ledger/view.ts";
import { curvesSvg, modelCard } from "./card.ts";
import { count, duration, energy, money, percent, short } from "./format.ts";
import { html } from "./markup.ts";
import { reportPage } from "./report-page.ts";
import { reportText } from "./report-text.ts";

/** A name that would be a tag, an attribute's end, Markdown and YAML, if any of them let it. */
const HOSTILE = `x"'><script>alert(1)</script> | [a](b) \`c\` & : {d}`;

/** What a page shows: without its script. */
const shown = (page: string) => page.replace(/<script>[\s\S]*<\/script>/, "");
const NO_NUMBER = /NaN|undefined|Infinity|\[object/;

let dir: string;
let view: RunView;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "shoal-report-"));
  const lines = [
    ...Array.from({ length: 40 }, (_, i) => ({
      kind: "step",
      stage: i < 30 ? HOSTILE : "chat",
      step: i + 1,
      tokens: 100 * (i + 1),
      loss: 5 - i / 20,
      mtpLoss: [6 - i / 20],
      balanceLoss: 0.001,
      gradNorm: 1 / (i + 1),
      lr: 0.01,
      tokensPerSecond: 50,
      tflops: 0.1,
      seconds: 2 * (i + 1),
      coreHours: (i + 1) / 900,
      busiest: [2, 4],
      idle: [0, 0],
      memoryMB: 2048,
    })),
    { kind: "validation", step: 20, tokens: 2000, seconds: 40, bitsPerByte: 2.5, bySlice: { [HOSTILE]: 2, code: 3 } },
    {
      kind: "validation",
      step: 40,
      tokens: 4000,
      seconds: 80,
      bitsPerByte: 2,
      bySlice: { [HOSTILE]: 1.5, code: 2.25 },
    },
    {
      kind: "experts",
      step: 40,
      tokens: 4000,
      loads: [
        [0, 0.5, 1, 2.5],
        [1, 1, 1, 1],
      ],
    },
    { kind: "sample", step: 40, tokens: 4000, prompt: HOSTILE, text: `${HOSTILE}\n\nend` },
    { kind: "event", event: HOSTILE, step: 3, tokens: 300, message: HOSTILE },
    { kind: "event", event: "resume", step: 20, tokens: 2000, pausedSeconds: 90, message: "going on" },
    { kind: HOSTILE },
  ];
  writeFileSync(join(dir, "ledger.jsonl"), `${lines.map((line) => JSON.stringify(line)).join("\n")}\n{"kind":"st`);
  const stages = [HOSTILE.replace(/[^\w-]/g, "-"), "chat"].map((name) => ({
    name,
    tokens: 3000,
    sequenceLength: 10,
    batchSequences: 10,
    lr: 0.01,
    mixture: [{ path: HOSTILE }],
  }));
  writeFileSync(
    join(dir, "recipe.json"),
    JSON.stringify({ name: HOSTILE, description: HOSTILE, from: "somewhere", stages, price: { usdPerCoreHour: 0.02 } }),
  );
  view = readRun(dir);
});
afterAll(() => rmSync(dir, { recursive: true }));

describe("the report card", () => {
  it("lets nothing of a run become markup", () => {
    const page = reportPage(view);
    expect(page).not.toContain("<script>alert");
    expect(page).not.toContain(`x"'>`);
    expect(page).toContain("x&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
    // The page's only script is its own.
    expect(page.match(/<script/g)).toHaveLength(1);
  });

  it("needs nothing else, and its policy allows nothing else", () => {
    const page = reportPage(view);
    expect(page).not.toMatch(/\b(?:src|href)=/);
    expect(page).not.toMatch(/\sstyle=/);
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)![1].replaceAll("&#39;", "'");
    const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
    expect(policy).toContain(`script-src ${hash(/<script>([\s\S]*?)<\/script>/.exec(page)![1])}`);
    expect(policy).toContain(`style-src ${hash(/<style>([\s\S]*?)<\/style>/.exec(page)![1])}`);
    expect(policy).toMatch(/^default-src 'none';/);
  });

  it("has the figures, the events and what is left out", () => {
    const page = reportPage(view);
    // 40/900 core-hours at $0.02; bits per byte; first and last of a slice; the pause; one unknown kind.
    for (const text of [
      "$0.00089",
      "2.000",
      "2.250",
      "taken up again once, having lain still for 1 min 30 s",
      "that this report does not know",
    ])
      expect(page).toContain(text);
    expect(page).toContain("DeepSeek-V3’s own bill was <b>$5.576M</b>");
    expect(page).toContain("not finished");
  });

  it("can be written before there is a step", () => {
    const empty = mkdtempSync(join(tmpdir(), "shoal-report-"));
    writeFileSync(join(empty, "ledger.jsonl"), "");
    const page = reportPage(readRun(empty));
    expect(page).toContain("not begun yet");
    expect(shown(page)).not.toMatch(NO_NUMBER);
    rmSync(empty, { recursive: true });
  });

  it("never shows a number that is none", () => {
    for (const text of [reportPage(view), modelCard(view), curvesSvg(view), reportText(view)])
      expect(shown(text)).not.toMatch(NO_NUMBER);
  });

  it("refuses a folder that holds no run", () => {
    mkdirSync(join(dir, "empty"));
    expect(() => readRun(join(dir, "empty"))).toThrow(/holds no ledger.jsonl; name the folder of a run/);
  });
});

describe("the model card", () => {
  it("has Hugging Face's head with the results", () => {
    const [, head] = modelCard(view, { license: "mit" }).split("---\n");
    expect(head).toContain('license: "mit"\n');
    expect(head).toContain("library_name: transformers\npipeline_tag: text-generation\ntags: [deepseek_v3, shoal]\n");
    expect(head).toContain('dataset: {type: validation, name: "validation text: all"}');
    expect(head).toContain("value: 2.0000");
    // Quoted as JSON, a name cannot end its own value.
    expect(head).toContain(`- name: ${JSON.stringify(HOSTILE)}\n`);
    expect(modelCard(view)).not.toContain("license");
  });

  it("lets nothing of a run become Markdown or HTML", () => {
    const card = modelCard(view);
    const body = card.slice(card.indexOf("# "));
    expect(body).not.toContain("<script>");
    expect(body).not.toMatch(/(?<!\\)\[a\](?!\\)/);
    expect(body).toContain("\\<script\\>alert(1)\\</script\\> \\| \\[a\\](b) \\`c\\`");
    // A sample's lines all stay in its quotation.
    expect(body).toMatch(/\n> \*\*x[^\n]*\*\*\n> x[^\n]*\n> \n> end\n/);
  });

  it("has the course, the slices, the bill and that it is not finished", () => {
    const card = modelCard(view, { curves: "my curves.svg" });
    expect(card).toContain("![Loss and validation over the tokens](my%20curves.svg)");
    expect(card).toContain("> This run is not finished: 67 % of its tokens.");
    expect(card).toContain("| code | 3.000 | 2.250 |");
    expect(card).toMatch(/\| tokens \| 500 \| 1,000 \|.*\| 4,000 \|\n/);
    expect(card).toMatch(/\| bits per byte \| – \| – \| – \| 2\.500 \|.*\| 2\.000 \|\n/);
    expect(card).toContain("| cost | $0.00089 at $0.02 a core-hour; $0.22 a million tokens |");
  });

  it("has its curves as a picture of its own", () => {
    const picture = curvesSvg(view);
    expect(picture).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(picture).not.toContain('data-hover="{');
    expect(picture).toContain("Validation, bits per byte");
  });
});

describe("charts", () => {
  const line = (values: number[]) => ({
    name: "x",
    tone: 1 as const,
    points: values.map((y, i) => pointAt(i, i * 10, y)),
  });

  it("draws each point in its place", () => {
    const { text } = plot({ title: "t", lines: [line([0, 10, 5])], format: String, fromZero: true });
    // From 0 to 10 and 6 % more: 0 at the foot, 10 near the top, the last half way along.
    expect(text).toContain('d="M0 300L500 17L1000 158.5"');
  });

  it("leaves the start out of the scale", () => {
    const high = (cutStart: number) => plot({ title: "t", lines: [line([100, 2, 1])], format: String, cutStart }).text;
    expect(high(0)).toContain(">100<");
    expect(high(0.1)).not.toContain(">100<");
  });

  it("says so where there is nothing to draw", () => {
    expect(lineChart({ title: "t", lines: [line([])], format: String }).text).toContain("nothing yet");
  });

  it("round values for the scale", () => {
    expect(niceTicks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(niceTicks(0.13, 0.31, 4)).toEqual([0.15, 0.2, 0.25, 0.3]);
    expect(niceTicks(3, 3, 4)).toEqual([3]);
  });

  it("colours of loads: nothing, cold, the mean, warm", () => {
    expect([0, 0.1, 1, 1.3, 99].map((load) => colourOf(load, LOAD_STEPS))).toEqual([0, 1, 5, 6, 9]);
    expect([1, 1.7, 99].map((load) => colourOf(load, BUSIEST_STEPS))).toEqual([5, 6, 9]);
    const rows = [{ name: "layer 1", values: [0, 1] }];
    const { text } = heatMap({ label: "l", rows, column: (i) => `expert ${i}`, steps: LOAD_STEPS });
    expect(text).toContain('<path class="h0" d="M0 0h1v1h-1z"/>');
    expect(text).toContain('<path class="h5" d="M1 0h1v1h-1z"/>');
  });
});

it("markup: values are escaped, markup is not, nothing leaves nothing", () => {
  expect(html`<p title="${'"'}">${"<b>"}${html`<i>${1}</i>`}${[null, false, "&"]}</p>`.text).toBe(
    '<p title="&quot;">&lt;b&gt;<i>1</i>&amp;</p>',
  );
});

it("numbers as people read them", () => {
  expect([2_664_000, 12_345, 9_990, 0.006, 0.000012, 0, Number.NaN].map(short)).toEqual([
    "2.66M",
    "12.3K",
    "9,990",
    "0.006",
    "1.2e-5",
    "0",
    "–",
  ]);
  expect([5_576_000, 12.4, 0.1, 0.02, 0.0572, 0.00001, 0].map(money)).toEqual([
    "$5.58M",
    "$12.40",
    "$0.10",
    "$0.02",
    "$0.057",
    "$0.00001",
    "$0",
  ]);
  expect([59.6, 61, 3725, 200_000].map(duration)).toEqual(["1 min 00 s", "1 min 01 s", "1 h 02 min", "2 d 7 h"]);
  expect([0.0354, 0.5, 1].map(percent)).toEqual(["3.5 %", "50 %", "100 %"]);
  expect([0.0026, 1.5].map(energy)).toEqual(["2.6 Wh", "1.5 kWh"]);
  expect(count(1234.4)).toBe("1,234");
});
