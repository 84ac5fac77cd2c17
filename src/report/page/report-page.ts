/** The report card: a run on one page that needs nothing else. */

import type { RunView } from "../ledger/view.ts";
import { documentOf } from "./document.ts";
import { HOVER_SCRIPT } from "./hover.ts";
import { html, type Markup } from "./markup.ts";
import {
  architectureSection,
  assumptionsSection,
  billSection,
  dataSection,
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

const SAMPLES = 6;

/** The whole page. */
export function reportPage(view: RunView): string {
  const { figures, folder, now } = view;
  const part = (title: string, ...content: Markup[]) => html`<section><h2>${title}</h2>${content}</section>`;
  const body = html`<header>${headSection(view)}</header>
${tilesSection(view)}
${part("What it learnt", lossSection(view), validationSection(view))}
${part("The bill", billSection(view), stagesSection(view))}
${part("How fast", speedSection(view))}
${part("Its experts", expertsSection(view))}
${part("Step by step", smallSection(view))}
${part("What it wrote on the way", samplesSection(view, SAMPLES))}
${part("The model", architectureSection(view))}
${part("What it read", dataSection(view))}
${part("What happened", eventsSection(view))}
${part("How these figures are made", assumptionsSection(view))}
<footer>Written by <b>shoal report</b> on ${new Date(now).toISOString().slice(0, 10)} from the run’s ledger, ${figures.state === "finished" ? "finished" : "not finished"}.</footer>`;
  return documentOf({
    title: `${figures.name || folder.dir} · Shoal report card`,
    body,
    style: STYLE,
    script: HOVER_SCRIPT,
  });
}
