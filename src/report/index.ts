/** A run's report: its ledger read and summed up, the report card, the model card, and the live page. */

export type { Course, StageCourse } from "./ledger/course.ts";
export type { Bill, Figures, Prediction, Prices, RunState, StageFigures } from "./ledger/figures.ts";
export { figuresToJson } from "./ledger/figures-json.ts";
export type { Validation } from "./ledger/records.ts";
export type { RunFolder } from "./ledger/run-folder.ts";
export { type RunView, readRun } from "./ledger/view.ts";
export { curvesSvg, type ModelCardOptions, modelCard } from "./page/card.ts";
export { reportPage } from "./page/report-page.ts";
export { reportText } from "./page/report-text.ts";
export { type Watch, type WatchOptions, watchRun } from "./watch/watch.ts";
export { watchRunAside } from "./watch/watch-aside.ts";
