/**
 * Runs variants of one recipe one after the other and prints what each gave:
 *   node bench/ablations.ts bench/ablations.json --data DIR [--out runs/ablations] [--only NAME,NAME]
 * The file holds `base` (a recipe's path) and `variants` (name → what to put over the base: objects are merged, all else replaced).
 * A variant that is finished is not run again, and one that was interrupted goes on.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";

type Json = { [key: string]: unknown };

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string" },
    out: { type: "string", default: "runs/ablations" },
    only: { type: "string" },
  },
});
const plan = JSON.parse(readFileSync(positionals[0], "utf8")) as { base: string; variants: Record<string, Json> };
const base = JSON.parse(readFileSync(resolve(dirname(positionals[0]), plan.base), "utf8")) as Json;
const only = values.only?.split(",");

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function merge(under: unknown, over: unknown): unknown {
  if (Array.isArray(under) && isObject(over)) return under.map((item, i) => (i in over ? merge(item, over[i]) : item));
  if (!isObject(under) || !isObject(over)) return over;
  const merged = { ...under };
  for (const key in over) merged[key] = merge(under[key], over[key]);
  return merged;
}

for (const [name, patch] of Object.entries(plan.variants)) {
  if (only && !only.includes(name)) continue;
  const out = join(values.out, name);
  if (!existsSync(join(out, "model"))) {
    mkdirSync(values.out, { recursive: true });
    const recipe = `${out}.json`;
    writeFileSync(recipe, JSON.stringify({ ...(merge(base, patch) as Json), name }, null, 2));
    const main = join(import.meta.dirname, "../src/cli/main.ts");
    const data = values.data ? ["--data", values.data] : [];
    const { status } = spawnSync(process.execPath, [main, "train", recipe, ...data, "--out", out, "--resume"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    if (status !== 0) {
      console.log(`${name}: failed (exit ${status}); run it alone: shoal train ${recipe} --out ${out} --resume`);
      continue;
    }
  }
  const ledger = readFileSync(join(out, "ledger.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Json);
  const steps = ledger.filter(({ kind }) => kind === "step");
  const validations = ledger.filter(({ kind }) => kind === "validation");
  const last = steps[steps.length - 1];
  const seconds = steps.map(({ tokensPerSecond }) => tokensPerSecond as number).sort((a, b) => a - b);
  const bits = validations.map(
    (v) => `${((v.tokens as number) / 1e6).toFixed(1)}M ${(v.bitsPerByte as number).toFixed(4)}`,
  );
  console.log(
    `${name}: ${bits.join(", ")}; ${((last.coreHours as number) * 60).toFixed(1)} core-minutes, median ${Math.round(seconds[seconds.length >> 1])} tokens/s`,
  );
}
