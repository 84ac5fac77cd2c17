import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { reportCommand } from "./report.ts";

let dir: string;
const printed: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "shoal-report-"));
  const step = {
    kind: "step",
    stage: "s",
    step: 1,
    tokens: 1000,
    loss: 2,
    seconds: 10,
    coreHours: 0.5,
    tokensPerSecond: 100,
  };
  const validation = { kind: "validation", step: 1, tokens: 1000, bitsPerByte: 1.25, bySlice: { code: 1.25 } };
  writeFileSync(join(dir, "ledger.jsonl"), `${JSON.stringify(step)}\n${JSON.stringify(validation)}\n`);
  printed.length = 0;
  vi.spyOn(console, "log").mockImplementation((text) => printed.push(text));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

const report = (...args: string[]) => reportCommand.exitOverride().parseAsync(args, { from: "user" });

it("prints the figures, as lines or as JSON, at the prices that are given", async () => {
  await report(dir, "--usd-per-core-hour", "0.5");
  expect(printed[0]).toMatch(/^bill +0\.5 core-hours, \$0\.25, 4\.5 Wh \(assumed\)$/m);
  await report(dir, "--json", "--usd-per-core-hour", "2", "--watts-per-core", "10");
  expect(JSON.parse(printed[1])).toMatchObject({
    tokens: 1000,
    bill: { usd: 1, kwh: 0.005, wattsAssumed: false },
    validation: { bySlice: { code: 1.25 } },
  });
});

it("writes the page, and the card with its picture", async () => {
  const card = join(dir, "README.md");
  await report(dir, "--html", join(dir, "r.html"), "--markdown", card, "--license", "mit");
  expect(readFileSync(join(dir, "r.html"), "utf8")).toMatch(/^<!doctype html>/);
  expect(readFileSync(card, "utf8")).toMatch(/^---\nlicense: "mit"\n/);
  expect(readFileSync(card, "utf8")).toContain("](README-curves.svg)");
  expect(existsSync(join(dir, "README-curves.svg"))).toBe(true);
});

it("says in one line what is wrong", async () => {
  await expect(report(join(dir, "none"))).rejects.toThrow(/none: holds no ledger\.jsonl; name the folder of a run/);
  await expect(report(join(dir, "none"), "--watch")).rejects.toThrow(/none: there is no such folder/);
  await expect(report(dir, "--html", join(dir, "no", "r.html"))).rejects.toThrow(
    /r\.html: cannot be written: its folder is not there; make it first/,
  );
});
