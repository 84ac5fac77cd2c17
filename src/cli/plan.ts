/** shoal plan */
import { writeFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { Command, Option } from "commander";
import { InputError } from "../base/index.ts";
import { measureCeilings } from "../bench/index.ts";
import { readJsonObject } from "../checkpoint/index.ts";
import { parseConfig } from "../model/index.ts";
import {
  againstPublished,
  type BudgetPlan,
  type Counts,
  countDeepseek,
  countDense,
  type DeepseekBill,
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
  type ServePlan,
  type TrainPlan,
  type TrainRequest,
} from "../plan/index.ts";
import { createKernels } from "../tensor/index.ts";

/** "5.6M", "15e12", "671B", "15T" → a number; NaN for anything else, which the planner refuses by name. */
function amount(text: string): number {
  const match = /^\$?([\d.]+(?:e[+-]?\d+)?|-[\d.]+)\s*([kmbt])?$/i.exec(text.trim());
  if (!match) throw new InputError(`${JSON.stringify(text)} is not a number; write 5.6M, 671B, 15T or 15e12`);
  const unit = { k: 1e3, m: 1e6, b: 1e9, t: 1e12 }[match[2]?.toLowerCase() ?? ""] ?? 1;
  return Number(match[1]) * unit;
}

interface MachineFlags {
  gpu?: string;
  cpu?: string | boolean;
  peak?: number;
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
    .option("--peak <flops>", "measured peak of one device or core in bf16, FLOP/s", amount)
    .option("--gpus <n>", "devices, or cores with --cpu", amount)
    .option("--price <usd>", "US$ per device-hour, or core-hour", amount)
    .option("--hardware <file>", "a JSON file with more machines")
    .option("--json", "print the plan as JSON", false);

const modelOptions = (command: Command): Command =>
  command
    .option("--params <n>", "parameters in all, as 8.03e9 or 8B", amount)
    .option("--active <n>", "parameters active for a token (mixtures of experts)", amount)
    .option("--config <path>", "a config.json: DeepSeek-V3's kind, or a dense one");

function machineOf(flags: MachineFlags): Hardware {
  const file = flags.hardware;
  const more = file === undefined ? [] : parseHardware(readJsonList(file), file);
  if (flags.cpu !== undefined && flags.gpu !== undefined) throw new InputError("--cpu and --gpu: give one of them");
  if (flags.cpu === true && flags.peak === undefined) return thisComputer();
  const name = flags.cpu === undefined ? (flags.gpu ?? "H100") : `CPU-${flags.cpu === true ? "AVX512" : flags.cpu}`;
  const found = findHardware(name, more);
  if (flags.peak === undefined) return found;
  if (!(flags.peak > 0)) throw new InputError(`--peak ${flags.peak}: must be above 0, in FLOP/s`);
  return { ...found, bf16: flags.peak, source: "--peak" };
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
  .description("time, money, energy and memory of a training run")
  .option("--tokens <n>", "tokens to train on, as 15e12 or 15T", amount)
  .option("--flops <n>", "operations in all, where only those are known", amount)
  .addOption(new Option("--precision <p>", "of the matrix products").choices(["bf16", "fp8"]).default("bf16"))
  .option("--context <n>", "tokens of a sequence (default: 4096)", amount)
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
  shoal plan train --params 8.03e9 --tokens 15e12 --gpu H100
  shoal plan train --params 400B --active 17B --tokens 22T --gpu H100 --precision fp8
  shoal plan train --config models/minnow/config.json --tokens 22M --cpu --gpus 2`,
  )
  .action((flags: TrainFlags) => {
    const hardware = machineOf(flags);
    const { tensor, pipeline, expert } = flags;
    const given = tensor ?? pipeline ?? expert;
    const gpus = flags.gpus ?? (hardware.kind === "cpu" ? availableParallelism() : undefined);
    const request: TrainRequest = {
      ...flags,
      hardware,
      gpus,
      counts: flags.config === undefined ? undefined : countsOf(flags.config),
      mtp: flags.mtp ? undefined : false,
      layout: given === undefined ? undefined : { tensor, pipeline, expert },
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
    throw new InputError(`${path}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
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

const hardwarePlan = new Command("hardware")
  .description("the machines that the planner knows, with sources")
  .option("--json", "print them as JSON", false)
  .action(({ json }: { json: boolean }) => {
    if (json) return console.log(JSON.stringify(HARDWARE));
    console.log(`${"name".padEnd(12)}year  bf16 TF   fp8 TF  memory   TB/s   W     $/h    source`);
    for (const { name, year, bf16, fp8, memory, bandwidth, power, price, source } of HARDWARE)
      console.log(
        `${name.padEnd(12)}${year}  ${(bf16 / 1e12).toPrecision(3).padStart(7)}  ${(fp8 === null ? "–" : (fp8 / 1e12).toPrecision(4)).padStart(7)}  ${String(memory / 1e9).padStart(3)} GB  ${(bandwidth / 1e12).toFixed(2).padStart(5)}  ${String(power).padStart(4)}  ${price.toFixed(2).padStart(5)}   ${source}`,
      );
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
  shoal plan --budget 0.50 --cpu
  shoal plan serve --config config.json --gpu H100 --weights fp8`,
  )
  .action((flags: MachineFlags & { budget?: number; precision: "bf16" | "fp8" }, command: Command) => {
    if (flags.budget === undefined) return command.help({ error: false });
    const { budget: usd, precision, gpus, price } = flags;
    const plan = planBudget({ usd, hardware: machineOf(flags), precision, gpus, price });
    if (flags.json) console.log(JSON.stringify(plan));
    else printBudget(plan);
  });
for (const command of [trainPlan, deepseekPlan, servePlan, hardwarePlan]) planCommand.addCommand(command);

/** 2664000 → "2.664M": four figures. */
function short(value: number): string {
  const units: [number, string][] = [
    [1e15, "Q"],
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ];
  for (const [size, unit] of units)
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(4))}${unit}`;
  return String(Number(value.toPrecision(3)));
}

const line = (name: string, value: string) => console.log(`${name.padEnd(28)}${value}`);

function printTraining(plan: TrainPlan): void {
  const range = (values: { low: number; mid: number; high: number }, unit = "", before = "") =>
    `${before}${short(values.mid)}${unit}   (${before}${short(values.low)} to ${before}${short(values.high)})`;
  line(`${plan.gpu}-hours`, range(plan.gpuHours));
  line("cost", range(plan.usd, "", "$"));
  line(`days on ${plan.gpus}`, range(plan.days));
  line("energy", range(plan.kwh, " kWh"));
  line("operations", plan.flops.toExponential(3));
  line("share of the bf16 peak", `${(100 * plan.mfu.mid).toFixed(1)} %`);
  if (plan.memory)
    line("memory per device", `${(plan.memory.needed / 1e9).toFixed(1)} of ${plan.memory.available / 1e9} GB`);
  console.log("\nWhere the time goes");
  for (const { name, share } of plan.shares)
    line(`  ${name}`, `${"█".repeat(Math.round(share * 40))} ${(100 * share).toFixed(0)} %`);
  console.log("\nAssumptions");
  for (const assumption of plan.assumptions) console.log(`  - ${assumption}`);
}

function printBill(bill: DeepseekBill): void {
  console.log(
    `${"DeepSeek-V3".padEnd(20)}${"published".padStart(12)}${"predicted".padStart(12)}${"low".padStart(10)}${"high".padStart(10)}${"published $".padStart(14)}${"predicted $".padStart(14)}`,
  );
  for (const { stage, gpuHours, usd, publishedGpuHours, publishedUsd } of [...bill.rows, bill.total])
    console.log(
      `${stage.padEnd(20)}${short(publishedGpuHours).padStart(12)}${short(gpuHours.mid).padStart(12)}${short(gpuHours.low).padStart(10)}${short(gpuHours.high).padStart(10)}${`$${short(publishedUsd)}`.padStart(14)}${`$${short(usd.mid)}`.padStart(14)}`,
    );
  console.log(
    `\nAgainst $${short(bill.rivalUsd)} of others: ${(bill.rivalUsd / bill.total.publishedUsd).toFixed(0)} × less. The same model without one of its savings:`,
  );
  for (const { name, usd, factor, why } of bill.whatIfs)
    console.log(`  ${`${factor.toFixed(1)} ×`.padEnd(8)}$${short(usd).padEnd(8)} ${name}: ${why}`);
  console.log("\nNot in the bill");
  for (const item of bill.leftOut) console.log(`  - ${item}`);
}

function printServing(plan: ServePlan): void {
  line("served by", `${plan.gpus} × ${plan.gpu}, ${plan.batch} sequences together`);
  line("weights, cache per token", `${(plan.weightBytes / 1e9).toFixed(2)} GB, ${short(plan.cacheBytesPerToken)} B`);
  line("prompts read", `${short(plan.prefillTokensPerSecond)} tokens/s   (bound by ${plan.bound.prefill})`);
  line(
    "replies written",
    `${short(plan.decodeTokensPerSecond)} tokens/s, ${short(plan.tokensPerSecondPerSequence)} for each reader   (bound by ${plan.bound.decode})`,
  );
  line("per million tokens", `$${plan.usdPerMillionInput.toFixed(3)} in, $${plan.usdPerMillionOutput.toFixed(3)} out`);
  line("fits on", plan.fits.map(({ gpu, gpus }) => `${gpus} × ${gpu}`).join(", "));
  for (const assumption of plan.assumptions) console.log(`  - ${assumption}`);
}

function printBudget({ usd, purchases, law, notes, programme }: BudgetPlan): void {
  console.log(`$${short(usd)} buys, by ${law}:`);
  for (const { kind, parameters, active, tokens, loss, plan } of purchases) {
    const size =
      parameters === active
        ? `${short(parameters)} parameters`
        : `${short(parameters)} parameters, ${short(active)} active`;
    console.log(
      `  ${kind}: ${size}, ${short(tokens)} tokens; loss ${loss.mid.toFixed(3)} (${loss.low.toFixed(3)} to ${loss.high.toFixed(3)}); ${short(plan.gpuHours.mid)} hours, ${short(plan.days.mid)} days on ${plan.gpus} × ${plan.gpu}`,
    );
  }
  for (const note of notes) console.log(`  - ${note}`);
  if (!programme) return;
  console.log(
    `Built rather than rented: ${short(programme.gigawatts)} GW on ${programme.sites} sites, ${short(programme.devices)} devices, ${short(programme.buildYears)} years to build; one run of all of it: ${programme.run.flops.toExponential(1)} operations, ${short(programme.run.parameters)} parameters on ${short(programme.run.tokens)} tokens`,
  );
  for (const assumption of programme.assumptions) console.log(`  - ${assumption}`);
}
