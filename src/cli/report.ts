/** shoal report RUN */
import { statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Command } from "commander";
import { InputError, unwritable } from "../base/index.ts";
import {
  curvesSvg,
  figuresToJson,
  modelCard,
  type Prices,
  readRun,
  reportPage,
  reportText,
  watchRun,
} from "../report/index.ts";
import { integer, real, untilInterrupted } from "./common.ts";

interface ReportFlags {
  html?: string;
  markdown?: string;
  license?: string;
  json: boolean;
  watch?: number | true;
  usdPerCoreHour?: number;
  wattsPerCore?: number;
  peakTflops?: number;
}

export const reportCommand = new Command("report")
  .argument("<run>", "the folder of a run, finished or not")
  .option("--html <file>", "write the report card: one page that needs nothing else")
  .option("--markdown <file>", "write the model card, and its curves as a picture beside it")
  .option("--license <id>", "the licence in the model card's head, as cc-by-sa-4.0")
  .option("--json", "print the figures as JSON", false)
  .option("--watch [port]", "serve a live page of the run on 127.0.0.1 (default: 4100)", integer("--watch", 0, 65535))
  .option("--usd-per-core-hour <n>", "price, in place of the recipe's", real("--usd-per-core-hour", 0, 1e6))
  .option("--watts-per-core <n>", "power of a busy core, for the energy", real("--watts-per-core", 0, 1e4))
  .option("--peak-tflops <n>", "measured peak of the machine in bf16 products", real("--peak-tflops", 1e-6, 1e6))
  .addHelpText(
    "after",
    `
Reads recipe.json, ledger.jsonl and what else stands in the folder, and changes nothing there: it may be run while training goes on.

Examples:
  shoal report runs/tiny
  shoal report runs/tiny --html report.html --markdown runs/tiny/model/README.md
  shoal report runs/tiny --watch`,
  )
  .action(async (run: string, { html, markdown, license, json, watch, ...prices }: ReportFlags) => {
    if (watch !== undefined) return serve(run, watch, prices);
    const view = readRun(run, prices);
    if (html !== undefined) write(html, reportPage(view));
    if (markdown !== undefined) {
      const curves = `${basename(markdown, ".md")}-curves.svg`;
      write(join(dirname(markdown), curves), curvesSvg(view));
      write(markdown, modelCard(view, { curves, license }));
    }
    if (json) console.log(JSON.stringify(figuresToJson(view.figures)));
    else if (html === undefined && markdown === undefined) console.log(reportText(view));
  });

async function serve(dir: string, port: number | true, prices: Prices): Promise<void> {
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory())
    throw new InputError(
      `${dir}: there is no such folder; name the folder of a run, as in: shoal report runs/tiny --watch`,
    );
  const { url, close } = await watchRun({ dir, port, prices });
  process.stderr.write(`watching ${dir} on ${url} (Ctrl-C ends)\n`);
  await untilInterrupted((signal) => new Promise((resolve) => signal.addEventListener("abort", resolve)));
  await close();
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw unwritable(path, error);
  }
}
