/** shoal plan */
import { writeFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { basename, dirname } from "node:path";
import { Command, Option } from "commander";
import { InputError, unwritable } from "../base/index.ts";
import { measureCeilings } from "../bench/index.ts";
import { configOf, openFolder, readJsonObject } from "../checkpoint/index.ts";
import { parseConfig } from "../model/index.ts";
import {
  againstPublished,
  type BudgetRequest,
  type Counts,
  countDeepseek,
  countDense,
  deepseekBill,
  findHardware,
  HARDWARE,
  type Hardware,
  parseDense,
  parseHardware,
  planBudget,
  planPage,
  planServing,
  planTraining,
  publishedRuns,
  type TrainPlan,
  type TrainRequest,
} from "../plan/index.ts";
import { createKernels } from "../tensor/index.ts";
import { loadTokenizer } from "../text/index.ts";
import {
  type InputOptions,
  loadRecipe,
  parseRecipe,
  type Recipe,
  resolveModel,
  resolveStages,
  SIZES,
  type Size,
  stageTokens,
  type Vocabulary,
  vocabularyOfSize,
} from "../train/index.ts";
import { printBill, printBudget, printServing, printTraining } from "./plan-text.ts";

/** "5.6M", "15e12", "671B", "15T" → a number; NaN for anything else, which the planner refuses by name. */
function amount(text: string): number {
  const match = /^\$?([\d.]+(?:e[+-]?\d+)?|-[\d.]+)\s*([kmbt])?$/i.exec(text.trim());
  if (!match) throw new InputError(`${JSON.stringify(text)} is not a number; write 5.6M, 671B, 15T or 15e12`);
  const unit = { k: 1e3, m: 1e6, b: 1e9, t: 1e12 }[match[2]?.toLowerCase() ?? ""] ?? 1;
  return Number(match[1]) * unit;
}

/** A device that does more is none that exists: the number is then in FLOP/s. */
const MAX_TFLOPS = 1e6;

interface MachineFlags {
  gpu?: string;
  cpu?: string | boolean;
  peakTflops?: number;
  gpus?: number;
  price?: number;
  hardware?: string;
  json: boolean;
  html?: string;
}

const machineOptions = (command: Command): Command =>
  command
    .option("--gpu <name>", "the machine (default: H100); shoal plan hardware lists them")
    .option("--cpu [name]", "this computer's cores, measured; or a kind of them: avx2, avx512, amx")
    .option("--peak, --peak-tflops <n>", "measured peak of one device or core in bf16, TFLOP/s", amount)
    .option("--gpus <n>", "devices, or cores with --cpu", amount)
    .option("--price <usd>", "US$ per device-hour, or core-hour", amount)
    .option("--hardware <file>", "a JSON file with more machines")
    .option("--json", "print the plan as JSON", false);

const modelOptions = (command: Command): Command =>
  command
    .option("--params <n>", "parameters in all, as 8.03e9 or 8B", amount)
    .option("--active <n>", "parameters active for a token (mixtures of experts)", amount)
    .option("--config <path>", "a config.json, DeepSeek-V3's kind or a dense one; or a recipe");

function machineOf(flags: MachineFlags): Hardware {
  const file = flags.hardware;
  const more = file === undefined ? [] : parseHardware(readJsonList(file), file);
  if (flags.cpu !== undefined && flags.gpu !== undefined) throw new InputError("--cpu and --gpu: give one of them");
  const { peakTflops } = flags;
  if (flags.cpu === true && peakTflops === undefined) return thisComputer();
  const name = flags.cpu === undefined ? (flags.gpu ?? "H100") : `CPU-${flags.cpu === true ? "AVX512" : flags.cpu}`;
  const found = findHardware(name, more);
  if (peakTflops === undefined) return found;
  if (!(peakTflops > 0 && peakTflops < MAX_TFLOPS))
    throw new InputError(
      `--peak-tflops ${peakTflops}: must be above 0 and below ${MAX_TFLOPS}, in TFLOP/s (an H100 has 989)`,
    );
  return { ...found, bf16: peakTflops * 1e12, source: "--peak-tflops" };
}

/** A core of this computer, its peak and bandwidth measured now. */
function thisComputer(): Hardware {
  const cores = availableParallelism();
  process.stderr.write("measuring this computer …\n");
  const kernels = createKernels();
  const { matrixPeak, readBandwidth } = measureCeilings(kernels);
  const source = `measured on ${kernels.isa} kernels, ${cores} cores together`;
  const base = findHardware("CPU-AVX512");
  return {
    ...base,
    name: "CPU",
    bf16: matrixPeak / cores,
    bandwidth: readBandwidth / cores,
    memory: totalmem() / cores,
    source,
  };
}

function readJsonList(path: string): unknown {
  // The list may stand alone or under "hardware".
  try {
    return readJsonObject(path).hardware;
  } catch (error) {
    if (error instanceof InputError && /expected a JSON object/.test(error.message))
      throw new InputError(`${path}: expected {"hardware": [{name, bf16, memory, bandwidth, …}]}`);
    throw error;
  }
}

function countsOf(path: string): Counts {
  const json = readJsonObject(path);
  return /deepseek/.test(String(json.model_type))
    ? countDeepseek(parseConfig(json, path))
    : countDense(parseDense(json, path));
}

/** What a recipe's stages come to together; null where the file is none. Costs are linear in the length of a sequence, so its mean stands for all. */
function recipeAt(path: string): Pick<TrainRequest, "counts" | "tokens" | "context" | "mtp" | "recompute"> | null {
  if (!("stages" in readJsonObject(path))) return null;
  const recipe = loadRecipe(path);
  const options = { out: "", recipeDir: dirname(path), data: process.env.SHOAL_DATA };
  const { stages } = recipe;
  const config =
    recipe.from === undefined
      ? resolveStages(recipe, vocabularyOf(recipe, options))[0].config
      : configOf(openFolder(resolveModel(recipe.from, options)));
  const tokens = stages.reduce((sum, stage) => sum + stageTokens(stage), 0);
  const context = stages.reduce((sum, stage) => sum + stageTokens(stage) * stage.sequenceLength, 0) / tokens;
  return {
    counts: countDeepseek(config),
    tokens,
    context: Math.round(context),
    ...(stages.every(({ mtpWeight, preference }) => preference || mtpWeight[0] + mtpWeight[1] === 0) && { mtp: false }),
    recompute: stages.some(({ recompute }) => recompute),
  };
}

function vocabularyOf({ tokenizer }: Recipe, options: InputOptions): Vocabulary {
  if (tokenizer && "vocabSize" in tokenizer) return { vocabSize: tokenizer.vocabSize, bosId: 0, eosId: 1 };
  const { vocabSize, bosId, eosId } = loadTokenizer(resolveModel(tokenizer!.from, options));
  return { vocabSize, bosId, eosId };
}

interface TrainFlags extends MachineFlags {
  params?: number;
  active?: number;
  config?: string;
  tokens?: number;
  flops?: number;
  precision: "bf16" | "fp8";
  context?: number;
  mtp: boolean;
  recompute: boolean;
  tensor?: number;
  pipeline?: number;
  expert?: number;
}

const trainPlan = modelOptions(machineOptions(new Command("train")))
  .argument("[recipe]", "a recipe file, planned as it stands, on this computer unless a machine is named")
  .description("time, money, energy and memory of a training run")
  .option("--tokens <n>", "tokens to train on, as 15e12 or 15T", amount)
  .option("--flops <n>", "operations in all, where only those are known", amount)
  .addOption(new Option("--precision <p>", "of the matrix products").choices(["bf16", "fp8"]).default("bf16"))
  .option("--context <n>", "tokens of a sequence (default: the recipe's, else 4096)", amount)
  .option("--no-mtp", "without the multi-token prediction of the configuration")
  .option("--recompute", "the forward pass is computed again in the backward pass", false)
  .option("--tensor <n>", "tensor-parallel width (default: chosen)", amount)
  .option("--pipeline <n>", "pipeline stages (default: chosen)", amount)
  .option("--expert <n>", "expert-parallel width (default: chosen)", amount)
  .option("--html <file>", "also write a page with charts and sliders")
  .addHelpText(
    "after",
    `
Examples:
  shoal plan train recipes/fast.json
  shoal plan train --params 8.03e9 --tokens 15e12 --gpu H100
  shoal plan train --params 400B --active 17B --tokens 22T --gpu H100 --precision fp8
  shoal plan train --config models/minnow/config.json --tokens 22M --cpu --gpus 2`,
  )
  .action((argument: string | undefined, given: TrainFlags) => {
    const path = argument ?? given.config;
    const recipe = path === undefined ? null : recipeAt(path);
    if (argument !== undefined && !recipe)
      throw new InputError(`${argument}: is no recipe; a config.json goes to --config`);
    const flags = recipe && given.gpu === undefined && given.cpu === undefined ? { ...given, cpu: true } : given;
    const hardware = machineOf(flags);
    const { tensor, pipeline, expert } = flags;
    const width = tensor ?? pipeline ?? expert;
    const gpus = flags.gpus ?? (hardware.kind === "cpu" ? availableParallelism() : undefined);
    const request: TrainRequest = {
      ...flags,
      ...(recipe && { ...recipe, tokens: flags.tokens ?? recipe.tokens, context: flags.context ?? recipe.context }),
      hardware,
      gpus,
      ...(!recipe && flags.config !== undefined && { counts: countsOf(flags.config) }),
      ...(!flags.mtp && { mtp: false }),
      layout: width === undefined ? undefined : { tensor, pipeline, expert },
    };
    const plan = planTraining(request);
    if (flags.html !== undefined) writePage(flags.html, plan, request);
    if (flags.json) console.log(JSON.stringify(plan));
    else printTraining(plan);
  });

function writePage(
  path: string,
  plan: TrainPlan,
  { counts, active, params, tokens, hardware, price }: TrainRequest,
): void {
  const activeParameters = counts?.active ?? active ?? params ?? 1e9;
  const page = planPage({
    title: "What would it cost?",
    plan,
    active: activeParameters,
    tokens: tokens ?? plan.flops / (6 * activeParameters),
    price: price ?? hardware.price,
    peak: hardware.bf16,
    bill: deepseekBill(),
    published: againstPublished(),
  });
  try {
    writeFileSync(path, page);
  } catch (error) {
    throw unwritable(path, error);
  }
}

const deepseekPlan = new Command("deepseek-v3")
  .description("the famous bill: the report's table beside the prediction, and what each saving is worth")
  .option("--json", "print it as JSON", false)
  .option("--html <file>", "also write a page with charts and sliders")
  .action((flags: { json: boolean; html?: string }) => {
    const bill = deepseekBill();
    if (flags.html !== undefined) {
      writePage(flags.html, bill.pretraining, publishedRuns()[0].request);
    }
    if (flags.json) console.log(JSON.stringify(bill));
    else printBill(bill);
  });

const servePlan = machineOptions(new Command("serve"))
  .description("tokens per second and US$ per million tokens of serving a model")
  .requiredOption("--config <path>", "a config.json: DeepSeek-V3's kind, or a dense one")
  .addOption(
    new Option("--weights <dtype>", "as stored").choices(["f32", "bf16", "fp8", "int8", "int4"]).default("bf16"),
  )
  .addOption(new Option("--cache <dtype>", "of the cache").choices(["bf16", "int8"]).default("bf16"))
  .option("--batch <n>", "sequences decoded together (default: as many as fit, at most 256)", amount)
  .option("--input <n>", "tokens of a prompt", amount, 1024)
  .option("--output <n>", "tokens of a reply", amount, 256)
  .action(
    (
      flags: MachineFlags & {
        config: string;
        weights: "bf16";
        cache: "bf16";
        batch?: number;
        input: number;
        output: number;
      },
    ) => {
      const plan = planServing({ ...flags, counts: countsOf(flags.config), hardware: machineOf(flags) });
      if (flags.json) console.log(JSON.stringify(plan));
      else printServing(plan);
    },
  );

/** 71, 0.05, 2,250: three figures, never an exponent. */
const figure = (value: number): string => Number(value.toPrecision(value < 1000 ? 3 : 4)).toLocaleString("en-US");

const hardwarePlan = new Command("hardware")
  .description("the machines that the planner knows, with sources")
  .option("--json", "print them as JSON", false)
  .action(({ json }: { json: boolean }) => {
    if (json) return console.log(JSON.stringify(HARDWARE));
    console.log(`${"name".padEnd(12)}year  bf16 TF   fp8 TF  memory   TB/s   W     $/h    source`);
    for (const { name, year, bf16, fp8, memory, bandwidth, power, price, source } of HARDWARE)
      console.log(
        `${name.padEnd(12)}${year}  ${figure(bf16 / 1e12).padStart(7)}  ${(fp8 === null ? "–" : figure(fp8 / 1e12)).padStart(7)}  ${String(memory / 1e9).padStart(3)} GB  ${(bandwidth / 1e12).toFixed(2).padStart(5)}  ${String(power).padStart(4)}  ${price.toFixed(2).padStart(5)}   ${source}`,
      );
  });

/** The size whose best number of tokens is what the sum buys, with as many as it buys. @throws InputError where none is small or large enough */
function writeBudgetRecipe(path: string, { usd, ...request }: BudgetRequest): void {
  const name = basename(path).replace(/\.json$/, "");
  const all = SIZES.map((size) => {
    const recipe = budgetRecipe(name, size, 1e6);
    const counts = countDeepseek(
      resolveStages(parseRecipe(recipe), { vocabSize: vocabularyOfSize(size), bosId: 0, eosId: 1 })[0].config,
    );
    const million = planTraining({ ...request, counts, tokens: 1e6, context: 512 }).usd.mid;
    const tokens = Math.floor((usd / million) * 1e6);
    // Some 20 tokens a parameter are the optimum of dense models (Hoffmann et al. 2022).
    return { size, tokens, off: Math.abs(Math.log(tokens / counts.active / 20)) };
  });
  const { size, tokens, off } = all.reduce((best, one) => (one.off < best.off ? one : best));
  if (tokens < 1e5 || off > Math.log(50))
    throw new InputError(
      `--recipe: none of the sizes ${SIZES.join(", ")} suits this sum; plan with it, and write a recipe by hand`,
    );
  try {
    writeFileSync(path, `${JSON.stringify(budgetRecipe(name, size, tokens), null, 2)}\n`, { flag: "wx" });
  } catch (error) {
    throw unwritable(path, error);
  }
  process.stderr.write(
    `${path}: size ${size}, ${tokens.toLocaleString("en-US")} tokens; put your texts in ./texts beside it\n`,
  );
}

const budgetRecipe = (name: string, size: Size, tokens: number) => ({
  name,
  size,
  stages: [{ name: "pretrain", tokens, sequenceLength: 512, mixture: [{ path: "./texts" }], lr: 0.006 }],
  muon: {},
  validation: { share: 0.01 },
});

export const planCommand = machineOptions(new Command("plan"))
  .option("--budget <usd>", "a sum, as 5.6M or 0.50: the best model that it buys", amount)
  .addOption(new Option("--precision <p>", "of the matrix products").choices(["bf16", "fp8"]).default("bf16"))
  .addHelpText(
    "after",
    `
Examples:
  shoal plan deepseek-v3                                  # $5.576M, reproduced
  shoal plan train --params 70e9 --tokens 15e12 --gpu H100 --json
  shoal plan --budget 5.6M --gpu H800 --precision fp8     # backwards: the best model
  shoal plan --budget 0.50 --cpu --recipe half-dollar.json
  shoal plan serve --config config.json --gpu H100 --weights fp8`,
  )
  .option("--recipe <file>", "with --budget: also write a recipe that the sum is enough for")
  .action((flags: MachineFlags & { budget?: number; precision: "bf16" | "fp8"; recipe?: string }, command: Command) => {
    if (flags.budget === undefined) return command.help({ error: false });
    const { budget: usd, precision, gpus, price } = flags;
    const hardware = machineOf(flags);
    const plan = planBudget({ usd, hardware, precision, gpus, price });
    if (flags.recipe !== undefined) writeBudgetRecipe(flags.recipe, { usd, hardware, precision, gpus, price });
    if (flags.json) console.log(JSON.stringify(plan));
    else printBudget(plan);
  });
for (const command of [trainPlan, deepseekPlan, servePlan, hardwarePlan]) planCommand.addCommand(command);
