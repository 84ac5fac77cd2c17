/** A run in a few lines for the terminal. */

import type { Validation } from "../ledger/records.ts";
import type { RunView } from "../ledger/view.ts";
import { count, duration, energy, fixed, money, percent, short } from "./format.ts";

/** What was measured on what was held out, in words. */
export function heldOut({ bitsPerByte, chatLoss, pairsLoss, pairsAccuracy }: Validation): string {
  return [
    ...(Number.isFinite(bitsPerByte) ? [`${fixed(bitsPerByte, 4)} bits per byte`] : []),
    ...(Number.isFinite(chatLoss) ? [`loss of held-out replies ${fixed(chatLoss, 4)}`] : []),
    ...(Number.isFinite(pairsLoss)
      ? [`held-out pairs ${percent(pairsAccuracy)} right, loss ${fixed(pairsLoss, 4)}`]
      : []),
  ].join(", ");
}

export function reportText({ figures, folder, course }: RunView): string {
  const { bill, tokensPerSecond, utilisation, prediction, experts, validation } = figures;
  const share = utilisation.mean > 0 ? `, ${percent(utilisation.mean)} of the stated peak` : "";
  const rows: [string, string][] = [
    ["run", `${figures.name || folder.dir}, ${figures.state === "stopped" ? "not finished" : figures.state}`],
    [
      "progress",
      `${percent(figures.progress)}: step ${count(figures.step)}, ${short(figures.tokens)} of ${short(figures.totalTokens)} tokens`,
    ],
    ["loss", [figures.loss, ...figures.mtpLoss].map((loss) => fixed(loss, 4)).join(", MTP ")],
    [
      "validation",
      validation ? heldOut(validation) : figures.state === "finished" ? "nothing was held out" : "none yet",
    ],
    ["speed", `${count(tokensPerSecond.median)} tokens/s (median)${share}`],
    ["time", `${duration(figures.seconds)}, ${fixed(figures.coresBusy, 1)} cores busy`],
    [
      "bill",
      `${short(bill.coreHours)} core-hours, ${money(bill.usd)}, ${energy(bill.kwh)}${bill.wattsAssumed ? " (assumed)" : ""}`,
    ],
    ["experts", `busiest ${fixed(experts.busiest, 2)} × the mean, ${count(experts.idle)} idle`],
    ["skipped", `${count(figures.skippedSteps)} steps, ${count(figures.skippedDocuments)} documents`],
  ];
  if (prediction)
    rows.push([
      "planner",
      `${duration(prediction.hours.mid * 3600)} (${duration(prediction.hours.low * 3600)} to ${duration(prediction.hours.high * 3600)})`,
    ]);
  if (figures.state === "running") rows.push(["left", `about ${duration(figures.secondsLeft)}`]);
  for (const { name, detail } of course.events) if (name === "remark" || name === "model") rows.push([name, detail]);
  if (course.brokenLines > 0) rows.push(["broken lines", count(course.brokenLines)]);
  return rows.map(([name, value]) => `${name.padEnd(14)}${value}`).join("\n");
}
