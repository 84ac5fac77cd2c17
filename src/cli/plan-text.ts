/** What `shoal plan` prints for people. */
import type { BudgetPlan, DeepseekBill, ServePlan, TrainPlan } from "../plan/index.ts";
import { duration } from "./common.ts";

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

const line = (name: string, value: string) => console.log(`${name.padEnd(30)}${value}`);

export function printTraining(plan: TrainPlan): void {
  const range = (values: { low: number; mid: number; high: number }, unit = "", before = "") =>
    `${before}${short(values.mid)}${unit}   (${before}${short(values.low)} to ${before}${short(values.high)})`;
  line(`${plan.gpu}-hours`, range(plan.gpuHours));
  line("cost", range(plan.usd, "", "$"));
  const time = (days: number) => {
    if (days < 0.5 / 86_400) return "under 1s";
    return days < 2 ? duration(days * 86_400) : `${short(days)} days`;
  };
  line(
    `time on ${plan.gpus} × ${plan.gpu}`,
    `${time(plan.days.mid)}   (${time(plan.days.low)} to ${time(plan.days.high)})`,
  );
  line("energy", range(plan.kwh, " kWh"));
  line("operations", plan.flops.toExponential(3));
  line("share of the bf16 peak", `${(100 * plan.mfu.mid).toFixed(1)} %`);
  if (plan.memory)
    line("memory per device", `${(plan.memory.needed / 1e9).toFixed(1)} of ${plan.memory.available / 1e9} GB`);
  console.log("\nWhere the time goes");
  for (const { name, share } of plan.shares)
    line(`  ${name} `, `${"█".repeat(Math.round(share * 40))} ${(100 * share).toFixed(0)} %`);
  console.log("\nAssumptions");
  for (const assumption of plan.assumptions) console.log(`  - ${assumption}`);
}

export function printBill(bill: DeepseekBill): void {
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

export function printServing(plan: ServePlan): void {
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

export function printBudget({ usd, purchases, law, notes, programme }: BudgetPlan): void {
  console.log(`$${short(usd)} buys, by ${law}:`);
  for (const { kind, parameters, active, tokens, loss, plan } of purchases) {
    const size =
      parameters === active
        ? `${short(parameters)} parameters`
        : `${short(parameters)} parameters, ${short(active)} active`;
    console.log(
      `  ${kind}: ${size}, ${short(tokens)} tokens; ${loss ? `loss ${loss.mid.toFixed(3)} (${loss.low.toFixed(3)} to ${loss.high.toFixed(3)})` : "smaller than any model that the law was made from, so no loss is told"}; ${short(plan.gpuHours.mid)} ${plan.gpu}-hours: ${plan.days.mid < 2 ? duration(plan.days.mid * 86_400) : `${short(plan.days.mid)} days`} on ${plan.gpus} × ${plan.gpu}`,
    );
  }
  for (const note of notes) console.log(`  - ${note}`);
  if (!programme) return;
  console.log(
    `Built rather than rented: ${short(programme.gigawatts)} GW on ${programme.sites} sites, ${short(programme.devices)} devices, ${short(programme.buildYears)} years to build; one run of all of it: ${programme.run.flops.toExponential(1)} operations, ${short(programme.run.parameters)} parameters on ${short(programme.run.tokens)} tokens`,
  );
  for (const assumption of programme.assumptions) console.log(`  - ${assumption}`);
}
