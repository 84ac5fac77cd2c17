/** What tests ask of a run's folder. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { LedgerRecord } from "../src/train/index.ts";

export const ledgerOf = (out: string): LedgerRecord[] =>
  readFileSync(join(out, "ledger.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** What a ledger says of the learning, without times and pauses: equal for two runs that learnt the same. */
export const course = (out: string) =>
  ledgerOf(out)
    .filter((record) => !(record.kind === "event" && record.event === "resume"))
    .map((record) => {
      if (record.kind === "step") {
        const { seconds, coreHours, usd, memoryMB, tokensPerSecond, tflops, ...rest } = record;
        return rest;
      }
      if (record.kind !== "validation") return record;
      const { seconds, ...rest } = record;
      return rest;
    });

/** The finished weights' bytes. */
export const weightsOf = (out: string) => readFileSync(join(out, "model", "model.safetensors"));

/** Content of every file of a folder, by name. */
export const filesOf = (out: string): Map<string, string> =>
  new Map(
    (readdirSync(out, { recursive: true }) as string[])
      .sort()
      .map((name) => [name, statSync(join(out, name)).isFile() ? readFileSync(join(out, name), "base64") : ""]),
  );
