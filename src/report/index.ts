/** A run's report: its ledger read and summed up, the report card, the model card, and the live page. */
export { curvesSvg, type ModelCardOptions, modelCard } from "./card.ts";
export type { Bill, Figures, Prices, RunState } from "./figures.ts";
export { figuresToJson } from "./figures-json.ts";
export { reportPage } from "./report-page.ts";
export { reportText } from "./report-text.ts";
export { type RunView, readRun } from "./view.ts";
export { type Watch, type WatchOptions, watchRun } from "./watch.ts";
export { watchRunAside } from "./watch-aside.ts";
