/** The live page: a frame that stands, and parts that the server sends anew whenever they have changed. */

import type { RunView } from "../ledger/view.ts";
import type { Page } from "./document.ts";
import { percent } from "./format.ts";
import { HOVER_SCRIPT } from "./hover.ts";
import { LIVE_SCRIPT } from "./live-script.ts";
import { html, type Markup } from "./markup.ts";
import {
  billSection,
  eventsSection,
  expertsSection,
  headSection,
  lossSection,
  samplesSection,
  smallSection,
  speedSection,
  stagesSection,
  tilesSection,
  validationSection,
} from "./sections.ts";
import { STYLE } from "./style.ts";

const LIVE_STYLE = `${STYLE}
body{max-width:84rem}.live{position:sticky;top:0;z-index:1;background:var(--paper);margin:0;padding:.5rem 0;font-size:.85rem;color:var(--quiet)}
#status::before{content:"";display:inline-block;width:.6rem;height:.6rem;border-radius:50%;margin-right:.5rem;background:var(--quiet)}#status.on::before{background:var(--good)}#status.off::before{background:var(--t2)}
.board{display:grid;grid-template-columns:minmax(0,1fr);gap:0 3rem}@media(min-width:64rem){.board{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}.board .full{grid-column:1/-1}.board .grid2{grid-template-columns:repeat(4,1fr)}}.board h2{margin:2rem 0 .5rem}`;

const SAMPLES = 4;

/** The parts by the id of their place in the frame. */
const PARTS: Record<string, { title: string; full?: boolean; render: (view: RunView) => Markup }> = {
  head: { title: "", full: true, render: headSection },
  tiles: { title: "", full: true, render: tilesSection },
  loss: { title: "", full: true, render: lossSection },
  validation: { title: "", render: validationSection },
  speed: { title: "", render: speedSection },
  experts: { title: "Experts", render: expertsSection },
  samples: { title: "Samples", render: (view) => samplesSection(view, SAMPLES) },
  bill: { title: "The bill", render: billSection },
  stages: { title: "Stages and events", render: (view) => html`${stagesSection(view)}${eventsSection(view)}` },
  small: { title: "Step by step", full: true, render: smallSection },
};

/** The frame. */
export function livePage(): Page {
  const places = Object.entries(PARTS).map(
    ([id, { title, full = false }]) =>
      html`<section class="${full && "full"}">${title !== "" && html`<h2>${title}</h2>`}<div id="${id}"></div></section>`,
  );
  return {
    title: "Shoal training run",
    body: html`<p class="live"><span id="status" role="status">connecting …</span></p><main class="board">${places}</main>`,
    style: LIVE_STYLE,
    script: `${HOVER_SCRIPT}\n${LIVE_SCRIPT}`,
    live: true,
  };
}

export interface LiveView {
  title: string;
  writtenAt: number | null;
  now: number;
  parts: Map<string, string>;
}

/** Every part as it is now. */
export function liveView(view: RunView): LiveView {
  const { figures, folder, writtenAt, now } = view;
  return {
    title: `${percent(figures.progress)} · ${figures.name || folder.dir} · Shoal`,
    writtenAt,
    now,
    parts: new Map(Object.entries(PARTS).map(([id, { render }]) => [id, render(view).text])),
  };
}
